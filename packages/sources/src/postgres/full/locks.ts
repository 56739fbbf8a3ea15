import { HoldfastError } from '@holdfast/core';
import type { Session } from '../session/session.ts';
import { qualified } from './names.ts';

export interface LockedTable {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
}

/** One message locks so many tables. */
const batchTables = 500;

/**
 * Takes ACCESS SHARE on the tables, as any SELECT does and as pg_dump does: it stands in nobody's way but of who wants
 * to drop, truncate or rewrite a table, and it keeps those away until the view is closed. Then looks whether one of
 * them came before us: the view would show a truncated or rewritten table as empty, without an error.
 */
export async function lockTables(session: Session, tables: readonly LockedTable[]): Promise<void> {
  for (let at = 0; at < tables.length; at += batchTables) {
    const batch = tables.slice(at, at + batchTables);
    const list = batch.map((each) => `ONLY ${qualified(each.schema, each.name)}`).join(', ');
    try {
      await session.exec(
        `SAVEPOINT holdfast; LOCK TABLE ${list} IN ACCESS SHARE MODE; RELEASE holdfast`,
        'locking the tables',
      );
    } catch (caught) {
      const error = HoldfastError.from(caught);
      if (error.code === 'timeout') throw await blocked(session, batch, error);
      if (error.code === 'not_found') throw changedMeanwhile(session, error.reason, error);
      throw error;
    }
  }
  await refuseChanged(session, tables);
}

interface Blocker {
  table: string;
  pid: number;
  query: string;
}

async function blocked(
  session: Session,
  batch: readonly LockedTable[],
  cause: HoldfastError,
): Promise<HoldfastError> {
  await session.exec('ROLLBACK TO holdfast');
  const blockers = await session.rows<Blocker>(
    `SELECT l.relation::pg_catalog.regclass::text AS "table", l.pid,
            pg_catalog.left(coalesce(a.query, ''), 200) AS query
       FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
      WHERE l.locktype = 'relation' AND l.granted AND l.mode = 'AccessExclusiveLock' AND l.relation = ANY ($1)
        AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())`,
    [batch.map((each) => each.oid)],
  );
  const words = blockers.map((each) => `${each.table} is locked by process ${each.pid} (${each.query})`);
  return new HoldfastError(
    'timeout',
    `waited too long for tables that another session has locked: ${words.join('; ') || cause.reason}`,
    { hint: 'let that session finish, or end it with pg_terminate_backend, and run again', cause },
  );
}

/**
 * The session's snapshot says which file a table had then, the functions say which one it has now; under the lock both
 * stay. A table that was only vacuumed in full differs too; running again costs less than being wrong.
 */
async function refuseChanged(session: Session, tables: readonly LockedTable[]): Promise<void> {
  const changed = await session.rows<{ name: string }>(
    `SELECT n.nspname || '.' || c.relname AS name
       FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE c.oid = ANY ($1) AND c.relkind = 'r'
        AND (c.relfilenode <> 0 AND c.relfilenode IS DISTINCT FROM pg_catalog.pg_relation_filenode(c.oid)
          OR c.oid IS DISTINCT FROM
             pg_catalog.to_regclass(pg_catalog.format('%I.%I', n.nspname, c.relname))::pg_catalog.oid)
      ORDER BY 1 LIMIT 20`,
    [tables.map((each) => each.oid)],
    'checking the locked tables',
  );
  if (changed.length === 0) return;
  const names = changed.map((each) => each.name).join(', ');
  throw changedMeanwhile(session, `${names} was rewritten, truncated, renamed or dropped`);
}

function changedMeanwhile(session: Session, what: string, cause?: unknown): HoldfastError {
  return new HoldfastError('source_failed', `${what} while the view was being opened (${session.where})`, {
    hint: 'run again; if it happens often, choose another time of day',
    cause,
  });
}
