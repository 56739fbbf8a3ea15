import type { DatabaseSync } from 'node:sqlite';
import type { Table } from './catalog.ts';
import { ownTables, quoteName } from './names.ts';
import { digestOf } from './state.ts';

/**
 * The triggers that keep a table's changes. What they must never do is make a user's statement fail:
 * - They are written in the SQL of the oldest SQLite in use: a trigger that a library cannot parse would lock its
 *   users out of the whole database.
 * - A dropped column breaks none of them, because they name columns only where a missing one finds another meaning:
 *   `(SELECT "c" FROM t …)` inside `FROM (SELECT NULL AS "c")` is the row's value while the column is there, and
 *   NULL when it is not. Such a table has a new definition then, and comes whole.
 * - A REPLACE deletes rows without firing DELETE triggers (unless `recursive_triggers` is on). Before each row that
 *   may replace others, those that share a unique value with it are noted; after it, those that are gone were deleted.
 *   Only these notes name columns outright, and only ones of unique indexes.
 */
export interface Watch {
  readonly number: number;
  readonly table: Table;
  /** Columns that address a row: of `table.output`. */
  readonly key: readonly string[];
  readonly uniques: readonly UniqueIndex[];
}

export interface UniqueIndex {
  readonly columns: readonly { readonly name: string; readonly collation: string }[];
}

/** Why a table cannot be watched, in words; or what is needed to watch it. */
export function watchable(
  db: DatabaseSync,
  table: Table,
): string | { key: string[]; uniques: UniqueIndex[] } {
  if (/^sqlite_/i.test(table.name)) return "it is SQLite's own, which takes no triggers";
  const kind = db
    .prepare(`SELECT type FROM pragma_table_list WHERE schema = ? AND name = ?`)
    .get(table.database, table.name) as { type: string } | undefined;
  if (kind?.type === 'shadow')
    return 'it belongs to a virtual table, which may write it without firing triggers';
  const columns = [...table.columns].filter((column) => column.key > 0).sort((a, b) => a.key - b.key);
  const key = table.withoutRowid
    ? columns.map((column) => column.name)
    : table.rowidName
      ? [table.rowidName]
      : [];
  if (key.length === 0) return 'its columns hide the rowid, so that no row can be addressed';
  const uniques: UniqueIndex[] = [];
  const indexes = db
    .prepare(`PRAGMA ${quoteName(table.database)}.index_list(${quoteName(table.name)})`)
    .all() as { name: string; unique: number; origin: string }[];
  for (const index of indexes.filter((one) => one.unique === 1)) {
    const parts = (
      db.prepare(`PRAGMA ${quoteName(table.database)}.index_xinfo(${quoteName(index.name)})`).all() as {
        name: string | null;
        coll: string;
        key: number;
      }[]
    ).filter((part) => part.key === 1);
    if (parts.some((part) => part.name === null)) {
      return `its unique index ${index.name} is on an expression, so that rows it replaces cannot be told`;
    }
    uniques.push({ columns: parts.map((part) => ({ name: String(part.name), collation: part.coll })) });
  }
  return { key, uniques };
}

/** Changes whenever the triggers would have to. */
export function watchDefinition(definition: string, uniques: readonly UniqueIndex[]): string {
  return digestOf([definition, uniques]);
}

export const operations = { insert: 1, update: 2, delete: 3 } as const;

/** Milliseconds since 1970; the same for all rows of one statement. */
const momentSql = "CAST((julianday('now') - 2440587.5) * 86400000.0 + 0.5 AS INTEGER)";

/** Drops and makes the triggers of one table. */
export function triggerSql(watch: Watch): string[] {
  const { table, number } = watch;
  const schema = quoteName(table.database);
  const make = (suffix: string, when: string, body: readonly string[]): string =>
    `CREATE TRIGGER ${schema}."holdfast_${number}_${suffix}" ${when} ON ${quoteName(table.name)} BEGIN ${body.join('; ')}; END`;
  const resolve = watch.uniques.length > 0 ? resolveBody(watch) : [];
  const forget = watch.uniques.length > 0 ? [forgetBody(watch)] : [];
  const triggers = [
    make('insert', 'AFTER INSERT', [...resolve, recordBody(watch, operations.insert)]),
    make('update', 'AFTER UPDATE', [...resolve, recordBody(watch, operations.update)]),
    make('delete', 'AFTER DELETE', [...forget, deleteBody(watch)]),
  ];
  if (watch.uniques.length > 0) {
    triggers.push(
      make('before_insert', 'BEFORE INSERT', [...resolve, candidateBody(watch, false)]),
      make('before_update', 'BEFORE UPDATE', [...resolve, candidateBody(watch, true)]),
    );
  }
  return triggers;
}

function keyNames(watch: Watch): string {
  return watch.key.map((_, index) => `k${index}`).join(', ');
}

/**
 * Whether two keys are the same to the last bit. The plain comparison finds the row by its index; the other two tell
 * keys apart that a collation or SQLite's numbers (`1 = 1.0`) hold equal, because a backup addresses rows by text.
 */
function sameKey(
  watch: Watch,
  left: (name: string) => string,
  right: (name: string, index: number) => string,
): string {
  return watch.key
    .flatMap((name, index) => {
      const [a, b] = [left(name), right(name, index)];
      return watch.table.withoutRowid
        ? [`${a} = ${b}`, `${a} = ${b} COLLATE BINARY`, `typeof(${a}) = typeof(${b})`]
        : [`${a} = ${b}`];
    })
    .join(' AND ');
}

function recordBody(watch: Watch, operation: number): string {
  const table = quoteName(watch.table.name);
  const columns = watch.table.output.map((column) => quoteName(column.name));
  const here = sameKey(
    watch,
    (name) => `${table}.${quoteName(name)}`,
    (name) => `NEW.${quoteName(name)}`,
  );
  const values = columns.map((name) => `(SELECT ${name} FROM ${table} WHERE ${here})`);
  const names = columns.map((_, index) => `v${index}`).join(', ');
  const moved = sameKey(
    watch,
    (name) => `OLD.${quoteName(name)}`,
    (name) => `NEW.${quoteName(name)}`,
  );
  // The old key only where it is another one: rows mostly stay where they are.
  const keys = watch.key.map((name) =>
    operation === operations.update ? `CASE WHEN ${moved} THEN NULL ELSE OLD.${quoteName(name)} END` : 'NULL',
  );
  const isMoved = operation === operations.update ? `NOT (${moved})` : '0';
  const absent = columns.map((name) => `NULL AS ${name}`).join(', ');
  return [
    `INSERT INTO ${ownTables.revisions}(relation, operation, moved, moment, ${keyNames(watch)}, ${names})`,
    `SELECT ${watch.number}, ${operation}, ${isMoved}, ${momentSql}, ${keys.join(', ')}, ${values.join(', ')}`,
    // A trigger of the user's may have deleted the row meanwhile; its deletion is recorded then.
    `FROM (SELECT ${absent}) WHERE EXISTS (SELECT 1 FROM ${table} WHERE ${here})`,
  ].join(' ');
}

function deleteBody(watch: Watch): string {
  const keys = watch.key.map((name) => `OLD.${quoteName(name)}`).join(', ');
  return `INSERT INTO ${ownTables.revisions}(relation, operation, moved, moment, ${keyNames(watch)}) VALUES(${watch.number}, ${operations.delete}, 0, ${momentSql}, ${keys})`;
}

/** Notes the rows that a REPLACE would delete in favour of NEW. Most are not: most statements replace nothing. */
function candidateBody(watch: Watch, isUpdate: boolean): string {
  const table = quoteName(watch.table.name);
  const keys = watch.key.map((name) => `${table}.${quoteName(name)}`).join(', ');
  const rivals = watch.uniques.map(({ columns }) =>
    columns
      .map(
        ({ name, collation }) =>
          `${table}.${quoteName(name)} = NEW.${quoteName(name)} COLLATE ${quoteName(collation)}`,
      )
      .join(' AND '),
  );
  const self = sameKey(
    watch,
    (name) => `${table}.${quoteName(name)}`,
    (name) => `OLD.${quoteName(name)}`,
  );
  return [
    `INSERT INTO ${ownTables.candidates}(relation, ${keyNames(watch)}) SELECT ${watch.number}, ${keys} FROM ${table}`,
    `WHERE (${rivals.map((rival) => `(${rival})`).join(' OR ')})${isUpdate ? ` AND NOT (${self})` : ''}`,
  ].join(' ');
}

/** Rows that were noted and are gone were replaced: they count as deleted. The notes have served. */
function resolveBody(watch: Watch): string[] {
  const table = quoteName(watch.table.name);
  const keys = watch.key.map((_, index) => `c.k${index}`).join(', ');
  const there = sameKey(
    watch,
    (name) => `${table}.${quoteName(name)}`,
    (_, index) => `c.k${index}`,
  );
  return [
    `INSERT INTO ${ownTables.revisions}(relation, operation, moved, moment, ${keyNames(watch)}) SELECT ${watch.number}, ${operations.delete}, 0, ${momentSql}, ${keys} FROM ${ownTables.candidates} AS c WHERE c.relation = ${watch.number} AND NOT EXISTS (SELECT 1 FROM ${table} WHERE ${there})`,
    `DELETE FROM ${ownTables.candidates} WHERE relation = ${watch.number}`,
  ];
}

function forgetBody(watch: Watch): string {
  const same = sameKey(
    watch,
    (name) => `OLD.${quoteName(name)}`,
    (_, index) => `k${index}`,
  );
  return `DELETE FROM ${ownTables.candidates} WHERE relation = ${watch.number} AND ${same}`;
}
