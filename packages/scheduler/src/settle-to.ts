import { laterOf } from './count-occurrences.ts';
import type { ScheduleState, Settle, Settled } from './decision.ts';
import type { Schedule } from './schedule.ts';
import { zoneOf } from './zone.ts';

/** A day, and the hour by which a wrong time zone of the machine's clock may add to it. */
const aheadMsMax = 25 * 3_600_000;

/**
 * Drops what is not settled yet: occurrences during a pause, or while a task was disabled. From now on the schedule
 * counts again. Pure; `countOccurrences` says how many they are.
 */
export function settleTo(schedule: Schedule, state: ScheduleState, nowMs: number): Settled {
  // What was settled in a future that is too far was settled by a wrong clock.
  const repaired = repairSettled(schedule, state.settledMs, nowMs);
  return laterOf(repaired?.settledMs ?? state.settledMs, nowMs);
}

/**
 * Occurrences are settled once their time has come. One that is settled ahead of now means that the clock was put
 * back: nothing runs twice, the schedule goes on when that time comes again. But when it is further ahead than a
 * clock is ever put back on purpose, the clock had been wrong, and no backup for years would be the greater harm.
 */
export function repairSettled(schedule: Schedule, settledMs: Settled, nowMs: number): Settle | undefined {
  const newest = Math.max(settledMs.full, settledMs.incremental);
  if (newest <= nowMs + aheadMsMax) return undefined;
  const say = (ms: number): string => zoneOf(schedule.timezone).say(ms);
  return {
    kind: 'settle',
    settledMs: { full: Math.min(settledMs.full, nowMs), incremental: Math.min(settledMs.incremental, nowMs) },
    reason:
      `occurrences up to ${say(newest)} were settled, but it is only ${say(nowMs)}: ` +
      'the clock had been wrong, and the schedule goes on from now',
  };
}
