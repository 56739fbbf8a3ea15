import { DatabaseSync } from 'node:sqlite';
import { decodeName, type Finding, HoldfastError, type SchemaStatement } from '@holdfast/core';
import { translate } from './errors.ts';
import { quoteName } from './names.ts';
import { databaseOf, objectOf } from './schema-chunk.ts';

/** The statements of one database. */
export function statementsOf(schema: readonly SchemaStatement[], database: string): SchemaStatement[] {
  return schema.filter((statement) => decodeName(databaseOf(statement)) === database);
}

export function databasesOf(schema: readonly SchemaStatement[]): string[] {
  return [...new Set(schema.map((statement) => decodeName(databaseOf(statement))))];
}

/** Those that must be set before the first page is written; the rest is set in the end. */
const early = new Set(['page_size', 'encoding', 'auto_vacuum', 'default_cache_size']);
const propertyText = /^[A-Za-z0-9_-]+$/;

export function applyProperties(
  db: DatabaseSync,
  schema: readonly SchemaStatement[],
  when: 'first' | 'last',
): void {
  for (const statement of schema) {
    const name = objectOf(statement);
    if (statement.section !== 'database' || name === 'journal_mode') continue;
    if (early.has(name) !== (when === 'first')) continue;
    if (!propertyText.test(statement.text) || !/^[a-z_]+$/.test(name)) {
      throw new HoldfastError('corrupt', `the property ${name} has the value ${statement.text}`);
    }
    const value = name === 'encoding' ? `'${statement.text}'` : statement.text;
    db.exec(`PRAGMA ${name}=${value}`);
  }
}

export function journalModeOf(schema: readonly SchemaStatement[]): string | undefined {
  return schema.find((one) => one.section === 'database' && objectOf(one) === 'journal_mode')?.text;
}

/** Tables with rows. SQLite's own may be made by name only while the schema is writable. */
export function createTables(db: DatabaseSync, schema: readonly SchemaStatement[]): void {
  db.exec('PRAGMA writable_schema=ON');
  for (const statement of schema) {
    if (statement.section !== 'pre-data' || statement.type === 'VIRTUAL TABLE') continue;
    const name = decodeName(objectOf(statement));
    // The first table with AUTOINCREMENT has made it.
    if (name === 'sqlite_sequence' && hasTable(db, name)) continue;
    execute(db, statement);
  }
  db.exec('PRAGMA writable_schema=OFF');
}

function hasTable(db: DatabaseSync, name: string): boolean {
  return db.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?").get(name) !== undefined;
}

/** Indexes, views and triggers, then virtual tables, whose content is in their shadow tables already. */
export function createRest(
  db: DatabaseSync,
  schema: readonly SchemaStatement[],
  progress: (done: number, of: number, what: string) => void,
): void {
  const rest = schema.filter((statement) => statement.section === 'post-data');
  const virtual = schema.filter((statement) => statement.type === 'VIRTUAL TABLE');
  const total = rest.length + virtual.length;
  // Rows of the schema, as `sqlite3 .dump` does it: running the statement would make the shadow tables again.
  db.exec('PRAGMA writable_schema=ON');
  const insert = db.prepare(
    "INSERT INTO sqlite_schema(type, name, tbl_name, rootpage, sql) VALUES('table', ?1, ?1, 0, ?2)",
  );
  for (const statement of virtual) insert.run(decodeName(objectOf(statement)), statement.text);
  // Read again, so that triggers find them; a module that is missing here is asked for only when it is used.
  db.exec(virtual.length > 0 ? 'PRAGMA writable_schema=RESET' : 'PRAGMA writable_schema=OFF');
  for (const [index, statement] of rest.entries()) {
    progress(virtual.length + index, total, decodeName(objectOf(statement)));
    execute(db, statement);
  }
}

function execute(db: DatabaseSync, statement: SchemaStatement): void {
  try {
    db.exec(statement.text);
  } catch (caught) {
    throw translate(caught, `cannot make ${statement.type.toLowerCase()} ${decodeName(objectOf(statement))}`);
  }
}

/**
 * Makes the whole schema in memory, so that what this SQLite lacks (a collation, a function of the application) is
 * found before anything is created.
 */
export function tryOut(schema: readonly SchemaStatement[], database: string): Finding[] {
  const db = new DatabaseSync(':memory:', {
    enableForeignKeyConstraints: false,
    enableDoubleQuotedStringLiterals: true,
    defensive: false,
  });
  const finding = (message: string, hint: string): Finding => ({
    check: `schema of ${database}`,
    ok: false,
    severity: 'error',
    code: 'unsupported',
    message,
    hint,
  });
  try {
    const own = statementsOf(schema, database);
    applyProperties(db, own, 'first');
    createTables(db, own);
    createRest(db, own, () => {});
    return missingCollations(db).map(({ table, collation }) =>
      finding(
        `table ${table} has an index with the collation ${collation}, which this SQLite does not know`,
        'restore with the snapshot type, or remove the collation from the source',
      ),
    );
  } catch (caught) {
    const { reason } = translate(caught, database);
    return [
      finding(reason, 'the schema needs functions, collations or modules that this SQLite does not have'),
    ];
  } finally {
    db.close();
  }
}

function missingCollations(db: DatabaseSync): { table: string; collation: string }[] {
  const known = new Set(
    (db.prepare('PRAGMA collation_list').all() as { name: string }[]).map((row) => row.name.toUpperCase()),
  );
  const tables = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0").all() as {
    name: string;
  }[];
  return tables.flatMap(({ name }) => {
    const indexes = db.prepare(`PRAGMA index_list(${quoteName(name)})`).all() as { name: string }[];
    const used = indexes.flatMap(
      (index) =>
        db.prepare(`PRAGMA index_xinfo(${quoteName(index.name)})`).all() as { coll: string | null }[],
    );
    const missing = new Set(
      used.flatMap(({ coll }) => (coll && !known.has(coll.toUpperCase()) ? [coll] : [])),
    );
    return [...missing].map((collation) => ({ table: name, collation }));
  });
}
