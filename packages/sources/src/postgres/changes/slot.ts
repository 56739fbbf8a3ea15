import { type Clock, HoldfastError } from '@holdfast/core';
import { quoteIdentifier } from '../full/names.ts';
import { openSession, type Session } from '../session/session.ts';
import type { Target } from '../session/url.ts';
import { watchWaiting } from './slot-wait.ts';

const prefix = 'holdfast_';

/** The slot of a chain. `label` is `[a-z0-9_]{1,40}`; PostgreSQL allows names of 63 characters. */
export function slotName(label: string): string {
  if (/^[a-z0-9_]{1,40}$/.test(label)) return `${prefix}${label}`;
  throw new HoldfastError('internal', `${JSON.stringify(label)} cannot be part of the name of a slot`);
}

/**
 * A slot that ends with its session. It carries the session's number: that of a run which has just been given up may
 * be there for a moment yet.
 */
export function temporarySlotName(label: string, session: Session): string {
  return `${slotName(label)}__${session.processId}`;
}

export interface CreatedSlot {
  readonly name: string;
  /** Changes of transactions that ended after this position come from the slot, all before are in the snapshot. */
  readonly consistentPoint: string;
  /** For `SET TRANSACTION SNAPSHOT`, until the replication session gets its next command or ends. */
  readonly snapshot: string;
}

export interface CreateSlot {
  readonly signal: AbortSignal;
  /** It ends with the session, and has a name of its own. */
  readonly temporary?: boolean;
  /** To say what it waits for: open transactions have to end before a slot can begin. */
  readonly wait?: {
    readonly watcher: Session;
    readonly clock: Clock;
    readonly notice: (text: string) => void;
  };
}

/** @throws HoldfastError permission_denied with the statement that grants what is missing */
export async function openReplication(target: Target, o: { readonly signal: AbortSignal }): Promise<Session> {
  try {
    return await openSession(target, { ...o, replication: 'database' });
  } catch (caught) {
    const error = HoldfastError.from(caught);
    if (error.code === 'permission_denied') throw mayNotReplicate(target.user, error);
    if (error.code === 'exhausted') {
      throw new HoldfastError('exhausted', error.reason, {
        hint: 'every max_wal_senders is in use: raise it (needs a restart), or end replication that is not needed',
        cause: error,
      });
    }
    throw error;
  }
}

/**
 * Makes a slot that keeps the log from its consistent point on, with a snapshot at exactly that point. Waits for the
 * transactions that are open at that moment, and blocks none.
 */
export async function createSlot(replication: Session, label: string, o: CreateSlot): Promise<CreatedSlot> {
  const name = o.temporary ? temporarySlotName(label, replication) : slotName(label);
  const temporary = o.temporary ? 'TEMPORARY ' : '';
  const done = new AbortController();
  const watching =
    o.wait &&
    watchWaiting(replication.processId, { ...o.wait, signal: AbortSignal.any([o.signal, done.signal]) });
  try {
    // The form without parentheses, which 13 and 14 need, and later ones still take.
    const [row] = await replication.rows<{ consistent_point: string; snapshot_name: string }>(
      `CREATE_REPLICATION_SLOT ${quoteIdentifier(name)} ${temporary}LOGICAL test_decoding EXPORT_SNAPSHOT`,
      undefined,
      `making the replication slot ${name}`,
    );
    if (!row)
      throw new HoldfastError('source_failed', `the server did not describe the replication slot ${name}`);
    return { name, consistentPoint: row.consistent_point, snapshot: row.snapshot_name };
  } catch (caught) {
    throw explainSlotError(caught, replication);
  } finally {
    done.abort();
    await watching;
  }
}

/** A temporary twin of a slot, which lives as long as the session and can be advanced without the first one's moving. */
export async function copySlot(session: Session, from: string, to: string): Promise<void> {
  try {
    await session.query(
      'SELECT pg_catalog.pg_copy_logical_replication_slot($1::name, $2::name, true)',
      [from, to],
      `copying the replication slot ${from}`,
    );
  } catch (caught) {
    throw explainSlotError(caught, session);
  }
}

export interface SlotFacts {
  readonly name: string;
  readonly plugin: string;
  readonly temporary: boolean;
  readonly active: boolean;
  /** Null once its log is gone. */
  readonly restart: string | null;
  readonly confirmed: string | null;
  /** `reserved`, `extended`, `unreserved`, or `lost`. */
  readonly status: string;
  readonly retainedBytes: number;
}

const factsQuery = `
SELECT s.slot_name AS name, s.plugin, s.temporary, s.active, s.restart_lsn::text AS restart,
       s.confirmed_flush_lsn::text AS confirmed, coalesce(s.wal_status, 'lost') AS status,
       coalesce(pg_catalog.pg_wal_lsn_diff(
         CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
              ELSE pg_catalog.pg_current_wal_insert_lsn() END, s.restart_lsn), 0)::float8 AS "retainedBytes"
  FROM pg_catalog.pg_replication_slots s
 WHERE s.database = pg_catalog.current_database() AND s.slot_name LIKE 'holdfast\\_%'`;

export async function describeSlot(session: Session, name: string): Promise<SlotFacts | undefined> {
  const [row] = await session.rows<SlotFacts>(
    `${factsQuery} AND s.slot_name = $1`,
    [name],
    'looking at the replication slot',
  );
  return row;
}

/** All of ours in this database, whichever chain they belong to. */
export async function listSlots(session: Session): Promise<readonly SlotFacts[]> {
  return session.rows<SlotFacts>(`${factsQuery} ORDER BY 1`, undefined, 'listing the replication slots');
}

/** Lets the log before `position` go. A slot that is there already stays where it is. */
export async function advanceSlot(
  session: Session,
  name: string,
  o: { readonly position: string; readonly clock: Clock; readonly signal: AbortSignal },
): Promise<void> {
  await whenFree(o, () =>
    session.query(
      `SELECT pg_catalog.pg_replication_slot_advance(s.slot_name, $2::pg_lsn)
         FROM pg_catalog.pg_replication_slots s WHERE s.slot_name = $1 AND s.confirmed_flush_lsn < $2::pg_lsn`,
      [name, o.position],
      `advancing the replication slot ${name}`,
    ),
  );
}

/** False: there was none. */
export async function dropSlot(
  session: Session,
  name: string,
  o: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<boolean> {
  return whenFree(o, async () => {
    const { count } = await session.query(
      'SELECT pg_catalog.pg_drop_replication_slot(s.slot_name) FROM pg_catalog.pg_replication_slots s WHERE s.slot_name = $1',
      [name],
      `dropping the replication slot ${name}`,
    );
    return count > 0;
  });
}

const busyMs = 10_000;

/** A slot stays active for a moment after the session that used it has ended. */
async function whenFree<T>(
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
  work: () => Promise<T>,
): Promise<T> {
  const until = clock.elapsed() + busyMs;
  for (;;) {
    try {
      return await work();
    } catch (caught) {
      const error = HoldfastError.from(caught);
      if (error.code !== 'conflict' || clock.elapsed() >= until) throw error;
      await clock.sleep(50, signal);
    }
  }
}

export function explainSlotError(caught: unknown, session: Session): HoldfastError {
  const error = HoldfastError.from(caught);
  if (error.code === 'permission_denied') return mayNotReplicate(session.target.user, error);
  if (error.reason.includes('SQLSTATE 53400')) {
    return new HoldfastError('exhausted', `no replication slot is free: ${error.reason}`, {
      hint: 'raise max_replication_slots (needs a restart), or drop slots that nobody uses: SELECT slot_name, active FROM pg_replication_slots; holdfast needs one per task, and two more while an incremental runs',
      cause: error,
    });
  }
  if (error.reason.includes('test_decoding') && error.reason.includes('SQLSTATE 58P01')) {
    return new HoldfastError('precondition_failed', `the server has no test_decoding: ${error.reason}`, {
      hint: 'it is part of PostgreSQL, and in some distributions of the package postgresql-contrib: install that on the server',
      cause: error,
    });
  }
  if (error.reason.includes('wal_level')) return walLevelTooLow(session.where, error);
  return error;
}

function walLevelTooLow(where: string, cause?: unknown): HoldfastError {
  return new HoldfastError(
    'precondition_failed',
    `wal_level is not logical at ${where}, so changes cannot be kept`,
    {
      hint: 'ALTER SYSTEM SET wal_level = logical; then restart the server (a reload is not enough)',
      cause,
    },
  );
}

function mayNotReplicate(user: string, cause?: unknown): HoldfastError {
  return new HoldfastError('permission_denied', `user ${user} may not use replication slots`, {
    hint: `ALTER ROLE ${quoteIdentifier(user)} REPLICATION; and pg_hba.conf must let it connect`,
    cause,
  });
}
