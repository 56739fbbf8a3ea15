import type { Settled } from './decision.ts';
import { nextOf, type Schedule } from './schedule.ts';

/** Nobody needs to know more exactly how many were missed; a year of minutes would take a second to count. */
export const countMax = 10_000;

/** How many occurrences of a task are after those that are settled, up to and with a moment; `countMax` at most. */
export function countOccurrences(schedule: Schedule, settledMs: Settled, untilMs: number): number {
  let after = settledMs;
  for (let count = 0; count < countMax; count++) {
    const next = nextOf(schedule, after);
    if (next === undefined || next.occurrenceMs > untilMs) return count;
    after = laterOf(after, next.occurrenceMs);
  }
  return countMax;
}

/** Everything up to a moment is settled; what was settled stays settled. */
export function laterOf(settledMs: Settled, untilMs: number): Settled {
  return {
    full: Math.max(settledMs.full, untilMs),
    incremental: Math.max(settledMs.incremental, untilMs),
  };
}
