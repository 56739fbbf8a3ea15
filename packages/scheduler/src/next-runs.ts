import type { Scope } from '@holdfast/core';
import { decideTask } from './decide-task.ts';
import { afterDecision, type ScheduleState } from './decision.ts';
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
  let then: ScheduleState = { ...state, running: false };
  let atMs = nowMs;
  while (found.length < countMax) {
    const decision = decideTask(schedule, then, atMs);
    then = { ...afterDecision(then, decision), running: false };
    if (decision.kind === 'start') {
      const { occurrenceMs, scope } = decision;
      found.push({ atMs, occurrenceMs, scope });
      then = { ...then, hasFull: true };
    } else if (decision.kind === 'idle') {
      if (decision.wakeAtMs === undefined) break;
      atMs = decision.wakeAtMs;
    }
  }
  return found;
}
