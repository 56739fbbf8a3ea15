import type { DatabaseSync } from 'node:sqlite';
import { HoldfastError, type Sig } from '@holdfast/core';
import { quoteName } from './names.ts';
import { prepareWrite } from './row-inserter.ts';
import { type ParsedValue, RowParser } from './row-parser.ts';
import { RawText, rowLine, type SqliteValue } from './value-text.ts';

interface Relation {
  readonly db: DatabaseSync;
  readonly table: string;
  readonly columns: readonly string[];
  /** Places of the key's columns among the columns. */
  readonly key: readonly number[];
  /** Temporary table of the newest row per key. */
  readonly pending: string;
}

/**
 * Applies the lines of a `changes` chunk. They are folded by key first and applied as a whole: in the end no two rows
 * contradict a UNIQUE index, while on the way there they may.
 */
export async function applyChanges(
  lines: AsyncIterable<string>,
  find: (path: string) => { db: DatabaseSync; table: string },
  o: Sig,
): Promise<void> {
  const parser = new RowParser();
  const relations = new Map<bigint, Relation>();
  const all: Relation[] = [];
  for await (const line of lines) {
    o.signal.throwIfAborted();
    const parts = parser.parseNested(Buffer.from(line.trimEnd(), 'utf8'));
    const kind = parts[0];
    if (kind === 'relation') {
      const relation = declare(parts, all.length, find);
      relations.set(parts[1] as bigint, relation);
      all.push(relation);
    } else if (kind === 'insert' || kind === 'update' || kind === 'delete' || kind === 'truncate') {
      const relation = relations.get(parts[1] as bigint);
      if (!relation)
        throw new HoldfastError('corrupt', `a change of a relation that was not declared: ${line}`);
      remember(relation, parts);
    }
  }
  for (const relation of all) removeTouched(relation);
  for (const relation of all) insertNewest(relation, parser);
  for (const relation of all) relation.db.exec(`DROP TABLE temp.${relation.pending}`);
}

function declare(
  parts: readonly ParsedValue[],
  index: number,
  find: (path: string) => { db: DatabaseSync; table: string },
): Relation {
  const { db, table } = find(String(parts[2]));
  const columns = parts[3] as readonly string[];
  const key = (parts[4] as readonly string[]).map((name) => columns.indexOf(name));
  const pending = `holdfast_pending_${index}`;
  db.exec(`CREATE TABLE temp.${pending}(key TEXT PRIMARY KEY, row BLOB) WITHOUT ROWID`);
  return { db, table, columns, key, pending };
}

function remember(relation: Relation, parts: readonly ParsedValue[]): void {
  const put = relation.db.prepare(`INSERT OR REPLACE INTO temp.${relation.pending}(key, row) VALUES(?, ?)`);
  const set = (key: readonly SqliteValue[], row: readonly SqliteValue[] | undefined): void => {
    put.run(rowLine(key), row === undefined ? null : rowLine(row));
  };
  switch (parts[0]) {
    case 'insert': {
      const row = parts[2] as readonly SqliteValue[];
      set(keyOf(relation, row), row);
      return;
    }
    case 'update': {
      const old = parts[2] as readonly SqliteValue[] | null;
      const row = parts[3] as readonly SqliteValue[];
      if (old !== null) set(old, undefined);
      set(keyOf(relation, row), row);
      return;
    }
    case 'delete':
      set(parts[2] as readonly SqliteValue[], undefined);
      return;
    default:
      relation.db.exec(`DELETE FROM temp.${relation.pending}; DELETE FROM main.${quoteName(relation.table)}`);
  }
}

function keyOf(relation: Relation, row: readonly SqliteValue[]): SqliteValue[] {
  return relation.key.map((place) => row[place] ?? null);
}

const bytesOf = (line: string | Uint8Array): Uint8Array => Buffer.from(line as string);

function removeTouched(relation: Relation): void {
  const where = relation.key.map((place) => `${quoteName(relation.columns[place] ?? '')} IS ?`).join(' AND ');
  const parser = new RowParser();
  const remove = relation.db.prepare(`DELETE FROM main.${quoteName(relation.table)} WHERE ${where}`);
  const keys = relation.db.prepare(`SELECT key FROM temp.${relation.pending}`, { returnArrays: true });
  relation.db.exec('BEGIN');
  for (const [line] of keys.iterate() as Iterable<unknown> as Iterable<[string]>) {
    const bytes = bytesOf(line);
    const key = parser.parse(bytes, 0, bytes.length - 1, []);
    if (key.some((value) => value instanceof RawText)) {
      throw new HoldfastError('unsupported', `a key of ${relation.table} is text that is not well-formed`);
    }
    remove.run(...(key as never[]));
  }
  relation.db.exec('COMMIT');
}

function insertNewest(relation: Relation, parser: RowParser): void {
  const names = relation.columns.map(quoteName).join(',');
  const rows = relation.db.prepare(`SELECT row FROM temp.${relation.pending} WHERE row IS NOT NULL`, {
    returnArrays: true,
  });
  relation.db.exec('BEGIN');
  for (const [line] of rows.iterate() as Iterable<unknown> as Iterable<[string]>) {
    const bytes = bytesOf(line);
    const row = parser.parse(bytes, 0, bytes.length - 1, []);
    const marks = row.map((value) => (value instanceof RawText ? 'CAST(? AS TEXT)' : '?')).join(',');
    const values = row.map((value) => (value instanceof RawText ? value.bytes : value));
    prepareWrite(relation.db, `INSERT INTO main.${quoteName(relation.table)}(${names}) VALUES(${marks})`).run(
      ...(values as never[]),
    );
  }
  relation.db.exec('COMMIT');
}
