import type { Scope } from '@holdfast/core';
import { laterOf } from './count-occurrences.ts';
import { decideTask } from './decide-task.ts';
import { afterDecision, type ScheduleState } from './decision.ts';
import { nextOccurrence } from './occurrences.ts';
import type { Schedule } from './schedule.ts';

export interface PlannedRun {
  readonly atMs: number;
  readonly occurrenceMs: number;
  readonly scope: Scope;
}

/**
 * What will start, if every run succeeds and ends before the next is due: found by the decisions that will be made
 * then, so that the preview cannot differ from what happens. Empty while a task is paused or disabled. Pure.
 */
export function nextRuns(
  schedule: Schedule,
  state: ScheduleState,
  nowMs: number,
  countMax: number,
): PlannedRun[] {
  const found: PlannedRun[] = [];
  let next = nextStart(schedule, { state: { ...state, running: false }, atMs: nowMs });
  while (next && found.length < countMax) {
    found.push(next.run);
    if (found.length < countMax) next = nextStart(schedule, next.after);
  }
  return found;
}

/** Where a full is always due with the incremental, and takes its place, there is none to be found. */
const looksMax = 10;

/**
 * Of `nextRuns`, the first of each scope, without the hundreds of incrementals that may come before a full: whoever
 * shows all tasks asks this of each. Pure.
 */
export function nextOfEach(
  schedule: Schedule,
  state: ScheduleState,
  nowMs: number,
): { readonly [S in Scope]?: PlannedRun } {
  const found: { [S in Scope]?: PlannedRun } = {};
  let from: Moment = { state: { ...state, running: false }, atMs: nowMs };
  for (let looks = 0; looks < looksMax; looks++) {
    const next = nextStart(schedule, from);
    if (!next) break;
    found[next.run.scope] ??= next.run;
    const other = found.full === undefined ? 'full' : 'incremental';
    const cron = schedule[other];
    if (!cron || found[other] !== undefined) break;
    const occurrenceMs = nextOccurrence(cron, schedule.timezone, next.after.state.settledMs[other]);
    if (occurrenceMs === undefined) break;
    // As if all before it had come and gone.
    const untilMs = Math.max(next.after.atMs, occurrenceMs - 1);
    const settledMs = laterOf(next.after.state.settledMs, occurrenceMs - 1);
    from = { state: { ...next.after.state, settledMs }, atMs: untilMs };
  }
  return found;
}

interface Moment {
  readonly state: ScheduleState;
  readonly atMs: number;
}

function nextStart(schedule: Schedule, from: Moment): { run: PlannedRun; after: Moment } | undefined {
  let { state, atMs } = from;
  for (;;) {
    const decision = decideTask(schedule, state, atMs);
    state = { ...afterDecision(state, decision), running: false };
    if (decision.kind === 'start') {
      const { occurrenceMs, scope } = decision;
      return { run: { atMs, occurrenceMs, scope }, after: { state: { ...state, hasFull: true }, atMs } };
    }
    if (decision.kind !== 'idle') continue;
    if (decision.wakeAtMs === undefined) return undefined;
    atMs = decision.wakeAtMs;
  }
}
