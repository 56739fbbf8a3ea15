import { createHash } from 'node:crypto';
import { realpathSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import type { SourceIdentity } from '@holdfast/core';
import { type DatabaseFile, databaseFiles } from './connection.ts';
import { guarded } from './errors.ts';
import { ownTables, quoteName } from './names.ts';
import type { SqliteUrl } from './url.ts';

export const sqliteType = 'sqlite';

/**
 * Which database it is.
 * - After `source prepare`: a random id, kept in the database, and the file's inode and time of birth, because a copy
 *   of the file has the same id and is another database. The path does not matter: the file may be renamed.
 * - Without it nothing inside says which database it is, and Holdfast writes nothing there unasked. So: the path,
 *   the inode and the time of birth. A file moved or replaced counts as another database and begins a new chain;
 *   one overwritten in place counts as the same, which is safe, because its incrementals compare what is there.
 *
 * The device is left out: its number changes when a machine or a container starts again.
 */
export function identityOf(db: DatabaseSync, url: SqliteUrl): SourceIdentity {
  const files = databaseFiles(url);
  const parts = files.map((file) => identityOfFile(db, file));
  const identity = parts.length === 1 ? String(parts[0]) : digest(parts.join('\n'));
  const { version } = db.prepare('SELECT sqlite_version() AS version').get() as { version: string };
  return { type: sqliteType, identity, name: basename(url.path), version };
}

function identityOfFile(db: DatabaseSync, file: DatabaseFile): string {
  return guarded(`cannot look at ${file.path}`, () => {
    const path = realpathSync(file.path);
    const stat = statSync(path, { bigint: true });
    const body = `${stat.ino}:${stat.birthtimeNs}`;
    const id = preparedId(db, file.name);
    return id === undefined ? `file-${digest(`${path}\n${body}`)}` : `${id}-${digest(body).slice(0, 8)}`;
  });
}

export function hasTable(db: DatabaseSync, database: string, table: string): boolean {
  return (
    db
      .prepare(`SELECT 1 FROM ${quoteName(database)}.sqlite_schema WHERE type = 'table' AND name = ?`)
      .get(table) !== undefined
  );
}

/** The id that `source prepare` gave, or undefined. */
export function preparedId(db: DatabaseSync, database: string): string | undefined {
  if (!hasTable(db, database, ownTables.source)) return undefined;
  const row = db
    .prepare(`SELECT value FROM ${quoteName(database)}.${ownTables.source} WHERE kind = 'identity'`)
    .get() as { value: string } | undefined;
  return row?.value;
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}
