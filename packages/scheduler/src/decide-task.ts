import type { Scope } from '@holdfast/core';
import { countOccurrences, laterOf } from './count-occurrences.ts';
import type { Decision, Idle, NextRun, OwedRun, ScheduleState, Settled, Skip, Start } from './decision.ts';
import { blackoutUntil, dueOf, newestDue, nextOf, type Schedule } from './schedule.ts';
import { repairSettled } from './settle-to.ts';
import { zoneOf } from './zone.ts';

/** An occurrence that starts later than this was missed: nobody was there to start it. */
const lateMsMax = 60_000;

/** What is due at a moment, all of it together: one run stands for it. */
interface Due {
  readonly scope: Scope;
  /** The newest of its scope. */
  readonly occurrenceMs: number;
  /** The newest of all. */
  readonly newestMs: number;
  /** When the oldest was due. */
  readonly sinceMs: number;
  readonly count: number;
}

/**
 * What a task does now, with the reason in words. Pure: the same answer on every node, in a preview and in a test.
 * Whoever acts on it writes `afterDecision` in the same transaction, so that an occurrence is taken once.
 */
export function decideTask(schedule: Schedule, state: ScheduleState, nowMs: number): Decision {
  const say = (ms: number): string => zoneOf(schedule.timezone).say(ms);
  if (state.disabled) return { kind: 'idle', reason: 'the task is disabled' };
  if (state.paused)
    return { kind: 'idle', reason: 'the task is paused: occurrences are dropped until it is resumed' };
  const repair = repairSettled(schedule, state.settledMs, nowMs);
  if (repair) return repair;
  if (state.delayedUntilMs !== undefined && nowMs < state.delayedUntilMs)
    return idle(schedule, state, nowMs, `delayed until ${say(state.delayedUntilMs)}`);
  const blackoutEndMs = blackoutUntil(schedule, nowMs);
  if (blackoutEndMs !== undefined)
    return idle(schedule, state, nowMs, `nothing starts before the blackout ends at ${say(blackoutEndMs)}`);
  const due = findDue(schedule, state, nowMs);
  if (state.running) {
    if (due) return skip(state, due, say);
    return idle(schedule, state, nowMs, 'a run of this task waits or runs');
  }
  const { owed } = state;
  if (owed && owed.atMs <= nowMs) return startOwed(state, owed, due);
  if (due) return start({ state, due, nowMs, say });
  return idle(schedule, state, nowMs, 'nothing is due');
}

/** Occurrences that a delay drops count as settled, and are so with the first decision after it. */
function unsettledAfter({ settledMs, delayedUntilMs }: ScheduleState): Settled {
  return delayedUntilMs === undefined ? settledMs : laterOf(settledMs, delayedUntilMs - 1);
}

/** Outside of blackout windows only. */
function findDue(schedule: Schedule, state: ScheduleState, nowMs: number): Due | undefined {
  const after = unsettledAfter(state);
  const first = nextOf(schedule, after);
  if (first === undefined || first.occurrenceMs > nowMs) return undefined;
  const fullMs = newestDue(schedule, 'full', nowMs) ?? Number.NEGATIVE_INFINITY;
  const incrementalMs = newestDue(schedule, 'incremental', nowMs) ?? Number.NEGATIVE_INFINITY;
  const isFull = fullMs > after.full;
  if (!isFull && incrementalMs <= after.incremental) return undefined;
  const newestMs = Math.max(isFull ? fullMs : incrementalMs, incrementalMs);
  return {
    scope: isFull ? 'full' : 'incremental',
    occurrenceMs: isFull ? fullMs : incrementalMs,
    newestMs,
    sinceMs: dueOf(schedule, first.occurrenceMs),
    count: countOccurrences(schedule, after, newestMs),
  };
}

function start(now: { state: ScheduleState; due: Due; nowMs: number; say: (ms: number) => string }): Start {
  const { state, due, nowMs, say } = now;
  const late = nowMs - due.sinceMs > lateMsMax;
  const { scope, why } = scopeOf(state, due.scope);
  const stands = due.count > 1 ? `, one run for ${due.count} occurrences` : '';
  const reason = late
    ? `missed since ${say(due.sinceMs)}${stands}${why}`
    : `due by schedule at ${say(due.occurrenceMs)}${stands}${why}`;
  return {
    kind: 'start',
    scope,
    occurrenceMs: due.occurrenceMs,
    dueMs: due.sinceMs,
    settledMs: laterOf(unsettledAfter(state), due.newestMs),
    missed: due.count - 1,
    trigger: late ? 'catch-up' : 'schedule',
    settlesOwed: state.owed !== undefined,
    reason,
  };
}

function startOwed(state: ScheduleState, owed: OwedRun, due: Due | undefined): Start {
  const { scope, why } = scopeOf(state, due?.scope ?? owed.scope);
  const stands = due ? `, and for ${due.count} occurrences that are due` : '';
  return {
    kind: 'start',
    scope,
    occurrenceMs: owed.atMs,
    dueMs: owed.atMs,
    settledMs: laterOf(unsettledAfter(state), due?.newestMs ?? 0),
    missed: due?.count ?? 0,
    trigger: 'owed',
    settlesOwed: true,
    reason: `${owed.reason}${stands}${why}`,
  };
}

/** A full is never replaced by an incremental; an incremental becomes a full where it has to. */
function scopeOf(state: ScheduleState, scope: Scope): { scope: Scope; why: string } {
  if (scope === 'full') return { scope, why: '' };
  if (!state.hasFull) return { scope: 'full', why: '; a full, because there is no good full to continue' };
  if (state.owed?.scope === 'full') return { scope: 'full', why: `; a full, because ${state.owed.reason}` };
  return { scope, why: '' };
}

function skip(state: ScheduleState, due: Due, say: (ms: number) => string): Skip {
  const several = due.count > 1 ? ` (${due.count} occurrences)` : '';
  const reason = `skipped the ${due.scope} of ${say(due.occurrenceMs)}${several}: a run of this task waits or runs`;
  const base = {
    kind: 'skip',
    scope: due.scope,
    occurrenceMs: due.occurrenceMs,
    settledMs: laterOf(unsettledAfter(state), due.newestMs),
    skipped: due.count,
  } as const;
  if (due.scope === 'incremental' || state.owed?.scope === 'full') return { ...base, reason };
  const owed: OwedRun = {
    scope: 'full',
    atMs: due.occurrenceMs,
    reason: `the full of ${say(due.occurrenceMs)} was skipped`,
  };
  return { ...base, owed, reason: `${reason}; the next run is a full` };
}

function idle(schedule: Schedule, state: ScheduleState, nowMs: number, reason: string): Idle {
  const next = nextRun(schedule, state, nowMs);
  if (next === undefined) return { kind: 'idle', reason };
  return { kind: 'idle', reason, wakeAtMs: next.atMs, next };
}

/** What starts next if the run that is going on, if any, ends before; from now on at the earliest. */
function nextRun(schedule: Schedule, state: ScheduleState, nowMs: number): NextRun | undefined {
  const earliestMs = Math.max(nowMs, state.delayedUntilMs ?? nowMs);
  const free = (ms: number): number => blackoutUntil(schedule, ms) ?? ms;
  const found = nextOf(schedule, unsettledAfter(state));
  const byScheduleMs = found && Math.max(free(earliestMs), dueOf(schedule, found.occurrenceMs));
  const { owed } = state;
  // An owed run waits for the end of the running one, which no clock knows.
  const owedMs = owed && !state.running ? free(Math.max(earliestMs, owed.atMs)) : undefined;
  if (owed && owedMs !== undefined && (byScheduleMs === undefined || owedMs <= byScheduleMs))
    return {
      atMs: owedMs,
      occurrenceMs: owed.atMs,
      scope: scopeOf(state, owed.scope).scope,
      reason: owed.reason,
    };
  if (found === undefined || byScheduleMs === undefined) return undefined;
  const { scope, why } = scopeOf(state, found.scope);
  return { atMs: byScheduleMs, occurrenceMs: found.occurrenceMs, scope, reason: `by schedule${why}` };
}
