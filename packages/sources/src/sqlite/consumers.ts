import type { DatabaseSync } from 'node:sqlite';
import type { Clock } from '@holdfast/core';
import { type DatabaseFile, databaseFiles, openConnection, whenFree } from './connection.ts';
import { preparedId } from './identity.ts';
import { ownTables, quoteName } from './names.ts';
import { lastSequence } from './prepare.ts';
import type { SqliteUrl } from './url.ts';

/**
 * Chains that still need revisions, each with how far it has them. A revision is erased when all have it. One that
 * has fallen this far behind is given up, so that a forgotten task does not fill the user's disk: its next
 * incremental finds that continuity is lost, and a full backup follows.
 */
const revisionsBehindMax = 20_000_000;
/** Revisions erased in one transaction: some milliseconds, in which a writer waits. */
const eraseBatch = 2000;

export interface Waits {
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

export function consumerMark(db: DatabaseSync, database: string, label: string): number | undefined {
  const row = db
    .prepare(`SELECT value FROM ${quoteName(database)}.${ownTables.source} WHERE kind = 'chain' AND name = ?`)
    .get(label) as { value: string } | undefined;
  return row === undefined ? undefined : Number(row.value);
}

/** Runs `work` in a short write transaction over all databases of the URL. */
export async function writing<T>(
  url: SqliteUrl,
  o: Waits,
  what: string,
  work: (db: DatabaseSync, files: readonly DatabaseFile[]) => T,
): Promise<T> {
  const db = openConnection(url, { write: true });
  try {
    return await inTransaction(db, url, o, what, () => work(db, databaseFiles(url)));
  } finally {
    db.close();
  }
}

async function inTransaction<T>(
  db: DatabaseSync,
  url: SqliteUrl,
  o: Waits,
  what: string,
  work: () => T,
): Promise<T> {
  return whenFree(
    () => {
      db.exec('BEGIN IMMEDIATE');
      try {
        const result = work();
        db.exec('COMMIT');
        return result;
      } catch (caught) {
        if (db.isTransaction) db.exec('ROLLBACK');
        throw caught;
      }
    },
    { ...o, timeoutMs: url.busyTimeoutMs, what },
  );
}

/** From now on, revisions are kept for this chain. Once more: no change. */
export async function holdRevisions(url: SqliteUrl, label: string, o: Waits): Promise<void> {
  await writing(url, o, `cannot keep changes in ${url.path}`, (db, files) => {
    for (const file of files) {
      db.prepare(
        `INSERT OR IGNORE INTO ${quoteName(file.name)}.${ownTables.source} VALUES('chain', ?, ?)`,
      ).run(label, String(lastSequence(db, file.name)));
    }
  });
}

/** This chain has all revisions up to these; those that every chain has are erased. */
export async function acknowledgeRevisions(
  url: SqliteUrl,
  label: string,
  sequences: Readonly<Record<string, number>>,
  o: Waits,
): Promise<void> {
  const db = openConnection(url, { write: true });
  try {
    for (const file of databaseFiles(url)) {
      if (preparedId(db, file.name) === undefined) continue;
      const schema = quoteName(file.name);
      const what = `cannot erase saved changes in ${file.path}`;
      const until = await inTransaction(db, url, o, what, () => {
        const known = consumerMark(db, file.name, label);
        const sequence = sequences[file.name] ?? 0;
        if (known !== undefined && sequence > known) {
          db.prepare(
            `UPDATE ${schema}.${ownTables.source} SET value = ? WHERE kind = 'chain' AND name = ?`,
          ).run(String(sequence), label);
        }
        db.prepare(
          `DELETE FROM ${schema}.${ownTables.source} WHERE kind = 'chain' AND CAST(value AS INTEGER) < ?`,
        ).run(lastSequence(db, file.name) - revisionsBehindMax);
        return needed(db, file.name);
      });
      await erase(db, url, file, until, o);
    }
  } finally {
    db.close();
  }
}

/** Up to which revision nobody needs any. */
function needed(db: DatabaseSync, database: string): number {
  const row = db
    .prepare(
      `SELECT min(CAST(value AS INTEGER)) AS n FROM ${quoteName(database)}.${ownTables.source} WHERE kind = 'chain'`,
    )
    .get() as { n: number | null };
  return row.n === null ? lastSequence(db, database) : Number(row.n);
}

/** The newest revision always stays: the next one's number follows from it. */
async function erase(
  db: DatabaseSync,
  url: SqliteUrl,
  file: DatabaseFile,
  until: number,
  o: Waits,
): Promise<void> {
  const table = `${quoteName(file.name)}.${ownTables.revisions}`;
  const what = `cannot erase saved changes in ${file.path}`;
  for (;;) {
    const erased = await inTransaction(db, url, o, what, () => {
      const last = Math.min(until, lastSequence(db, file.name) - 1);
      const { n } = db.prepare(`SELECT min(sequence) AS n FROM ${table}`).get() as { n: number | null };
      if (n === null || n > last) return 0;
      const end = Math.min(last, n + eraseBatch - 1);
      db.prepare(`DELETE FROM ${table} WHERE sequence <= ?`).run(end);
      return 1;
    });
    if (erased === 0) return;
    // Lets a waiting writer in.
    await o.clock.sleep(1, o.signal);
  }
}

export async function releaseRevisions(url: SqliteUrl, label: string, o: Waits): Promise<void> {
  const prepared = await writing(url, o, `cannot end keeping changes in ${url.path}`, (db, files) => {
    const known = files.filter((file) => preparedId(db, file.name) !== undefined);
    for (const file of known) {
      db.prepare(
        `DELETE FROM ${quoteName(file.name)}.${ownTables.source} WHERE kind = 'chain' AND name = ?`,
      ).run(label);
    }
    return known.length > 0;
  });
  if (prepared) await acknowledgeRevisions(url, label, {}, o);
}
