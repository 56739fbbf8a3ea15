/**
 * When a schedule is due, in real time. The rule where the wall clock is put forward or back: no occurrence is lost,
 * and none runs twice.
 *
 * - A wall time that is left out (spring) runs at the moment of the shift, which is the first moment after the gap.
 *   Several that are left out together, or one that is due at that moment anyway, run once.
 * - A wall time that comes twice (autumn) runs the first time, when the schedule names its hours ("30 2 * * *",
 *   "0 *\/6 * * *").
 * - When the hour field is `*`, or says every hour in other words, it runs both times: "*\/15 * * * *" means every 15
 *   minutes of real time, and an hour without backups would be a hole.
 *
 * Wall times and moments meet here: a wall time is written as the milliseconds that it would be in UTC, and within a
 * stretch of constant offset a moment is the wall time less the offset.
 */
import type { Cron } from './cron.ts';
import { type Stretch, zoneOf } from './zone.ts';

/** The first occurrence after a moment; undefined when there is none. */
export function nextOccurrence(cron: Cron, timezone: string, afterMs: number): number | undefined {
  const zone = zoneOf(timezone);
  // Moments are whole milliseconds, so "after" is "from the next millisecond".
  let fromMs = Math.floor(afterMs) + 1;
  for (;;) {
    const stretch = zone.at(fromMs);
    const { startMs, endMs, offsetMs, shiftMs } = stretch;
    // At the very moment of a shift forward, the wall times that it left out are still to come.
    const leftOutMs = fromMs === startMs && shiftMs > 0 ? shiftMs : 0;
    const fromWall = Math.max(fromMs + offsetMs - leftOutMs, repeatedUntil(cron, stretch));
    const wall = cron.wallTimes.next(fromWall);
    if (wall === undefined) return undefined;
    if (wall - offsetMs < endMs) return Math.max(wall - offsetMs, fromMs);
    fromMs = endMs;
  }
}

/** The last occurrence at or before a moment; undefined when there was none. */
export function previousOccurrence(cron: Cron, timezone: string, atOrBeforeMs: number): number | undefined {
  const zone = zoneOf(timezone);
  let untilMs = Math.floor(atOrBeforeMs);
  for (;;) {
    const stretch = zone.at(untilMs);
    const { startMs, offsetMs, shiftMs } = stretch;
    const wall = cron.wallTimes.previous(untilMs + offsetMs);
    if (wall === undefined) return undefined;
    if (wall >= repeatedUntil(cron, stretch)) {
      if (wall - offsetMs >= startMs) return wall - offsetMs;
      if (wall - offsetMs >= startMs - shiftMs) return startMs;
    }
    untilMs = startMs - 1;
  }
}

/** The next occurrences after a moment, in order. */
export function occurrencesAfter(cron: Cron, timezone: string, afterMs: number, countMax: number): number[] {
  const found: number[] = [];
  let afterOne: number | undefined = afterMs;
  while (found.length < countMax) {
    afterOne = nextOccurrence(cron, timezone, afterOne);
    if (afterOne === undefined) break;
    found.push(afterOne);
  }
  return found;
}

/** The wall time until which a stretch repeats what was before it, when that does not count. */
function repeatedUntil(cron: Cron, stretch: Stretch): number {
  if (cron.everyHour || stretch.shiftMs >= 0) return Number.NEGATIVE_INFINITY;
  return stretch.startMs + stretch.offsetMs - stretch.shiftMs;
}
