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
 * - As long as nothing inside says it, because Holdfast writes nothing there unasked: the path, the inode and the time
 *   of birth. A file moved or replaced counts as another database and begins a new chain; one overwritten in place
 *   counts as the same, which is safe, because its incrementals compare what is there.
 * - `source prepare` keeps that very identity in the database: its chains go on, and the file may be renamed. A copy
 *   has another inode or time of birth, and is another database.
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
    const id = preparedId(db, file.name);
    const body = bodyOf(file);
    if (id === undefined) return unpreparedId(file);
    return body === keptBody(db, file.name) ? id : `${id}-${body.slice(0, 8)}`;
  });
}

/** What a database is called before anything is kept in it. */
export function unpreparedId(file: DatabaseFile): string {
  return `file-${digest(`${realpathSync(file.path)}\n${bodyOf(file)}`)}`;
}

/** The file itself, whatever its name is. */
export function bodyOf(file: DatabaseFile): string {
  const stat = statSync(realpathSync(file.path), { bigint: true });
  return digest(`${stat.ino}:${stat.birthtimeNs}`);
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
  return hasTable(db, database, ownTables.source) ? kept(db, database, 'identity') : undefined;
}

function keptBody(db: DatabaseSync, database: string): string | undefined {
  return kept(db, database, 'body');
}

function kept(db: DatabaseSync, database: string, kind: 'identity' | 'body'): string | undefined {
  const row = db
    .prepare(`SELECT value FROM ${quoteName(database)}.${ownTables.source} WHERE kind = ?`)
    .get(kind) as { value: string } | undefined;
  return row?.value;
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}
