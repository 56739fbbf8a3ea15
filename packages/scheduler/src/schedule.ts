import { hash } from 'node:crypto';
import { type BlackoutWindow, HoldfastError, type Scope } from '@holdfast/core';
import { type Blackout, blackoutEnd, compileBlackout } from './blackout.ts';
import { type Cron, parseCron } from './cron.ts';
import { nextOccurrence, previousOccurrence } from './occurrences.ts';
import { assertTimezone } from './timezone.ts';

export interface ScheduleSpec {
  readonly task: string;
  /** Cron expressions; at least one of the two. */
  readonly full?: string | undefined;
  readonly incremental?: string | undefined;
  readonly timezone: string;
  readonly jitterMs: number;
  readonly blackout: readonly BlackoutWindow[];
}

/** When a task is due: its two cron expressions as one sequence of occurrences, in which a full wins a tie. */
export interface Schedule {
  readonly task: string;
  readonly timezone: string;
  readonly full: Cron | undefined;
  readonly incremental: Cron | undefined;
  /** How much later than its occurrences this task starts: always the same, and different for each task. */
  readonly ownJitterMs: number;
  readonly blackout: Blackout;
}

export interface Occurrence {
  readonly occurrenceMs: number;
  /** Of a tie: full. */
  readonly scope: Scope;
}

/** Longer ones would be mistakes: the window in which backups start would be wider than a day. */
const jitterMsMax = 86_400_000;

/** @throws HoldfastError config_invalid, which names the task and the field */
export function compileSchedule(spec: ScheduleSpec): Schedule {
  const { task, timezone, jitterMs } = spec;
  assertTimezone(timezone);
  const full = compileCron(task, 'full', spec.full);
  const incremental = compileCron(task, 'incremental', spec.incremental);
  if (!full && !incremental)
    throw new HoldfastError('config_invalid', `task ${task}: neither full nor incremental has a schedule`, {
      hint: 'give at least one of them, for example full: "0 2 * * 0"',
    });
  if (!(jitterMs >= 0 && jitterMs <= jitterMsMax))
    throw new HoldfastError('config_invalid', `task ${task}: jitter is out of range`, {
      hint: 'it is at most a day, for example 10m',
    });
  const blackout = compileBlackout(task, spec.blackout);
  return {
    task,
    timezone,
    full,
    incremental,
    ownJitterMs: Math.floor(jitterMs * fractionOf(task)),
    blackout,
  };
}

/** The first occurrence of either schedule, each after its own moment. */
export function nextOf(
  schedule: Schedule,
  afterMs: { readonly full: number; readonly incremental: number },
): Occurrence | undefined {
  const { full, incremental, timezone } = schedule;
  const fullMs = full && nextOccurrence(full, timezone, afterMs.full);
  const incrementalMs = incremental && nextOccurrence(incremental, timezone, afterMs.incremental);
  if (fullMs !== undefined && (incrementalMs === undefined || fullMs <= incrementalMs))
    return { occurrenceMs: fullMs, scope: 'full' };
  return incrementalMs === undefined ? undefined : { occurrenceMs: incrementalMs, scope: 'incremental' };
}

/** The newest occurrence of one schedule that is due at a moment outside of blackout windows. */
export function newestDue(schedule: Schedule, scope: Scope, nowMs: number): number | undefined {
  const cron = schedule[scope];
  let occurrenceMs = cron && previousOccurrence(cron, schedule.timezone, nowMs);
  while (cron && occurrenceMs !== undefined && jittered(schedule, occurrenceMs) > nowMs)
    occurrenceMs = previousOccurrence(cron, schedule.timezone, occurrenceMs - 1);
  return occurrenceMs;
}

/** When an occurrence is due: after the task's own jitter, and not in a blackout window. */
export function dueOf(schedule: Schedule, occurrenceMs: number): number {
  const atMs = jittered(schedule, occurrenceMs);
  return blackoutUntil(schedule, atMs) ?? atMs;
}

/** When the blackout ends that lasts at a moment; undefined when there is none. */
export function blackoutUntil(schedule: Schedule, atMs: number): number | undefined {
  return blackoutEnd(schedule.blackout, schedule.timezone, atMs);
}

/** The jitter never reaches the next occurrence of the task: what is due first has occurred first. */
function jittered(schedule: Schedule, occurrenceMs: number): number {
  if (schedule.ownJitterMs === 0) return occurrenceMs;
  const next = nextOf(schedule, { full: occurrenceMs, incremental: occurrenceMs });
  const roomMs = next === undefined ? Number.POSITIVE_INFINITY : next.occurrenceMs - occurrenceMs - 1;
  return occurrenceMs + Math.min(schedule.ownJitterMs, roomMs);
}

/** From 0 to below 1, the same on every node and after every start. */
function fractionOf(task: string): number {
  return Number.parseInt(hash('sha256', task).slice(0, 12), 16) / 2 ** 48;
}

function compileCron(task: string, scope: Scope, text: string | undefined): Cron | undefined {
  if (text === undefined) return undefined;
  try {
    return parseCron(text);
  } catch (caught) {
    const { code, reason, hint } = HoldfastError.from(caught);
    throw new HoldfastError(code, `task ${task}: ${scope}: ${reason}`, { hint });
  }
}
