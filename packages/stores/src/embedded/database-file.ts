import { accessSync, closeSync, constants, fsyncSync, linkSync, openSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { HoldfastError } from '@holdfast/core';
import { resultOf } from './errors.ts';

/** "Hfst": what `file` and SQLite's tools tell the file by. */
const applicationId = 0x48667374;
const schemaVersion = 1;

/** SQLite itself waits so long for another process's lock, at a time; in between an abort is heard. */
const busySliceMs = 100;

const schema = `
  CREATE TABLE store (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    revision INTEGER NOT NULL,
    floor INTEGER NOT NULL,
    change_count INTEGER NOT NULL,
    change_bytes INTEGER NOT NULL
  ) STRICT;
  INSERT INTO store VALUES (1, 0, 0, 0, 0);
  CREATE TABLE session (id TEXT PRIMARY KEY, ttl_ms INTEGER NOT NULL, beat INTEGER NOT NULL) STRICT;
  CREATE TABLE entry (key TEXT PRIMARY KEY, value TEXT NOT NULL, revision INTEGER NOT NULL, session TEXT) STRICT;
  CREATE INDEX entry_session ON entry (session) WHERE session IS NOT NULL;
  CREATE TABLE change (sequence INTEGER PRIMARY KEY, key TEXT NOT NULL, value TEXT) STRICT;
  PRAGMA application_id = ${applicationId};
  PRAGMA user_version = ${schemaVersion};
`;

/** Opens the store's file, which is made when there is none. Errors are foreign still. */
export function openDatabaseFile(path: string): DatabaseSync {
  if (!checkFile(path)) createFile(path);
  const database = new DatabaseSync(path, { timeout: busySliceMs, defensive: true });
  try {
    checkSchema(database, path);
    // FULL syncs the log at each commit: an acknowledged transaction survives a power cut.
    database.exec('PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON');
    // After a burst the log would keep its largest size for ever.
    database.exec(`PRAGMA journal_size_limit = ${16 * 1024 * 1024}`);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Whether it is there. SQLite would say little about what is no file, or may not be written. */
function checkFile(path: string): boolean {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) return false;
  if (!stat.isFile()) {
    throw new HoldfastError('config_invalid', `the store ${path} is not a regular file`, {
      hint: 'name a file; it is made when it is not there',
    });
  }
  accessSync(path, constants.R_OK | constants.W_OK);
  // The log and the shared memory lie beside it.
  accessSync(dirname(path), constants.W_OK);
  return true;
}

/**
 * Made whole beside its place and then linked there: a crash leaves no half of a store, and of several processes that
 * make one at once all then open the same. Nothing but SQLite may open the file in its place: POSIX drops all locks
 * of a process on a file when the process closes any handle of it.
 */
function createFile(path: string): void {
  const temporary = `${path}.new-${crypto.randomUUID()}`;
  try {
    // It says who is alive and what is backed up where: nobody else's business. The log takes on the same mode.
    closeSync(openSync(temporary, 'wx', 0o600));
    const database = new DatabaseSync(temporary);
    try {
      const mode = database.prepare('PRAGMA journal_mode = WAL').get()?.journal_mode;
      if (mode !== 'wal') {
        throw new HoldfastError('unsupported', `the file system of ${path} has no shared memory for SQLite`, {
          hint: 'keep the store on a local disk; nodes on several machines share an etcd',
        });
      }
      database.exec(`PRAGMA synchronous = FULL; BEGIN; ${schema} COMMIT`);
    } finally {
      database.close();
    }
    try {
      linkSync(temporary, path);
    } catch (error) {
      // Another process was quicker.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  } finally {
    rmSync(temporary, { force: true });
  }
  const folder = openSync(dirname(path), 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

function checkSchema(database: DatabaseSync, path: string): void {
  const pragma = (name: string): unknown => Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0];
  let id: unknown;
  try {
    id = pragma('application_id');
  } catch (error) {
    // Of a file that is no database, `from` says so; the file's name is what the operator needs.
    if (resultOf(error) !== 26) throw error;
  }
  if (id !== applicationId) {
    throw new HoldfastError('config_invalid', `${path} is no store of Holdfast`, {
      hint: 'name another file, or move this one away for a new store to be made',
    });
  }
  const version = pragma('user_version') as number;
  if (version > schemaVersion) {
    throw new HoldfastError(
      'unsupported',
      `the store ${path} has version ${version}; this Holdfast knows up to ${schemaVersion}`,
      { hint: 'a newer Holdfast has used it: upgrade this one, too' },
    );
  }
}
