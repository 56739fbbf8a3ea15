import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { HoldfastError } from '@holdfast/core';
import { quoteName } from './names.ts';
import { RowParser } from './row-parser.ts';
import { RawText, type SqliteValue } from './value-text.ts';

/** Rows per statement: a call costs as much as a row, and beyond this it does not matter any more. */
const batchRows = 40;
/** SQLite's limit of parameters is 32766. */
const batchValuesMax = 8000;
/** Lines that may wait for their statement. */
const batchBytesMax = 4 * 1024 * 1024;

/** A statement that writes; it answers with the last rowid, which a JavaScript number may not hold. */
export function prepareWrite(db: DatabaseSync, sql: string): StatementSync {
  return db.prepare(sql, { readBigInts: true });
}

/** Puts lines into a table, many rows per statement. */
export class RowInserter {
  readonly #db: DatabaseSync;
  readonly #head: string;
  readonly #width: number;
  readonly #batch: number;
  readonly #many: StatementSync;
  readonly #one: StatementSync;
  readonly #parser = new RowParser();
  readonly #values: SqliteValue[] = [];
  readonly #row: SqliteValue[] = [];
  #filled = 0;
  #bytes = 0;

  constructor(db: DatabaseSync, table: string, columns: readonly string[]) {
    this.#db = db;
    this.#width = columns.length;
    this.#batch = Math.max(1, Math.min(batchRows, Math.floor(batchValuesMax / this.#width)));
    this.#head = `INSERT INTO ${quoteName(table)}(${columns.map(quoteName).join(',')}) VALUES`;
    const marks = `(${columns.map(() => '?').join(',')})`;
    this.#one = prepareWrite(db, this.#head + marks);
    this.#many = prepareWrite(db, this.#head + Array(this.#batch).fill(marks).join(','));
  }

  /** Another block begins. */
  begin(): void {
    this.#parser.forget();
  }

  add(bytes: Uint8Array, start: number, end: number): void {
    const row = this.#parser.parse(bytes, start, end, this.#row);
    if (row.length !== this.#width) {
      throw new HoldfastError('corrupt', `a row has ${row.length} values, not ${this.#width}`);
    }
    let raw = false;
    const at = this.#filled * this.#width;
    for (let i = 0; i < this.#width; i++) {
      const value = row[i] ?? null;
      this.#values[at + i] = value;
      if (value instanceof RawText) raw = true;
    }
    if (raw) {
      this.#insertRaw(row);
      return;
    }
    this.#filled += 1;
    this.#bytes += end - start;
    if (this.#filled === this.#batch) {
      this.#many.run(...(this.#values as never[]));
      this.#filled = 0;
      this.#bytes = 0;
    } else if (this.#bytes > batchBytesMax) this.flush();
  }

  /** What does not fill a statement. */
  flush(): void {
    for (let i = 0; i < this.#filled; i++) {
      this.#one.run(...(this.#values.slice(i * this.#width, (i + 1) * this.#width) as never[]));
    }
    this.#filled = 0;
    this.#bytes = 0;
  }

  /** Text that is not well-formed is bound as bytes and made text by SQLite. */
  #insertRaw(row: readonly SqliteValue[]): void {
    const marks = row.map((value) => (value instanceof RawText ? 'CAST(? AS TEXT)' : '?')).join(',');
    const values = row.map((value) => (value instanceof RawText ? value.bytes : value));
    prepareWrite(this.#db, `${this.#head}(${marks})`).run(...(values as never[]));
  }
}
