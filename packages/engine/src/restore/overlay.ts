import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { HoldfastError } from '@holdfast/core';
import { keep, keyText, rowText, splitArray } from './tokens.ts';

/**
 * What the changes of a chain make of its base rows, per relation: rows that are there in the end (`live`), and base
 * rows that are not, or not as they were (`touched`). Kept in a file of the spill folder, so that it may be larger
 * than memory; loaders read it while they stream the base rows past it.
 *
 * A live row can lack values that an update did not touch; then it names the base row that has them.
 */
export class Overlay implements Disposable {
  readonly #database: DatabaseSync;
  readonly #relations = new Map<string, OverlayRelation>();

  constructor(file: string) {
    this.#database = new DatabaseSync(file);
    // The file is worth nothing after a crash, so nothing is done to keep it.
    this.#database.exec(`PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA locking_mode=EXCLUSIVE;
      PRAGMA cache_size=-32768; PRAGMA temp_store=MEMORY; BEGIN`);
  }

  relation(path: string, columns: readonly string[], key: readonly string[]): OverlayRelation {
    const known = this.#relations.get(path);
    if (known) {
      known.reshape(columns, key);
      return known;
    }
    const made = new OverlayRelation(this.#database, this.#relations.size, path, columns, key);
    this.#relations.set(path, made);
    return made;
  }

  /** Ends the writing. What loaders need to know of each relation, by path. */
  finish(): Map<string, OverlayToken> {
    const tokens = new Map([...this.#relations].map(([path, relation]) => [path, relation.finish()]));
    this.#database.exec('COMMIT');
    return tokens;
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }
}

/** From which a loader opens one relation's part of the file. */
export interface OverlayToken {
  readonly number: number;
  readonly columns: readonly string[];
  readonly key: readonly string[];
  /** The base rows do not count at all: the relation was truncated. */
  readonly truncated: boolean;
  readonly live: number;
  readonly touched: number;
  /** Base rows that must be met, because live rows take values from them. */
  readonly merges: number;
}

export class OverlayRelation {
  readonly #path: string;
  readonly #number: number;
  readonly #database: DatabaseSync;
  #columns: readonly string[];
  #key: readonly string[];
  #keyAt: readonly number[] = [];
  #truncated = false;
  readonly #statements: Record<'put' | 'get' | 'remove' | 'touch', StatementSync>;

  constructor(
    database: DatabaseSync,
    number: number,
    path: string,
    columns: readonly string[],
    key: readonly string[],
  ) {
    this.#database = database;
    this.#number = number;
    this.#path = path;
    this.#columns = columns;
    this.#key = key;
    this.reshape(columns, key);
    database.exec(`CREATE TABLE live${number} (key TEXT PRIMARY KEY, row TEXT NOT NULL, base TEXT) WITHOUT ROWID;
      CREATE TABLE touched${number} (key TEXT PRIMARY KEY, row TEXT) WITHOUT ROWID`);
    this.#statements = {
      put: database.prepare(
        `INSERT INTO live${number} VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET row = excluded.row, base = excluded.base`,
      ),
      get: database.prepare(`SELECT row, base FROM live${number} WHERE key = ?`),
      remove: database.prepare(`DELETE FROM live${number} WHERE key = ?`),
      touch: database.prepare(`INSERT OR IGNORE INTO touched${number} (key) VALUES (?)`),
    };
  }

  /** The same relation declared again: its changes go on under these columns. */
  reshape(columns: readonly string[], key: readonly string[]): void {
    if (columns.join('\0') !== this.#columns.join('\0') || key.join('\0') !== this.#key.join('\0'))
      throw new HoldfastError(
        'corrupt',
        `changes of ${this.#path} come with other columns than before, and nothing says that it was replaced`,
      );
    this.#columns = columns;
    this.#key = key;
    this.#keyAt = key.map((name) => columns.indexOf(name));
    if (this.#keyAt.includes(-1) || key.length === 0)
      throw new HoldfastError('corrupt', `changes of ${this.#path} name key columns that it does not have`);
  }

  insert(row: readonly string[]): void {
    const key = this.#keyOf(row);
    this.#statements.touch.run(key);
    this.#statements.put.run(key, rowText(row), null);
  }

  delete(keyValues: readonly string[]): void {
    const key = keyText(keyValues);
    this.#statements.touch.run(key);
    this.#statements.remove.run(key);
  }

  /** `oldKey` null: the key is as before. */
  update(oldKey: readonly string[] | null, row: readonly string[]): void {
    const newKey = this.#keyOf(row);
    const key = oldKey ? keyText(oldKey) : newKey;
    let base: string | null = null;
    let values = row;
    if (row.includes(keep)) {
      const before = this.#statements.get.get(key) as { row: string; base: string | null } | undefined;
      const known = before && splitArray(before.row).elements;
      values = known ? row.map((value, at) => (value === keep ? (known[at] ?? keep) : value)) : row;
      if (values.includes(keep)) base = before?.base ?? key;
    }
    if (key !== newKey) {
      this.#statements.touch.run(key);
      this.#statements.remove.run(key);
    }
    this.#statements.touch.run(newKey);
    this.#statements.put.run(newKey, rowText(values), base);
  }

  truncate(): void {
    this.#truncated = true;
    this.#database.exec(`DELETE FROM live${this.#number}; DELETE FROM touched${this.#number}`);
  }

  finish(): OverlayToken {
    const n = this.#number;
    // A live row that lacks values is written where its base row is met, so it moves to that row's entry.
    this.#database.exec(`INSERT INTO touched${n} SELECT base, row FROM live${n} WHERE base IS NOT NULL
        ON CONFLICT DO UPDATE SET row = excluded.row;
      DELETE FROM live${n} WHERE base IS NOT NULL`);
    const count = (sql: string): number =>
      Number(Object.values(this.#database.prepare(sql).get() ?? {})[0] ?? 0);
    return {
      number: n,
      columns: this.#columns,
      key: this.#key,
      truncated: this.#truncated,
      live: count(`SELECT count(*) FROM live${n}`),
      touched: count(`SELECT count(*) FROM touched${n}`),
      merges: count(`SELECT count(*) FROM touched${n} WHERE row IS NOT NULL`),
    };
  }

  #keyOf(row: readonly string[]): string {
    return keyText(this.#keyAt.map((at) => row[at] ?? ''));
  }
}
