import { type Adopted, ownsIncrementals, type TaskRecord } from '@holdfast/coordinator';
import type { DeclaredTask } from '@holdfast/core';
import { compileSchedule, type Schedule, type ScheduleState } from '@holdfast/scheduler';
import { durationMs } from '../config/duration.ts';

/** Schedules as they were compiled from what is declared: kept for as long as that stays the same. */
export class Schedules {
  readonly #compiled = new Map<string, { readonly spec: DeclaredTask; readonly schedule: Schedule }>();

  of(task: string, spec: DeclaredTask): Schedule {
    const known = this.#compiled.get(task);
    if (known?.spec === spec) return known.schedule;
    const schedule = compileSchedule({
      task,
      timezone: spec.timezone,
      jitterMs: spec.jitter === undefined ? 0 : (durationMs(spec.jitter) ?? 0),
      blackout: spec.blackout ?? [],
      ...(spec.full !== undefined && { full: spec.full }),
      ...(spec.incremental !== undefined && { incremental: spec.incremental }),
    });
    this.#compiled.set(task, { spec, schedule });
    return schedule;
  }

  /** Forgets tasks that are not declared any more. */
  keepOnly(tasks: Readonly<Record<string, unknown>>): void {
    for (const task of this.#compiled.keys()) if (!Object.hasOwn(tasks, task)) this.#compiled.delete(task);
  }
}

/** The record, as the scheduler wants to know it. */
export function scheduleState(record: TaskRecord, spec: DeclaredTask): ScheduleState {
  const { owed, delayedUntilMs } = record;
  return {
    settledMs: record.settledMs,
    hasFull: ownsIncrementals(record),
    running: record.running !== undefined,
    paused: record.pausedSinceMs !== undefined,
    disabled: spec.disabled === true || record.removedAtMs !== undefined,
    ...(owed && { owed: { scope: owed.scope, atMs: owed.atMs, reason: owed.reason } }),
    ...(delayedUntilMs !== undefined && { delayedUntilMs }),
  };
}

/** Changes exactly when what decides a task's due times does. */
export function scheduleText(spec: DeclaredTask): string {
  return JSON.stringify([spec.full, spec.incremental, spec.timezone]);
}

/** What of a task's declaration its record remembers. */
export function adopted(spec: DeclaredTask): Adopted {
  return { schedule: scheduleText(spec), disabled: spec.disabled ?? false };
}
