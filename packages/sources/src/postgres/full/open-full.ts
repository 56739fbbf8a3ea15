import { HoldfastError, type Mark, type OpenFull, type Sig } from '@holdfast/core';
import { openSession, type Session } from '../session/session.ts';
import type { Target } from '../session/url.ts';
import { readFacts } from './identity.ts';
import { checkFull, refuseUnmet } from './prerequisites.ts';
import { beginView } from './snapshot.ts';
import { openView, type PostgresView, viewLockTimeoutMs } from './view.ts';

/**
 * A view of the whole database. Without `keepChanges` nothing is made at the server, and the view is a transaction's
 * snapshot; with it, the view is where a new replication slot begins to keep changes.
 */
export async function openFull(target: Target, o: Sig & OpenFull): Promise<PostgresView> {
  const session = await openSession(target, { signal: o.signal, lockTimeoutMs: viewLockTimeoutMs });
  try {
    const facts = await readFacts(session);
    refuseUnmet(checkFull(session, facts));
    await beginView(session);
    const mark = await markHere(session);
    const state = { timeline: facts.timeline };
    return await openView({ session, mark, source: facts.source, state });
  } catch (caught) {
    await session[Symbol.asyncDispose]();
    throw caught;
  }
}

/** Where the log is, right after the transaction's first statement has taken its snapshot, which is this one. */
async function markHere(session: Session): Promise<Mark> {
  const [row] = await session.rows<{ position: string; timeMs: number }>(
    `SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
                 ELSE pg_catalog.pg_current_wal_insert_lsn() END::text AS position, ${serverTimeMs} AS "timeMs"`,
    undefined,
    'asking where the log is',
  );
  if (!row) throw new HoldfastError('internal', 'a query without FROM has one row');
  return row;
}

/** The server's own clock. */
export const serverTimeMs =
  'pg_catalog.floor(1000 * EXTRACT(epoch FROM pg_catalog.clock_timestamp()))::float8';
