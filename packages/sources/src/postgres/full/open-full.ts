import { type Clock, HoldfastError, type Mark, type OpenFull, type Sig } from '@holdfast/core';
import { formatBytes, keepChangesLimit } from '../changes/keep-limit.ts';
import { createSlot, openReplication } from '../changes/slot.ts';
import { describeState } from '../changes/survey.ts';
import { readTimelineHistory, type TimelineHistory } from '../changes/timeline-history.ts';
import { openSession, pinnedTo, type Session } from '../session/session.ts';
import type { Target } from '../session/url.ts';
import { readOmissions } from './catalog.ts';
import { readFacts, type ServerFacts } from './identity.ts';
import { checkFull, checkKeepChanges, refuseUnmet } from './prerequisites.ts';
import { beginView } from './snapshot.ts';
import { describeStandby } from './standby.ts';
import { openView, type PostgresView, viewLockTimeoutMs } from './view.ts';

export interface OpenFullView extends Sig, OpenFull {
  readonly clock: Clock;
  /** Of the database that the run has begun with; another one is refused. */
  readonly identity?: string | undefined;
}

/**
 * A view of the whole database. Without `keepChanges` nothing is made at the server, and the view is a transaction's
 * snapshot; with it, the view is where a new replication slot begins to keep changes. The signal ends the view, too.
 */
export async function openFull(target: Target, o: OpenFullView): Promise<PostgresView> {
  if (o.type !== 'logical') {
    throw new HoldfastError('unsupported', `PostgreSQL has no full backup of type ${o.type}`, {
      hint: 'set type: logical',
    });
  }
  const session = await openSession(target, { signal: o.signal, lockTimeoutMs: viewLockTimeoutMs });
  try {
    const facts = await readFacts(session);
    refuseOther(session, facts, o.identity);
    refuseUnmet([...checkFull(session, facts), ...(o.keepChanges ? checkKeepChanges(session, facts) : [])]);
    const opened = o.keepChanges ? await joinNewSlot(session, facts, o) : await openPlain(session);
    const { mark, slot } = opened;
    const state = slot === undefined ? null : await describeState(session, { ...slot, facts });
    const notices = [...(await describeStandby(session)), ...opened.notices];
    const omissions = await readOmissions(session);
    return await openView({
      session,
      mark,
      source: facts.source,
      state,
      notices: [...notices, ...omissions],
    });
  } catch (caught) {
    await session[Symbol.asyncDispose]();
    throw caught;
  }
}

interface Opened {
  readonly mark: Mark;
  readonly notices: readonly string[];
  readonly slot?: { readonly slot: string; readonly history: TimelineHistory | undefined };
}

/** Between two look-ups of one run, a name or the first host that answers may come to be another cluster. */
function refuseOther(session: Session, { source }: ServerFacts, identity = source.identity): void {
  if (source.identity === identity) return;
  throw new HoldfastError(
    'source_failed',
    `${session.where} is another database (${source.identity}) than the one with which the run began (${identity})`,
    { hint: 'run again; if the URL names several hosts, all must be of one cluster' },
  );
}

async function openPlain(session: Session): Promise<Opened> {
  await beginView(session);
  return { mark: await markHere(session), notices: [] };
}

/** If anything fails from here on, the slot is there: the caller ends it by its label. */
async function joinNewSlot(session: Session, facts: ServerFacts, o: OpenFullView): Promise<Opened> {
  const notices: string[] = [];
  const wait = { watcher: session, clock: o.clock, notice: (text: string) => void notices.push(text) };
  await using replication = await openReplication(pinnedTo(session), { signal: o.signal });
  // Before the slot is made: its snapshot ends with the next command.
  const history = await readTimelineHistory(replication, facts.timeline);
  const { name, consistentPoint, snapshot } = await createSlot(replication, o.label, {
    signal: o.signal,
    wait,
  });
  const limit = formatBytes(keepChangesLimit({ asked: session.target.keepChangesMaxBytes }));
  notices.push(
    `the replication slot ${name} keeps changes for incrementals at the server from now on, at most ${limit} of log (keep_changes_max in the URL); holdfast source forget ends that`,
  );
  // The snapshot that the slot exported ends with its connection; whoever has joined before then keeps it.
  await beginView(session, snapshot);
  // The clock is asked after the view has begun: a restore to this moment then applies what was committed between.
  const [row] = await session.rows<{ timeMs: number }>(`SELECT ${serverTimeMs} AS "timeMs"`);
  return {
    mark: { position: consistentPoint, timeMs: row?.timeMs ?? 0 },
    notices,
    slot: { slot: name, history },
  };
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
