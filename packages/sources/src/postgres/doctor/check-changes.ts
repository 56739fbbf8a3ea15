import { type Finding, HoldfastError } from '@holdfast/core';
import { readTableFacts } from '../changes/fingerprint.ts';
import { formatBytes, slotHealth } from '../changes/keep-limit.ts';
import { explainSlotError, listSlots, openReplication } from '../changes/slot.ts';
import type { ServerFacts } from '../full/identity.ts';
import { checkKeepChanges } from '../full/prerequisites.ts';
import { pinnedTo, type Session } from '../session/session.ts';
import { bad, fine, fromError, info, someOf, warning } from './findings.ts';

/** One that stays, one to read it, and one for the view of an incremental that needs one. */
const slotsPerIncremental = 3;

/** What incrementals need besides. */
export async function checkChanges(
  session: Session,
  o: { readonly facts: ServerFacts; readonly limitBytes: number; readonly signal: AbortSignal },
): Promise<readonly Finding[]> {
  const { facts, limitBytes } = o;
  const unmet = checkKeepChanges(session, facts);
  const findings: Finding[] = [...unmet];
  if (unmet.length === 0) {
    findings.push(
      fine('wal_level', 'is logical'),
      facts.slotsFree >= slotsPerIncremental
        ? fine('replication slots', `${facts.slotsFree} are free`)
        : bad(
            'replication slots',
            'exhausted',
            `${facts.slotsFree} free, a task with incrementals needs ${slotsPerIncremental} at a time, of which it keeps 1`,
            'raise max_replication_slots (needs a restart), or drop slots that nobody uses',
          ),
      await tryReplication(session, o.signal),
      await trySlot(session),
    );
  }
  findings.push(await checkKeepSize(session), ...(await checkOwnSlots(session, limitBytes)));
  const keyless = (await readTableFacts(session)).filter((each) => !each.keyed && !each.unlogged);
  if (keyless.length > 0) {
    findings.push(
      info(
        'tables without a key',
        `${someOf(keyless.map((each) => each.printed))}: an incremental in whose time one of them changed reads it whole`,
        'give large ones that change often a primary key',
      ),
    );
  }
  return findings;
}

async function tryReplication(session: Session, signal: AbortSignal): Promise<Finding> {
  try {
    await using _ = await openReplication(pinnedTo(session), { signal });
    return fine('replication connection', 'is let in');
  } catch (caught) {
    return fromError('replication connection', HoldfastError.from(caught));
  }
}

/** Makes a slot and lets it go. An open transaction would make it wait: that it came so far is proof enough. */
async function trySlot(session: Session): Promise<Finding> {
  const name = `holdfast_doctor_${session.processId}`;
  try {
    await session.exec(`SET statement_timeout = '2s'`);
    await session.query(
      `SELECT pg_catalog.pg_create_logical_replication_slot($1::name, 'test_decoding', true)`,
      [name],
      'making a replication slot to try',
    );
    await session.query('SELECT pg_catalog.pg_drop_replication_slot($1::name)', [name]);
    return fine('test_decoding', 'a slot could be made, and is gone again');
  } catch (caught) {
    const error = explainSlotError(caught, session);
    if (!error.reason.includes('SQLSTATE 57014')) return fromError('test_decoding', error);
    return warning(
      'test_decoding',
      'a slot could not be made within 2 s: a transaction is open for longer than that',
      'a full backup that keeps changes waits for it to end: SELECT pid, xact_start FROM pg_stat_activity ORDER BY xact_start',
    );
  } finally {
    if (session.alive) await session.exec('SET statement_timeout = 0');
  }
}

async function checkKeepSize(session: Session): Promise<Finding> {
  const [row] = await session.rows<{ setting: string }>(
    `SELECT pg_catalog.current_setting('max_slot_wal_keep_size') AS setting`,
  );
  const check = 'max_slot_wal_keep_size';
  if (row?.setting !== '-1') return fine(check, `is ${row?.setting}`);
  return warning(
    check,
    'is -1: while no Holdfast runs, nothing limits the log that a slot keeps on the disk of the server',
    `ALTER SYSTEM SET max_slot_wal_keep_size = '20GB'; SELECT pg_reload_conf()`,
  );
}

async function checkOwnSlots(session: Session, limitBytes: number): Promise<readonly Finding[]> {
  const slots = (await listSlots(session)).filter((each) => !each.temporary);
  const kept = slots.reduce((total, each) => total + each.retainedBytes, 0);
  if (slots.length === 0) return [fine('kept changes', 'none are kept for incrementals')];
  return [
    fine('kept changes', `${slots.length} replication slots keep ${formatBytes(kept)} of log`),
    ...slots.map((slot) => {
      const { ok, message } = slotHealth(slot, limitBytes);
      const check = `slot ${slot.name}`;
      if (ok) return fine(check, message);
      return warning(
        check,
        message,
        'the next run is a full backup; `holdfast source forget` drops slots that no task uses',
      );
    }),
  ];
}
