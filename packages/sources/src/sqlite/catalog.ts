import type { DatabaseSync } from 'node:sqlite';
import { type Column, relationPath } from '@holdfast/core';
import { missingText } from './default-value.ts';
import { isOwnTable, isOwnTrigger, quoteName } from './names.ts';
import type { OutputColumn, TableLayout } from './table-layout.ts';

/** A row of sqlite_schema. */
export interface SchemaObject {
  readonly type: string;
  readonly name: string;
  readonly table: string;
  readonly rootPage: number;
  readonly sql: string | null;
}

export interface TableColumn {
  readonly name: string;
  readonly type: string;
  readonly affinity: Affinity;
  /** 1-based place in the primary key, 0 outside. */
  readonly key: number;
  readonly generated: 'no' | 'virtual' | 'stored';
  readonly defaultSql: string | null;
}

export interface Table {
  readonly database: string;
  readonly name: string;
  readonly path: string;
  readonly rootPage: number;
  readonly withoutRowid: boolean;
  /** All of them, generated ones included. */
  readonly columns: readonly TableColumn[];
  /** The INTEGER PRIMARY KEY, which is the rowid by another name. */
  readonly rowidColumn: string | undefined;
  /** By which name the rowid can be asked for, if no column hides all three. */
  readonly rowidName: string | undefined;
  /** What a chunk holds, in this order. */
  readonly output: readonly Column[];
}

export type Affinity = 'INTEGER' | 'TEXT' | 'BLOB' | 'REAL' | 'NUMERIC';

/** https://sqlite.org/datatype3.html, section 3.1. */
export function affinityOf(type: string, strict = false): Affinity {
  const upper = type.toUpperCase();
  if (strict && upper === 'ANY') return 'BLOB';
  if (upper.includes('INT')) return 'INTEGER';
  if (upper.includes('CHAR') || upper.includes('CLOB') || upper.includes('TEXT')) return 'TEXT';
  if (upper.includes('BLOB') || upper === '') return 'BLOB';
  if (upper.includes('REAL') || upper.includes('FLOA') || upper.includes('DOUB')) return 'REAL';
  return 'NUMERIC';
}

/** Everything that Holdfast did not make itself, in the order in which it was made. */
export function schemaObjects(db: DatabaseSync, database: string): SchemaObject[] {
  const rows = db
    .prepare(
      `SELECT type, name, tbl_name AS "table", rootpage AS "rootPage", sql FROM ${quoteName(database)}.sqlite_schema ORDER BY rowid`,
    )
    .all() as unknown as SchemaObject[];
  return rows.filter((row) => !isOwnTable(row.table) && !(row.type === 'trigger' && isOwnTrigger(row.name)));
}

/** The tables that have rows of their own: ordinary ones, shadow tables, and SQLite's own (statistics, sequences). */
export function tablesOf(db: DatabaseSync, database: string): Table[] {
  const listed = new Map(
    (
      db.prepare(`PRAGMA ${quoteName(database)}.table_list`).all() as {
        name: string;
        wr: number;
        strict: number;
      }[]
    ).map((row) => [row.name, row]),
  );
  return schemaObjects(db, database)
    .filter((object) => object.type === 'table' && object.rootPage > 0)
    .map((object) => {
      const flags = listed.get(object.name);
      const withoutRowid = flags?.wr === 1;
      return describeTable(db, database, object, { withoutRowid, strict: flags?.strict === 1 });
    });
}

const generatedKinds: Readonly<Record<number, TableColumn['generated']>> = { 2: 'virtual', 3: 'stored' };

function describeTable(
  db: DatabaseSync,
  database: string,
  object: SchemaObject,
  flags: { readonly withoutRowid: boolean; readonly strict: boolean },
): Table {
  const schema = quoteName(database);
  const columns = (
    db.prepare(`PRAGMA ${schema}.table_xinfo(${quoteName(object.name)})`).all() as {
      name: string;
      type: string;
      pk: number;
      hidden: number;
      dflt_value: string | null;
    }[]
  ).map(
    (row): TableColumn => ({
      name: row.name,
      type: row.type,
      affinity: affinityOf(row.type, flags.strict),
      key: row.pk,
      generated: generatedKinds[row.hidden] ?? 'no',
      defaultSql: row.dflt_value,
    }),
  );
  const key = columns.filter((column) => column.key > 0);
  let rowidColumn: string | undefined;
  if (!flags.withoutRowid && key.length === 1 && key[0]?.type.toUpperCase() === 'INTEGER') {
    // `INTEGER PRIMARY KEY DESC` has, by an old mistake that SQLite keeps, an index of its own instead.
    const indexes = db.prepare(`PRAGMA ${schema}.index_list(${quoteName(object.name)})`).all() as {
      origin: string;
    }[];
    if (!indexes.some((index) => index.origin === 'pk')) rowidColumn = key[0].name;
  }
  const taken = new Set(columns.map((column) => column.name.toLowerCase()));
  const rowidName = flags.withoutRowid
    ? undefined
    : (rowidColumn ?? ['rowid', '_rowid_', 'oid'].find((name) => !taken.has(name)));
  const output: Column[] = columns
    .filter((column) => column.generated === 'no')
    .map((column) => ({ name: column.name, type: column.type }));
  if (rowidName !== undefined && rowidColumn === undefined) {
    output.unshift({ name: rowidName, type: rowidType });
  }
  return {
    database,
    name: object.name,
    path: relationPath([database, object.name]),
    rootPage: object.rootPage,
    withoutRowid: flags.withoutRowid,
    columns,
    rowidColumn,
    rowidName,
    output,
  };
}

/** The type of the extra first column that keeps the rowid of a table without an INTEGER PRIMARY KEY. */
export const rowidType = 'ROWID';

/** How to read a table's pages. */
export function layoutOf(db: DatabaseSync, table: Table): TableLayout {
  const inRecord = recordOrder(db, table);
  const outputs: OutputColumn[] = table.columns
    .filter((column) => column.generated === 'no')
    .map((column) => ({
      stored: inRecord.indexOf(column),
      real: column.affinity === 'REAL',
      rowidAlias: column.name === table.rowidColumn,
      missing: missingText(column.affinity, column.defaultSql),
    }));
  if (table.rowidName !== undefined && table.rowidColumn === undefined) {
    outputs.unshift({ stored: -1, real: false, rowidAlias: false, missing: 'null' });
  }
  const { rootPage, withoutRowid } = table;
  return { rootPage, withoutRowid, storedCount: inRecord.length, outputs };
}

/** A WITHOUT ROWID table keeps its key first, in the key's order, and each column once. */
function recordOrder(db: DatabaseSync, table: Table): TableColumn[] {
  const stored = table.columns.filter((column) => column.generated !== 'virtual');
  if (!table.withoutRowid) return stored;
  const schema = quoteName(table.database);
  const indexes = db.prepare(`PRAGMA ${schema}.index_list(${quoteName(table.name)})`).all() as {
    name: string;
    origin: string;
  }[];
  const primary = indexes.find((index) => index.origin === 'pk');
  if (!primary) return stored;
  const order = db.prepare(`PRAGMA ${schema}.index_xinfo(${quoteName(primary.name)})`).all() as {
    cid: number;
  }[];
  return order.flatMap((row) => table.columns[row.cid] ?? []);
}
