import { DatabaseSync } from 'node:sqlite';
import type { Destination, DriverToken, ObjectInfo, Sig } from '@holdfast/core';
import { throwIfAborted } from '@holdfast/core';
import { type ObjectTable, type StoredObject, TableDestination } from './object-table.ts';

class SqliteTable implements ObjectTable {
  readonly #database: DatabaseSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
    // What a killed process has written stays; only a crash of the machine would lose it.
    database.exec('PRAGMA synchronous = off');
    database.exec('CREATE TABLE IF NOT EXISTS object (key TEXT PRIMARY KEY, bytes BLOB NOT NULL) STRICT');
  }

  get(key: string): StoredObject | undefined {
    const row = this.#database.prepare('SELECT bytes FROM object WHERE key = ?').get(key);
    return row && { bytes: Buffer.from(row.bytes as Uint8Array), modifiedAtMs: 1 };
  }

  list(): ObjectInfo[] {
    const rows = this.#database.prepare('SELECT key, length(bytes) AS bytes FROM object').all();
    return rows.map(({ key, bytes }) => ({ key: key as string, bytes: bytes as number }));
  }

  set(key: string, bytes: Buffer): StoredObject {
    this.#database.prepare('INSERT OR REPLACE INTO object VALUES (?, ?)').run(key, bytes);
    return { bytes, modifiedAtMs: 1 };
  }

  delete(key: string): void {
    this.#database.prepare('DELETE FROM object WHERE key = ?').run(key);
  }
}

/** A destination in one file: for tests that kill the process which writes to it. */
export class SqliteDestination extends TableDestination {
  override readonly type = 'sqlite-file';
  override readonly description: string;
  override readonly token: DriverToken;
  override readonly objects: ObjectTable;
  readonly #database: DatabaseSync;

  constructor(path: string) {
    super();
    this.description = `sqlite-file:${path}`;
    this.token = { module: import.meta.url, data: { path } };
    this.#database = new DatabaseSync(path, { timeout: 5000 });
    this.objects = new SqliteTable(this.#database);
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    if (this.#database.isOpen) this.#database.close();
  }
}

export async function openDestination(data: unknown, o: Sig): Promise<Destination> {
  throwIfAborted(o.signal);
  return new SqliteDestination((data as { path: string }).path);
}
