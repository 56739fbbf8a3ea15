/** How a task's record follows which of its destinations lack backups: pure, as `transitions.ts`. */
import type { ErrorRecord } from '@holdfast/core';
import type { Behind, RunResult, TaskRecord } from './records.ts';

type BehindField = Pick<TaskRecord, 'behind'>;

interface Left {
  readonly behind: TaskRecord['behind'];
  readonly run: string;
  readonly made: RunResult;
  readonly nowMs: number;
}

/**
 * A run has made a backup that some destinations lack. One that was behind before stays so, even where it has this
 * backup: what it lacks of the past only a copy finds out. Where no copy may look, a whole new chain is as much as can be
 * known.
 */
export function leftBehind({ behind = {}, run, made, nowMs }: Left): BehindField {
  const next: Record<string, Behind> = { ...behind };
  const isNewChain = made.scope === 'full' && made.outcome !== 'unchanged';
  for (const { name, stored, behind: lacks, error } of made.destinations) {
    const before = next[name];
    if (stored && isNewChain && before?.tries && before.error?.code === 'permission_denied')
      delete next[name];
    if (!lacks) continue;
    // Where nothing was made, nothing more is lacking than before.
    const more = made.outcome === 'unchanged' ? 0 : 1;
    next[name] = before
      ? { ...before, backups: before.backups + more }
      : { sinceMs: nowMs, run, backups: 1, tries: 0, ...(error && { error }) };
  }
  return fieldOf(next);
}

export function isBehind(record: TaskRecord, destination: string): boolean {
  return record.behind !== undefined && Object.hasOwn(record.behind, destination);
}

/** A copy did not bring the destination up to date. */
export function copyFailed(
  record: TaskRecord,
  destination: string,
  o: { readonly error: ErrorRecord; readonly nowMs: number },
): TaskRecord {
  const before = record.behind?.[destination];
  if (!before) return record;
  const tried = { ...before, tries: before.tries + 1, lastTriedAtMs: o.nowMs, error: o.error };
  return { ...record, behind: { ...record.behind, [destination]: tried } };
}

export interface Copied {
  /** The record as it was before the copy looked at what there is. */
  readonly asOf: TaskRecord;
  /** When that was. */
  readonly startedAtMs: number;
}

/**
 * A copy has ended well: the destination lacks nothing of what there was when it began. What a run left behind since
 * then it lacks still.
 */
export function copySucceeded(
  record: TaskRecord,
  destination: string,
  { asOf, startedAtMs }: Copied,
): TaskRecord {
  const { behind: all = {}, ...rest } = record;
  const { [destination]: before, ...others } = all;
  const lacked = asOf.behind?.[destination]?.backups ?? 0;
  const more = (before?.backups ?? 0) - lacked;
  const run = record.lastGood?.run ?? before?.run;
  const again: Record<string, Behind> =
    more > 0 && run !== undefined
      ? { [destination]: { sinceMs: startedAtMs, run, backups: more, tries: 0 } }
      : {};
  const good = asOf.lastGood;
  const newest = record.lastGoodAt[destination];
  // A run may have stored a newer one there in the meantime.
  const isNewer = good !== undefined && (newest === undefined || newest.endedAtMs < good.endedAtMs);
  return {
    ...rest,
    ...(isNewer && { lastGoodAt: { ...record.lastGoodAt, [destination]: good } }),
    ...fieldOf({ ...others, ...again }),
  };
}

/** Destinations that are no longer the task's are nobody's concern. */
export function behindOnly(record: TaskRecord, destinations: readonly string[]): TaskRecord {
  const { behind = {}, ...rest } = record;
  const kept = Object.entries(behind).filter(([name]) => destinations.includes(name));
  if (kept.length === Object.keys(behind).length) return record;
  return { ...rest, ...fieldOf(Object.fromEntries(kept)) };
}

export function behindTold(record: TaskRecord, destination: string, nowMs: number): TaskRecord {
  const before = record.behind?.[destination];
  if (!before) return record;
  return { ...record, behind: { ...record.behind, [destination]: { ...before, toldAtMs: nowMs } } };
}

function fieldOf(behind: Readonly<Record<string, Behind>>): BehindField {
  return Object.keys(behind).length === 0 ? {} : { behind };
}
