import { DatabaseSync } from 'node:sqlite';
import { HoldfastError } from '@holdfast/core';

/** An object as it was recorded. */
export interface Recording {
  readonly key: string;
  readonly id: number;
  readonly bytes: number;
}

export interface TapeLabel {
  /** Of the repository. */
  readonly id: string;
  readonly label: string;
}

const busyMsMax = 30_000;
const pageRows = 500;
const schema = `
  PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
  CREATE TABLE IF NOT EXISTS tape (one INTEGER PRIMARY KEY CHECK (one = 1), id TEXT NOT NULL, label TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS recording (id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, bytes INTEGER);
  CREATE INDEX IF NOT EXISTS recording_key ON recording (key);
  CREATE UNIQUE INDEX IF NOT EXISTS recording_seen ON recording (key) WHERE bytes IS NOT NULL;
  CREATE TABLE IF NOT EXISTS block (recording INTEGER REFERENCES recording (id) ON DELETE CASCADE, at INTEGER,
    data BLOB NOT NULL, PRIMARY KEY (recording, at)) WITHOUT ROWID;`;

/** The file: recordings of which those that have ended are seen (their `bytes` are known), each in blocks. */
export class TapeFile implements Disposable {
  readonly #database: DatabaseSync;

  constructor(file: string) {
    this.#database = new DatabaseSync(file, { timeout: busyMsMax });
    this.#database.exec(schema);
  }

  /** What the tape says that it is; a new one is given `label`. */
  identify({ id, label }: TapeLabel): TapeLabel {
    this.#database.prepare('INSERT OR IGNORE INTO tape VALUES (1, ?, ?)').run(id, label);
    return this.#database.prepare('SELECT id, label FROM tape').get() as unknown as TapeLabel;
  }

  find(key: string): Recording | undefined {
    const found = this.#database
      .prepare('SELECT key, id, bytes FROM recording WHERE key = ? AND bytes IS NOT NULL')
      .get(key);
    return found as unknown as Recording | undefined;
  }

  begin(key: string): NewRecording {
    const { lastInsertRowid } = this.#database.prepare('INSERT INTO recording (key) VALUES (?)').run(key);
    return new NewRecording(this.#database, key, Number(lastInsertRowid));
  }

  /** What of a block follows the byte at `at`. */
  blockAt({ id }: Recording, at: number): Uint8Array | undefined {
    const sql = 'SELECT at, data FROM block WHERE recording = ? AND at <= ? ORDER BY at DESC LIMIT 1';
    const found = this.#database.prepare(sql).get(id, at) as { at: number; data: Uint8Array } | undefined;
    const rest = found?.data.subarray(at - found.at);
    return rest?.length === 0 ? undefined : rest;
  }

  /** Objects in the order of their keys. */
  page(prefix: string, after: string): readonly { readonly key: string; readonly bytes: number }[] {
    const sql = `SELECT key, bytes FROM recording WHERE bytes IS NOT NULL AND key > ?
      AND substr(key, 1, length(?)) = ? ORDER BY key LIMIT ${pageRows}`;
    const rows = this.#database.prepare(sql).all(after, prefix, prefix);
    return rows as unknown as { key: string; bytes: number }[];
  }

  /** The object, and what unfinished writes of it have left. */
  erase(key: string): void {
    this.#database.prepare('DELETE FROM recording WHERE key = ?').run(key);
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }
}

/** One that has not ended: nobody sees it. */
export class NewRecording implements Recording {
  readonly key: string;
  readonly id: number;
  readonly #database: DatabaseSync;
  #bytes = 0;

  constructor(database: DatabaseSync, ...[key, id]: [key: string, id: number]) {
    this.#database = database;
    this.key = key;
    this.id = id;
  }

  get bytes(): number {
    return this.#bytes;
  }

  add(block: Uint8Array): void {
    if (block.length === 0) return;
    this.#database.prepare('INSERT INTO block VALUES (?, ?, ?)').run(this.id, this.#bytes, block);
    this.#bytes += block.length;
  }

  /** Takes the place of what had its key; with `ifAbsent` it does not, and says so. */
  publish({ ifAbsent }: { readonly ifAbsent: boolean }): boolean {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      const seen = 'FROM recording WHERE key = ? AND bytes IS NOT NULL';
      const isTaken = ifAbsent && this.#database.prepare(`SELECT 1 ${seen}`).get(this.key) !== undefined;
      if (!isTaken) {
        this.#database.prepare(`DELETE ${seen}`).run(this.key);
        const { changes } = this.#database
          .prepare('UPDATE recording SET bytes = ? WHERE id = ?')
          .run(this.#bytes, this.id);
        // It was erased by whoever deleted its key meanwhile.
        if (changes === 0)
          throw new HoldfastError('conflict', `${this.key} was deleted while it was written`);
      }
      this.#database.exec('COMMIT');
      return !isTaken;
    } catch (error) {
      this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  discard(): void {
    this.#database.prepare('DELETE FROM recording WHERE id = ?').run(this.id);
  }
}
