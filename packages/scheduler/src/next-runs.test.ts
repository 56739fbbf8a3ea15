import { expect, test } from 'vitest';
import type { ScheduleState } from './decision.ts';
import { nextOfEach, nextRuns } from './next-runs.ts';
import { compileSchedule, type ScheduleSpec } from './schedule.ts';

// A Monday; the clocks of Berlin are put back on 25 October.
const nowMs = Date.parse('2026-10-19T09:30:00Z');

const schedules: Partial<ScheduleSpec>[] = [
  { full: '0 2 * * 0', incremental: '*/15 * * * *' },
  { full: '0 2 1 * *', incremental: '0 * * * *' },
  { full: '0 2 * * 0' },
  { incremental: '0 * * * *' },
  { full: '0 * * * *', incremental: '0 3 * * 0' },
  { full: '30 2 * * *', incremental: '30 2 * * 0' },
  { full: '30 2 * * 0', incremental: '*/30 * * * *', jitterMs: 1_500_000 },
  { full: '0 9 * * 0', incremental: '*/20 * * * *', blackout: [{ from: '08:30', to: '10:15' }] },
  { full: '0 2 29 2 *', incremental: '0 0 * * *' },
];

const states: Partial<ScheduleState>[] = [
  {},
  { hasFull: false },
  { running: true },
  { paused: true },
  { disabled: true },
  { delayedUntilMs: nowMs + 8 * 86_400_000 },
  { owed: { scope: 'full', atMs: nowMs - 1, reason: 'it was skipped' } },
  { owed: { scope: 'incremental', atMs: nowMs + 600_000, reason: 'it goes on' } },
  { settledMs: { full: nowMs - 9 * 86_400_000, incremental: nowMs - 86_400_000 } },
];

test.for(schedules.flatMap((spec) => states.map((over) => [spec, over] as const)))(
  'the next of each scope is the first of it among all that will start: %o, %o',
  ([spec, over]) => {
    const schedule = compileSchedule({
      task: 'orders',
      timezone: 'Europe/Berlin',
      jitterMs: 0,
      blackout: [],
      ...spec,
    });
    const usual = { hasFull: true, running: false, paused: false, disabled: false };
    const state: ScheduleState = { settledMs: { full: nowMs, incremental: nowMs }, ...usual, ...over };
    const all = nextRuns(schedule, state, nowMs, 1_500);
    const { full, incremental } = nextOfEach(schedule, state, nowMs);
    expect(full).toEqual(all.find(({ scope }) => scope === 'full'));
    expect(incremental).toEqual(all.find(({ scope }) => scope === 'incremental'));
  },
);
