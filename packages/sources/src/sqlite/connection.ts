import { accessSync, constants, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type Clock, HoldfastError } from '@holdfast/core';
import { guarded, resultOf, translate } from './errors.ts';
import { quoteName, quoteText } from './names.ts';
import type { SqliteUrl } from './url.ts';

/** How long SQLite itself waits, so that an abort is heard in between. */
const busySliceMs = 100;

export interface DatabaseFile {
  /** `main`, or what `attach` calls it. */
  readonly name: string;
  readonly path: string;
}

export function databaseFiles(url: SqliteUrl): DatabaseFile[] {
  return [{ name: 'main', path: url.path }, ...url.attached];
}

/** Opening would create a missing file, and say little about a wrong one. */
export function checkFile(path: string): void {
  const stat = guarded(`the database ${path}`, () => statSync(path));
  if (stat.isDirectory()) {
    throw new HoldfastError('config_invalid', `${path} is a folder, not a database`, {
      hint: 'name the file in it',
    });
  }
  if (!stat.isFile()) {
    throw new HoldfastError('config_invalid', `${path} is not a regular file`, {
      hint: 'name a database file',
    });
  }
  guarded(`the database ${path}`, () => accessSync(path, constants.R_OK));
}

function mayWrite(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    accessSync(dirname(path), constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * A connection to the databases of a URL. One that only reads is opened for writing all the same where it may, and
 * then told to write nothing (`query_only`): a read-only connection to a database in WAL mode leaves its `-wal` and
 * `-shm` files behind, and cannot roll back what a crashed writer left.
 */
export function openConnection(url: SqliteUrl, o: { readonly write: boolean }): DatabaseSync {
  const files = databaseFiles(url);
  for (const file of files) checkFile(file.path);
  const readOnly = !o.write && !files.every((file) => mayWrite(file.path));
  return guarded(`cannot open ${url.path}`, () => {
    const db = new DatabaseSync(url.path, {
      readOnly,
      timeout: busySliceMs,
      enableForeignKeyConstraints: false,
      enableDoubleQuotedStringLiterals: true,
      defensive: true,
    });
    try {
      db.exec('PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON');
      for (const file of url.attached) {
        db.exec(`ATTACH ${quoteText(file.path)} AS ${quoteName(file.name)}`);
      }
      if (!o.write) db.exec('PRAGMA query_only=ON');
      return db;
    } catch (caught) {
      db.close();
      throw caught;
    }
  });
}

export interface BusyOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  /** What waits, for the message. */
  readonly what: string;
  readonly notice?: (text: string) => void;
}

/** Repeats `work` while another connection keeps the lock that it needs. */
export async function whenFree<T>(work: () => T, o: BusyOptions): Promise<T> {
  const start = o.clock.elapsed();
  let told = false;
  for (let pauseMs = 5; ; pauseMs = Math.min(2 * pauseMs, 250)) {
    o.signal.throwIfAborted();
    try {
      return work();
    } catch (caught) {
      const result = resultOf(caught);
      if (result !== 5 && result !== 6) throw translate(caught, o.what);
      const waitedMs = o.clock.elapsed() - start;
      if (waitedMs >= o.timeoutMs) {
        throw new HoldfastError(
          'timeout',
          `${o.what}: another connection kept its lock for ${Math.round(waitedMs)} ms`,
          {
            hint: 'end the transaction that holds it, or raise `busy_timeout` in the URL',
            cause: caught,
          },
        );
      }
      if (!told && waitedMs >= 1000) {
        told = true;
        o.notice?.(`${o.what}: waiting for another connection to end its transaction`);
      }
      await o.clock.sleep(pauseMs, o.signal);
    }
  }
}

export function pragma(db: DatabaseSync, database: string, name: string): string | number | bigint | null {
  const row = db.prepare(`PRAGMA ${quoteName(database)}.${name}`).get();
  const value = row === undefined ? null : Object.values(row)[0];
  return value === undefined || value instanceof Uint8Array ? null : value;
}
