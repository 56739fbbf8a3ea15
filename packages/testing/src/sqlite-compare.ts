import { createHash } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';

/** Properties that a file keeps. */
const properties = [
  'page_size',
  'encoding',
  'auto_vacuum',
  'user_version',
  'application_id',
  'journal_mode',
] as const;

const ownNames =
  /^holdfast_(source|revisions|candidates|\d+_(insert|update|delete|before_insert|before_update))$/;

const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`;

interface SchemaRow {
  readonly type: string;
  readonly name: string;
  readonly tbl_name: string;
  readonly rootpage: number;
  readonly sql: string | null;
}

export interface CompareOptions {
  /** How many differences to tell. */
  readonly differencesMax?: number;
}

/**
 * What differs between two SQLite databases: properties, every row of sqlite_schema, every value of every table with
 * its storage class and bytes, rowids included. Empty: a dump of either is a dump of both. What Holdfast itself made
 * is left out. Reads both files and writes neither.
 */
export function compareDatabases(a: string, b: string, options: CompareOptions = {}): string[] {
  const left = new DatabaseSync(a, { enableForeignKeyConstraints: false });
  const right = new DatabaseSync(b, { enableForeignKeyConstraints: false });
  try {
    left.exec('PRAGMA query_only=ON');
    right.exec('PRAGMA query_only=ON');
    const differences = [
      ...compareProperties(left, right),
      ...compareMaps('object', schemaOf(left), schemaOf(right)),
      ...tables(left).flatMap((table) => compareTables(left, right, table)),
      ...compareIntegrity(left, right),
    ];
    return differences.slice(0, options.differencesMax ?? 20);
  } finally {
    left.close();
    right.close();
  }
}

function compareProperties(left: DatabaseSync, right: DatabaseSync): string[] {
  return properties.flatMap((name) => {
    const [a, b] = [left, right].map((db) => Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0]);
    return a === b ? [] : [`${name}: ${a} and ${b}`];
  });
}

function schemaOf(db: DatabaseSync): Map<string, string> {
  const rows = db.prepare('SELECT * FROM sqlite_schema').all() as unknown as SchemaRow[];
  return new Map(
    rows
      .filter((row) => !ownNames.test(row.name) && !ownNames.test(row.tbl_name))
      .map((row) => [
        `${row.type} ${row.name}`,
        JSON.stringify([row.tbl_name, row.rootpage === 0 || row.rootpage === null, row.sql]),
      ]),
  );
}

function tables(db: DatabaseSync): SchemaRow[] {
  const rows = db
    .prepare("SELECT * FROM sqlite_schema WHERE type = 'table' AND rootpage > 0 ORDER BY name")
    .all() as unknown as SchemaRow[];
  return rows.filter((row) => !ownNames.test(row.name));
}

function compareTables(left: DatabaseSync, right: DatabaseSync, table: SchemaRow): string[] {
  const sql = rowsSql(left, table.name);
  try {
    const [a, b] = [rowsOf(left, sql), rowsOf(right, sql)];
    if (a.digest === b.digest) return [];
    if (a.rows.size !== b.rows.size) {
      const lost = [...a.rows].find((row) => !b.rows.has(row));
      const more = [...b.rows].find((row) => !a.rows.has(row));
      return [`table ${table.name}: ${a.rows.size} and ${b.rows.size} rows; ${lost ?? ''} | ${more ?? ''}`];
    }
    const missing = [...a.rows].filter((row) => !b.rows.has(row)).slice(0, 3);
    const extra = [...b.rows].filter((row) => !a.rows.has(row)).slice(0, 3);
    if (missing.length === 0 && extra.length === 0) return [];
    return [`table ${table.name}: ${missing.join(' ')} became ${extra.join(' ')}`];
  } catch (caught) {
    return [`table ${table.name}: ${(caught as Error).message}`];
  }
}

/** Every value as its class and its bytes: nothing is rounded, and nothing is lost in a JavaScript string. */
function rowsSql(db: DatabaseSync, table: string): string {
  const columns = db.prepare(`PRAGMA table_xinfo(${quote(table)})`).all() as {
    name: string;
    hidden: number;
  }[];
  const listed = db
    .prepare('SELECT wr FROM pragma_table_list WHERE name = ? AND schema = ?')
    .get(table, 'main') as { wr: number } | undefined;
  const taken = new Set(columns.map((column) => column.name.toLowerCase()));
  const rowid = listed?.wr ? undefined : ['rowid', '_rowid_', 'oid'].find((name) => !taken.has(name));
  const names = columns.map((column) => quote(column.name));
  const values = names.flatMap((name) => [
    `typeof(${name})`,
    // The eight bytes of a number, as it is kept; -0.0 is told from 0.0 by its angle.
    `CASE typeof(${name}) WHEN 'real' THEN format('%!.17g', ${name}) || (CASE WHEN atan2(${name}, -1.0) < 0 THEN '-' ELSE '+' END) WHEN 'integer' THEN CAST(${name} AS TEXT) ELSE hex(CAST(${name} AS BLOB)) END`,
  ]);
  return `SELECT ${[...(rowid ? [rowid] : []), ...values].join(', ')} FROM ${quote(table)}`;
}

function rowsOf(db: DatabaseSync, sql: string): { digest: string; rows: Set<string> } {
  const statement = db.prepare(sql, { returnArrays: true, readBigInts: true });
  const rows = new Set<string>();
  const hash = createHash('sha256');
  let n = 0;
  for (const row of statement.iterate() as Iterable<unknown> as Iterable<unknown[]>) {
    const text = row.map(String).join('|');
    hash.update(text).update('\n');
    // Rows may be equal; a set would count them once.
    rows.add(rows.has(text) ? `${text}#${n++}` : text);
  }
  return { digest: hash.digest('hex'), rows };
}

function compareMaps(what: string, a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): string[] {
  return [...new Set([...a.keys(), ...b.keys()])]
    .filter((key) => a.get(key) !== b.get(key))
    .map((key) => `${what} ${key}: ${a.get(key)} and ${b.get(key)}`);
}

/** What ails the second database and not the first: rows that break a CHECK are copied as they are. */
function compareIntegrity(left: DatabaseSync, right: DatabaseSync): string[] {
  const [a, b] = [left, right].map((db) =>
    (db.prepare('PRAGMA integrity_check(10)').all() as { integrity_check: string }[]).map(
      (row) => row.integrity_check,
    ),
  );
  return (b ?? []).filter((line) => line !== 'ok' && !a?.includes(line)).map((line) => `integrity: ${line}`);
}
