import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite';
import { type Entry, HoldfastError, type ListLimits, type Revision } from '@holdfast/core';
import { ChangeLog, type ChangeLogLimits, type LogState } from './change-log.ts';
import type {
  ChangePage,
  DatabaseCalls,
  Observation,
  PlainTransaction,
  SessionRow,
} from './database-calls.ts';
import { openDatabaseFile } from './database-file.ts';
import { resultOf, storeError } from './errors.ts';
import { prefixEnd } from './prefix-end.ts';

export interface EmbeddedDatabaseOptions extends Partial<ChangeLogLimits> {
  readonly path: string;
  /** Asked while another process's lock is waited for; true gives up, before anything has happened. */
  readonly abandoned?: () => boolean;
}

/** What a call throws that was given up. */
export class Abandoned extends Error {}

const busy = 5;
/** In slices of SQLite's own waiting, 100 ms each: locks are held for the milliseconds that a sync of the disk takes. */
const busySlicesMax = 50;

/** The store's file, one call after the other. Several connections, of several processes, may be open at once. */
export class EmbeddedDatabase implements DatabaseCalls, Disposable {
  readonly #path: string;
  readonly #database: DatabaseSync;
  readonly #abandoned: () => boolean;
  readonly #log: ChangeLog;
  readonly #statements = new Map<string, StatementSync>();
  #dataVersion: SQLOutputValue | undefined;

  constructor({ path, abandoned = () => false, ...limits }: EmbeddedDatabaseOptions) {
    this.#path = path;
    this.#abandoned = abandoned;
    this.#database = this.#patiently('open', () => openDatabaseFile(path));
    this.#log = this.#patiently(
      'open',
      () =>
        new ChangeLog(this.#database, { changesMax: 20_000, changesBytesMax: 64 * 1024 * 1024, ...limits }),
    );
  }

  get(key: string): Entry | undefined {
    return this.#patiently('read', () => {
      const row = this.#sql('SELECT key, value, revision FROM entry WHERE key = ?').get(key);
      return row && entryOf(row);
    });
  }

  list(prefix: string, { first, last }: ListLimits): { entries: Entry[]; revision: Revision } {
    const limit = first ?? last ?? -1;
    const order = last === undefined ? 'ASC' : 'DESC';
    return this.#transaction('read', 'BEGIN', () => {
      const rows = this.#sql(
        `SELECT key, value, revision FROM entry WHERE key >= ?1 AND (?2 IS NULL OR key < ?2)
         ORDER BY key ${order} LIMIT ?3`,
      ).all(prefix, prefixEnd(prefix) ?? null, limit);
      const entries = rows.map(entryOf);
      return { entries: last === undefined ? entries : entries.reverse(), revision: this.#state().revision };
    });
  }

  transact({ checks, puts, deletes }: PlainTransaction): Revision {
    return this.#write(() => {
      const state = this.#state();
      for (const { session } of puts) if (session !== undefined) this.#demandSession(session);
      for (const { key, revision } of checks) {
        const found = this.#sql('SELECT revision FROM entry WHERE key = ?').get(key)?.revision ?? 'absent';
        if (found !== revision) {
          throw new HoldfastError('conflict', `${key} is at revision ${found}, not ${revision}`);
        }
      }
      const revision = state.revision + 1;
      const removed = deletes.filter(
        (key) => this.#sql('DELETE FROM entry WHERE key = ?').run(key).changes === 1,
      );
      const put = this.#sql(
        `INSERT INTO entry VALUES (?, ?, ?, ?) ON CONFLICT (key)
         DO UPDATE SET value = excluded.value, revision = excluded.revision, session = excluded.session`,
      );
      for (const { key, value, session } of puts) put.run(key, value, revision, session ?? null);
      if (puts.length + removed.length === 0) return state.revision;
      const entries = puts.map(({ key, value }) => ({ key, value, revision }));
      return this.#advance(this.#log.append({ revision, puts: entries, deletes: removed }, state));
    });
  }

  changes(prefix: string, since: Revision): ChangePage {
    return this.#transaction('read', 'BEGIN', () => this.#log.page(prefix, since, this.#state()));
  }

  observe(): Observation | undefined {
    return this.#patiently('read', () => {
      // Changes with each commit of any other connection. Read first: what is committed after it is seen next time.
      const dataVersion = this.#sql('PRAGMA data_version').get()?.data_version;
      if (dataVersion === this.#dataVersion) return undefined;
      const observation = this.#transaction('read', 'BEGIN', () => ({
        revision: this.#state().revision,
        sessions: this.#sql('SELECT id, ttl_ms AS ttlMs, beat FROM session').all() as unknown as SessionRow[],
      }));
      this.#dataVersion = dataVersion;
      return observation;
    });
  }

  openSession(id: string, ttlMs: number): void {
    this.#write(() => this.#sql('INSERT INTO session VALUES (?, ?, 0)').run(id, ttlMs));
  }

  beat(id: string): boolean {
    // A power cut may undo a beat, but then its owner is gone as well: it need not wait for the disk, whose stalls
    // would otherwise cost leases.
    this.#database.exec('PRAGMA synchronous = NORMAL');
    try {
      return this.#write(
        () => this.#sql('UPDATE session SET beat = beat + 1 WHERE id = ?').run(id).changes === 1,
      );
    } finally {
      this.#database.exec('PRAGMA synchronous = FULL');
    }
  }

  endSession(id: string, beat?: number): Revision | undefined {
    return this.#write(() => {
      const ended = this.#sql('DELETE FROM session WHERE id = ?1 AND (?2 IS NULL OR beat = ?2)');
      if (ended.run(id, beat ?? null).changes === 0) return undefined;
      const state = this.#state();
      const rows = this.#sql('DELETE FROM entry WHERE session = ? RETURNING key').all(id);
      if (rows.length === 0) return state.revision;
      const change = { revision: state.revision + 1, puts: [], deletes: rows.map(({ key }) => String(key)) };
      return this.#advance(this.#log.append(change, state));
    });
  }

  [Symbol.dispose](): void {
    if (this.#database.isOpen) this.#database.close();
  }

  #demandSession(id: string): void {
    if (this.#sql('SELECT 1 FROM session WHERE id = ?').get(id)) return;
    throw new HoldfastError('lease_lost', `session ${id} has ended`);
  }

  #state(): LogState {
    const row = this.#sql(
      'SELECT revision, floor, change_count AS count, change_bytes AS bytes FROM store',
    ).get();
    return row as unknown as LogState;
  }

  #advance({ revision, floor, count, bytes }: LogState): Revision {
    this.#sql('UPDATE store SET revision = ?, floor = ?, change_count = ?, change_bytes = ?').run(
      revision,
      floor,
      count,
      bytes,
    );
    return revision;
  }

  #write<T>(work: () => T): T {
    // The lock is taken before the first read: what is checked still holds when it is committed.
    return this.#transaction('write to', 'BEGIN IMMEDIATE', work);
  }

  #transaction<T>(action: string, begin: string, work: () => T): T {
    return this.#patiently(action, () => {
      this.#database.exec(begin);
      try {
        const result = work();
        this.#database.exec('COMMIT');
        return result;
      } catch (error) {
        // Some errors, such as a full disk, have ended the transaction already.
        if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
        throw error;
      }
    });
  }

  /** Again and again while another process keeps its lock; SQLite says so before anything has happened. */
  #patiently<T>(action: string, work: () => T): T {
    for (let slice = 1; ; slice += 1) {
      if (this.#abandoned()) throw new Abandoned();
      try {
        return work();
      } catch (error) {
        if (error instanceof Abandoned) throw error;
        if (resultOf(error) === busy && slice < busySlicesMax) continue;
        throw storeError(error, `${action} the store ${this.#path}`);
      }
    }
  }

  #sql(text: string): StatementSync {
    let statement = this.#statements.get(text);
    if (!statement) {
      statement = this.#database.prepare(text);
      this.#statements.set(text, statement);
    }
    return statement;
  }
}

function entryOf(row: Record<string, SQLOutputValue>): Entry {
  return { key: row.key as string, value: row.value as string, revision: row.revision as number };
}
