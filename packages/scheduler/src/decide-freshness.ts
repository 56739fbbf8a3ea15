import type { Scope } from '@holdfast/core';
import { nextOccurrence, previousOccurrence } from './occurrences.ts';
import { dueOf, type Schedule } from './schedule.ts';
import { zoneOf } from './zone.ts';

const graceMsMin = 5 * 60_000;
const graceMsMax = 6 * 3_600_000;

export interface FreshnessQuestion {
  /** Since when the schedule counts: declared, resumed or enabled. */
  readonly sinceMs: number;
  /** When the newest good backup was begun, of either scope; and the newest good full. */
  readonly lastGoodMs?: number | undefined;
  readonly lastGoodFullMs?: number | undefined;
  readonly lastAttemptMs?: number | undefined;
  readonly runningSinceMs?: number | undefined;
  /** Absent: that of the schedule with the longer way to its next occurrence. */
  readonly runningScope?: Scope | undefined;
  readonly paused: boolean;
  readonly disabled: boolean;
  /** Some run was good once, even if nothing else is known of it any more. */
  readonly hasEverRun: boolean;
}

export type FreshnessState = 'disabled' | 'paused' | 'waiting-first' | 'never-ran' | 'fresh' | 'overdue';

export interface Freshness {
  readonly state: FreshnessState;
  readonly runningTooLong: boolean;
  /** When the oldest occurrence was or is due that no good backup answers yet: past or to come. */
  readonly expectedMs?: number;
  readonly overdueSinceMs?: number;
  readonly reason: string;
}

interface Expected {
  readonly scope: Scope;
  readonly dueMs: number;
  /** From then on it is overdue. */
  readonly overdueMs: number;
}

/**
 * Whether a task has the backups that its schedule promises, whatever became of its runs: a task that never started
 * is as overdue as one that fails. An occurrence is answered by a good backup that was begun at or after it; a full
 * answers for an incremental, never the reverse. It is overdue when it has been missing for `overdueAfterMs` since it was due: by default half
 * the way to the next occurrence, 5 minutes at least and 6 hours at most. Pure.
 */
export function decideFreshness(
  schedule: Schedule,
  question: FreshnessQuestion,
  nowMs: number,
  overdueAfterMs?: number,
): Freshness {
  const say = (ms: number): string => zoneOf(schedule.timezone).say(ms);
  const runningTooLong = runsTooLong(schedule, question, nowMs);
  if (question.disabled) return { state: 'disabled', runningTooLong, reason: 'the task is disabled' };
  if (question.paused) return { state: 'paused', runningTooLong, reason: 'the task is paused' };
  const ever = question.hasEverRun || question.lastGoodMs !== undefined;
  const [first] = (['full', 'incremental'] as const)
    .map((scope) => expected(schedule, question, { scope, overdueAfterMs }))
    .filter((one) => one !== undefined)
    .sort((a, b) => a.overdueMs - b.overdueMs);
  const good = question.lastGoodMs === undefined ? undefined : say(question.lastGoodMs);
  if (first === undefined || nowMs < first.overdueMs) {
    const next = first ? `; the next is expected at ${say(first.dueMs)}` : '';
    const expectedMs = first ? { expectedMs: first.dueMs } : {};
    if (!ever)
      return { state: 'waiting-first', runningTooLong, ...expectedMs, reason: `no backup yet${next}` };
    return {
      state: 'fresh',
      runningTooLong,
      ...expectedMs,
      reason: `the last good backup is of ${good ?? 'a time that is not known'}${next}`,
    };
  }
  const tried =
    question.lastAttemptMs === undefined
      ? 'none was tried'
      : `the last try was at ${say(question.lastAttemptMs)}`;
  const last =
    good === undefined ? `there is no good backup; ${tried}` : `the last good backup is of ${good}; ${tried}`;
  return {
    state: ever ? 'overdue' : 'never-ran',
    runningTooLong,
    expectedMs: first.dueMs,
    overdueSinceMs: first.overdueMs,
    reason: `the ${first.scope} of ${say(first.dueMs)} is missing; ${last}`,
  };
}

/** The oldest occurrence of one schedule that no good backup answers. */
function expected(
  schedule: Schedule,
  question: FreshnessQuestion,
  of: { readonly scope: Scope; readonly overdueAfterMs: number | undefined },
): Expected | undefined {
  const { scope, overdueAfterMs } = of;
  const cron = schedule[scope];
  const goodMs = scope === 'full' ? question.lastGoodFullMs : question.lastGoodMs;
  const afterMs = Math.max(question.sinceMs, goodMs ?? question.sinceMs);
  const occurrenceMs = cron && nextOccurrence(cron, schedule.timezone, afterMs);
  if (!cron || occurrenceMs === undefined) return undefined;
  const dueMs = dueOf(schedule, occurrenceMs);
  const nextMs = nextOccurrence(cron, schedule.timezone, occurrenceMs);
  const half = nextMs === undefined ? graceMsMax : (nextMs - occurrenceMs) / 2;
  const graceMs = overdueAfterMs ?? Math.min(Math.max(half, graceMsMin), graceMsMax);
  return { scope, dueMs, overdueMs: dueMs + graceMs };
}

/** The run began before the last occurrence but one: it has run for longer than the way from one to the next. */
function runsTooLong(schedule: Schedule, question: FreshnessQuestion, nowMs: number): boolean {
  const { runningSinceMs } = question;
  if (runningSinceMs === undefined) return false;
  const cron = schedule[question.runningScope ?? 'full'] ?? schedule.full ?? schedule.incremental;
  const last = cron && previousOccurrence(cron, schedule.timezone, nowMs);
  const lastButOne = cron && last !== undefined && previousOccurrence(cron, schedule.timezone, last - 1);
  return typeof lastButOne === 'number' && runningSinceMs < lastButOne;
}
