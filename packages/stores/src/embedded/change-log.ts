import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { type Change, type Entry, HoldfastError, type Revision } from '@holdfast/core';
import type { ChangePage } from './database-calls.ts';
import { prefixEnd } from './prefix-end.ts';

export interface ChangeLogLimits {
  /** So many of the latest changes are kept at least, unless their bytes are too many. */
  readonly changesMax: number;
  readonly changesBytesMax: number;
}

/** How much of the log there is, kept with the store's revision so that no transaction has to count. */
export interface LogState {
  readonly revision: Revision;
  /** Changes up to this revision are no longer kept. */
  readonly floor: Revision;
  readonly count: number;
  readonly bytes: number;
}

/** Of one page: a watcher far behind catches up in steps that do not keep others waiting. */
const pageRowsMax = 1_000;
const pageCharactersMax = 4 * 1024 * 1024;

/** A page of changes is trimmed at a time, not a row with each transaction. */
const slack = 0.1;

/**
 * The latest changes, for watchers. A row's sequence is its revision, shifted by 20 bits, and its number within: rows
 * are in order and found by revision without an index of their own.
 */
export class ChangeLog {
  readonly #limits: ChangeLogLimits;
  readonly #insert: StatementSync;
  readonly #sizes: StatementSync;
  readonly #trim: StatementSync;
  readonly #read: StatementSync;

  constructor(database: DatabaseSync, limits: ChangeLogLimits) {
    this.#limits = limits;
    this.#insert = database.prepare('INSERT INTO change VALUES ((? << 20) + ?, ?, ?)');
    // The row's number is reported back, and may be beyond what a JavaScript number holds.
    this.#insert.setReadBigInts(true);
    this.#sizes = database.prepare(
      `SELECT sequence >> 20 AS revision, octet_length(key) + coalesce(octet_length(value), 0) AS bytes
       FROM change ORDER BY sequence`,
    );
    this.#trim = database.prepare('DELETE FROM change WHERE sequence < ((? + 1) << 20)');
    this.#read = database.prepare(
      `SELECT sequence >> 20 AS revision, key, value FROM change
       WHERE sequence >= ((?1 + 1) << 20) AND key >= ?2 AND (?3 IS NULL OR key < ?3) ORDER BY sequence`,
    );
  }

  /** Within the transaction that makes the change. The state afterwards, for the caller to store. */
  append(change: Change, state: LogState): LogState {
    const { revision, puts, deletes } = change;
    let number = 0;
    let bytes = 0;
    const insert = (key: string, value: string | null): void => {
      this.#insert.run(revision, number, key, value);
      number += 1;
      bytes += Buffer.byteLength(key) + Buffer.byteLength(value ?? '');
    };
    for (const key of deletes) insert(key, null);
    for (const { key, value } of puts) insert(key, value);
    const grown = { revision, floor: state.floor, count: state.count + number, bytes: state.bytes + bytes };
    return this.#trimmed(grown);
  }

  /** Within a transaction that reads the state, too. */
  page(prefix: string, since: Revision, { floor, revision: head }: LogState): ChangePage {
    if (since < floor || since > head) {
      const kept = `changes after ${since} were asked for; those after ${floor} and up to ${head} are kept`;
      throw new HoldfastError('out_of_range', kept, {
        hint: 'list again, and watch since the revision of the list',
      });
    }
    const changes: { revision: Revision; puts: Entry[]; deletes: string[] }[] = [];
    let rows = 0;
    let characters = 0;
    for (const row of this.#read.iterate(since, prefix, prefixEnd(prefix) ?? null)) {
      const { revision, key, value } = row as { revision: Revision; key: string; value: string | null };
      let change = changes.at(-1);
      if (change?.revision !== revision) {
        // A transaction's changes come in one page.
        if (change && (rows >= pageRowsMax || characters >= pageCharactersMax)) {
          return { changes, through: change.revision, more: true };
        }
        change = { revision, puts: [], deletes: [] };
        changes.push(change);
      }
      if (value === null) change.deletes.push(key);
      else change.puts.push({ key, value, revision });
      rows += 1;
      characters += key.length + (value?.length ?? 0);
    }
    return { changes, through: head, more: false };
  }

  #trimmed(state: LogState): LogState {
    const { changesMax, changesBytesMax } = this.#limits;
    let { floor, count, bytes } = state;
    if (count <= (1 + slack) * changesMax && bytes <= (1 + slack) * changesBytesMax) return state;
    for (const row of this.#sizes.iterate()) {
      const { revision, bytes: size } = row as { revision: Revision; bytes: number };
      // Whole transactions only, and never the newest, however large it is.
      const enough = count <= changesMax && bytes <= changesBytesMax;
      if (revision === state.revision || (enough && revision > floor)) break;
      floor = revision;
      count -= 1;
      bytes -= size;
    }
    this.#trim.run(floor);
    return { revision: state.revision, floor, count, bytes };
  }
}
