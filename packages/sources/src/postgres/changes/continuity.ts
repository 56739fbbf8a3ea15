import { type Clock, HoldfastError, type Mark, type Sig } from '@holdfast/core';
import type { ServerFacts } from '../full/identity.ts';
import type { Session } from '../session/session.ts';
import { formatBytes, slotHealth } from './keep-limit.ts';
import { parseLsn } from './lsn.ts';
import { advanceSlot, describeSlot, dropSlot, type SlotFacts } from './slot.ts';
import type { ChangeState } from './state.ts';
import { differentHistory, type TimelineHistory } from './timeline-history.ts';

export interface Continue {
  readonly facts: ServerFacts;
  readonly history: TimelineHistory | undefined;
  /** Of the newest chain that the run has tried to continue: this one's, unless that was over. */
  readonly newest: OnTimeline;
  readonly state: ChangeState;
  readonly since: Mark;
  readonly limitBytes: number;
  readonly clock: Clock;
}

/**
 * Makes sure that this is the server, the timeline and the slot that a chain was made from, and that the log since its
 * last backup is all there. A slot that was left behind (a crash between commit and acknowledge) is brought up to it.
 * @throws HoldfastError precondition_failed `continuity lost: …`
 */
export async function checkContinuity(session: Session, o: Continue & Sig): Promise<SlotFacts> {
  const { facts, state, since } = o;
  if (state.identity !== facts.source.identity) {
    throw lost(session, since, 'this is another database than the one that the chain was made from');
  }
  const elsewhere = otherTimeline(o);
  if (elsewhere !== undefined) throw lost(session, since, elsewhere);
  await refuseEarlierServer(session, o);
  const slot = await describeSlot(session, state.slot);
  if (!slot) throw lost(session, since, `the replication slot ${state.slot} is gone`);
  if (slot.status === 'lost' || slot.restart === null || slot.confirmed === null) {
    throw lost(
      session,
      since,
      `the server has removed log that the replication slot ${slot.name} needed (max_slot_wal_keep_size)`,
    );
  }
  if (parseLsn(slot.confirmed) > parseLsn(since.position)) {
    throw lost(session, since, `the replication slot ${slot.name} has moved on to ${slot.confirmed}`);
  }
  const health = slotHealth(slot, o.limitBytes);
  if (!health.ok) {
    // The source comes first: its disk matters more than this chain.
    await dropSlot(session, slot.name, o);
    throw lost(
      session,
      since,
      `${health.message}; it was dropped so that the server can remove ${formatBytes(slot.retainedBytes)} of log`,
      'run incrementals more often, or raise keep_changes_max in the URL; a full backup begins a new chain',
    );
  }
  await advanceSlot(session, slot.name, { ...o, position: since.position });
  return slot;
}

type OnTimeline = Pick<ChangeState, 'timeline' | 'history'>;

/** A failover always begins a new timeline, and only the servers that came along have it. */
function otherTimeline({ facts, history, state, newest }: Continue): string | undefined {
  const { timeline } = facts;
  if (timeline !== state.timeline) {
    const how = timeline < state.timeline ? 'left behind by a failover, or restored' : 'promoted or restored';
    return `the server was ${how}: it is on timeline ${timeline}, the chain on ${state.timeline}`;
  }
  const different = differentHistory(state.history, history);
  if (different !== undefined) return different;
  // A server that a failover left behind still has the slot of the chain that it was backed up to.
  if (newest.timeline === timeline && differentHistory(newest.history, history) === undefined)
    return undefined;
  return `newer backups are of another server, on timeline ${newest.timeline}`;
}

/** A server that was put back to a copy of itself has the same identity, timeline and slots, but an earlier log. */
async function refuseEarlierServer(session: Session, { state, since }: Continue): Promise<void> {
  const [row] = await session.rows<{ end: string; next: string }>(
    `SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
                 ELSE pg_catalog.pg_current_wal_insert_lsn() END::text AS "end",
            pg_catalog.txid_snapshot_xmax(pg_catalog.txid_current_snapshot())::text AS next`,
    undefined,
    'asking where the log ends',
  );
  if (!row) return;
  if (parseLsn(row.end) < parseLsn(since.position) || BigInt(row.next) < BigInt(state.nextTransaction)) {
    throw lost(session, since, `the server was put back to an earlier state: its log ends at ${row.end}`);
  }
}

function lost(
  session: Session,
  since: Mark,
  why: string,
  hint = 'a full backup begins a new chain',
): HoldfastError {
  const when = new Date(since.timeMs).toISOString();
  return new HoldfastError(
    'precondition_failed',
    `continuity lost: ${why}; what changed since ${since.position} (${when}) cannot be read (${session.where})`,
    { hint },
  );
}
