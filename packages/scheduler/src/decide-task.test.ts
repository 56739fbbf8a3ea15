import { expect, test } from 'vitest';
import { countMax } from './count-occurrences.ts';
import { decideTask } from './decide-task.ts';
import { afterDecision, type Decision, type ScheduleState } from './decision.ts';
import { nextRuns } from './next-runs.ts';
import { compileSchedule, type ScheduleSpec } from './schedule.ts';
import { settleTo } from './settle-to.ts';

const at = (text: string): number => Date.parse(`2026-11-${text}Z`);
const iso = (ms: number | undefined): string | undefined =>
  ms === undefined ? undefined : new Date(ms).toISOString().slice(8, 16);

// 15 and 22 November 2026 are Sundays.
function schedule(over: Partial<ScheduleSpec> = {}): ReturnType<typeof compileSchedule> {
  const usual = { task: 'orders', full: '0 2 * * 0', incremental: '0 * * * *', timezone: 'UTC' };
  return compileSchedule({ ...usual, jitterMs: 0, blackout: [], ...over });
}

function state(settled: string, over: Partial<ScheduleState> = {}): ScheduleState {
  const settledMs = { full: at(settled), incremental: at(settled) };
  return { settledMs, hasFull: true, running: false, paused: false, disabled: false, ...over };
}

/** A decision in a few words. */
function said(decision: Decision): string {
  if (decision.kind === 'idle') return `idle until ${iso(decision.wakeAtMs)}`;
  if (decision.kind === 'settle') return `settle ${iso(decision.settledMs.full)}`;
  const which = `${decision.scope} of ${iso(decision.occurrenceMs)}`;
  if (decision.kind === 'skip') return `skip ${decision.skipped}, ${which}${decision.owed ? ', owed' : ''}`;
  return `${decision.trigger}: ${which}${decision.missed > 0 ? `, missed ${decision.missed}` : ''}`;
}

test.for([
  // settled, now, more of the state, decision
  ['16T09:00', '16T09:30', {}, 'idle until 16T10:00'],
  ['16T09:00', '16T10:00', {}, 'schedule: incremental of 16T10:00'],
  ['16T09:00', '16T10:01', {}, 'schedule: incremental of 16T10:00'],
  ['16T09:00', '16T10:02', {}, 'catch-up: incremental of 16T10:00'],
  ['15T01:00', '15T02:00', {}, 'schedule: full of 15T02:00'],
  ['16T09:00', '16T13:30', {}, 'catch-up: incremental of 16T13:00, missed 3'],
  ['15T00:00', '15T04:30', {}, 'catch-up: full of 15T02:00, missed 3'],
  ['16T09:00', '16T10:00', { hasFull: false }, 'schedule: full of 16T10:00'],
  ['16T09:00', '16T10:00', { running: true }, 'skip 1, incremental of 16T10:00'],
  ['16T09:00', '16T09:59', { running: true }, 'idle until 16T10:00'],
  ['15T01:00', '15T02:00', { running: true }, 'skip 1, full of 15T02:00, owed'],
  ['16T09:00', '16T10:00', { paused: true }, 'idle until undefined'],
  ['16T09:00', '16T10:00', { disabled: true }, 'idle until undefined'],
  // An hour that the clock went back: what is settled stays settled.
  ['16T11:00', '16T10:00', {}, 'idle until 16T12:00'],
  ['17T11:00', '16T10:00', {}, 'idle until 17T12:00'],
  ['17T11:01', '16T10:00', {}, 'settle 16T10:00'],
  ['16T09:00', '16T10:00', { delayedUntilMs: at('16T12:30') }, 'idle until 16T13:00'],
  ['16T09:00', '16T13:00', { delayedUntilMs: at('16T12:30') }, 'schedule: incremental of 16T13:00'],
] as const)('settled %s, now %s, %o: %s', ([settled, now, over, wanted]) => {
  expect(said(decideTask(schedule(), state(settled, over), at(now)))).toBe(wanted);
});

test('every decision has its reason in words', () => {
  const reason = (settled: string, now: string, over: Partial<ScheduleState> = {}): string =>
    decideTask(schedule({ timezone: 'Europe/Berlin' }), state(settled, over), at(now)).reason;
  expect(reason('16T09:00', '16T10:00')).toBe('due by schedule at 2026-11-16 11:00:00 +01:00');
  expect(reason('16T09:00', '16T12:30')).toBe(
    'missed since 2026-11-16 11:00:00 +01:00, one run for 3 occurrences',
  );
  expect(reason('16T09:00', '16T10:00', { hasFull: false })).toMatch('there is no good full to continue');
  expect(reason('16T09:00', '16T10:00', { running: true })).toBe(
    'skipped the incremental of 2026-11-16 11:00:00 +01:00: a run of this task waits or runs',
  );
  expect(reason('28T09:00', '16T10:00')).toMatch('the clock had been wrong');
});

test('a task that was just declared waits for its next occurrence, and begins with a full', () => {
  const only = schedule({ full: undefined, incremental: '30 2 * * *' });
  const fresh = state('16T09:00', { hasFull: false });
  expect(said(decideTask(only, fresh, at('16T09:00')))).toBe('idle until 17T02:30');
  expect(said(decideTask(only, fresh, at('17T02:30')))).toBe('schedule: full of 17T02:30');
});

test('after a full that was skipped comes a full, as soon as the run has ended', () => {
  const skipped = decideTask(schedule(), state('15T01:00', { running: true }), at('15T02:00'));
  const ended = { ...afterDecision(state('15T01:00'), skipped), running: false };
  const next = decideTask(schedule(), ended, at('15T02:20'));
  expect(said(next)).toBe('owed: full of 15T02:00');
  expect(next.reason).toBe('the full of 2026-11-15 02:00:00 +00:00 was skipped');
  expect(afterDecision(ended, next).owed).toBeUndefined();
});

test('what is owed and what is due at the same time are one run', () => {
  const owed = { scope: 'incremental', atMs: at('15T01:30'), reason: 'the run was interrupted' } as const;
  const decision = decideTask(schedule(), state('15T01:00', { owed }), at('15T02:00'));
  expect(said(decision)).toBe('owed: full of 15T01:30, missed 1');
  const later = decideTask(
    schedule(),
    state('16T09:00', { owed: { ...owed, atMs: at('16T10:30') } }),
    at('16T10:00'),
  );
  expect(later).toMatchObject({ trigger: 'schedule', settlesOwed: true });
});

test('a delayed run starts when the delay is over; occurrences before it are dropped', () => {
  const delayedUntilMs = at('16T12:30');
  const owed = { scope: 'incremental', atMs: delayedUntilMs, reason: 'delayed' } as const;
  const delayed = state('16T09:00', { delayedUntilMs, owed });
  expect(said(decideTask(schedule(), delayed, at('16T11:00')))).toBe('idle until 16T12:30');
  const start = decideTask(schedule(), delayed, delayedUntilMs);
  expect(said(start)).toBe('owed: incremental of 16T12:30');
  expect(start).toMatchObject({ settledMs: { full: delayedUntilMs - 1, incremental: delayedUntilMs - 1 } });
  const ended = { ...afterDecision(delayed, start), running: false };
  expect(said(decideTask(schedule(), ended, at('16T12:50')))).toBe('idle until 16T13:00');
});

test('what falls due in a blackout window starts once, when the window ends', () => {
  const quiet = schedule({ blackout: [{ days: ['mon'], from: '08:00', to: '12:30' }] });
  expect(said(decideTask(quiet, state('16T07:00'), at('16T08:00')))).toBe('idle until 16T12:30');
  expect(said(decideTask(quiet, state('16T07:00'), at('16T12:30')))).toBe(
    'schedule: incremental of 16T12:00, missed 4',
  );
  const owed = { scope: 'full', atMs: at('16T08:10'), reason: 'skipped' } as const;
  expect(said(decideTask(quiet, state('16T08:00', { owed }), at('16T09:00')))).toBe('idle until 16T12:30');
});

test('jitter is the same each time, differs by task, and never reaches the next occurrence', () => {
  const jitters = ['a', 'b', 'c', 'd'].map((task) => schedule({ task, jitterMs: 600_000 }).ownJitterMs);
  expect(new Set(jitters).size).toBe(4);
  expect(Math.max(...jitters)).toBeLessThan(600_000);
  const jittered = schedule({ jitterMs: 600_000 });
  const dueMs = at('16T10:00') + jittered.ownJitterMs;
  expect(decideTask(jittered, state('16T09:00'), at('16T10:00'))).toMatchObject({
    kind: 'idle',
    wakeAtMs: dueMs,
  });
  expect(decideTask(jittered, state('16T09:00'), dueMs)).toMatchObject({ kind: 'start', dueMs });
  const wide = schedule({ task: 'c', jitterMs: 86_400_000 });
  expect(decideTask(wide, state('16T09:00'), at('16T09:30'))).toMatchObject({ wakeAtMs: at('16T11:00') - 1 });
});

test('on resume, what a pause has dropped is settled; what was settled ahead of a clock put back stays', () => {
  expect(settleTo(schedule(), state('16T09:00'), at('16T12:30'))).toEqual(state('16T12:30').settledMs);
  expect(settleTo(schedule(), state('16T13:00'), at('16T12:30'))).toEqual(state('16T13:00').settledMs);
  expect(settleTo(schedule(), state('30T13:00'), at('16T12:30'))).toEqual(state('16T12:30').settledMs);
});

test('years of missed minutes are counted up to a limit, and settled all the same', () => {
  const minutely = schedule({ full: undefined, incremental: '* * * * *' });
  const old = { ...state('16T09:00'), settledMs: { full: 0, incremental: 0 } };
  const decision = decideTask(minutely, old, at('16T10:00'));
  expect(decision).toMatchObject({ missed: countMax - 1, settledMs: { incremental: at('16T10:00') } });
});

test('the preview is what the decisions will be', () => {
  const quiet = schedule({
    incremental: '0 */6 * * *',
    blackout: [{ days: ['sun'], from: '11:00', to: '13:00' }],
  });
  const planned = nextRuns(quiet, state('14T18:00', { hasFull: false, running: true }), at('14T20:00'), 6);
  expect(
    planned.map(({ atMs, occurrenceMs, scope }) => `${iso(atMs)} ${iso(occurrenceMs)} ${scope}`),
  ).toEqual([
    '15T00:00 15T00:00 full',
    '15T02:00 15T02:00 full',
    '15T06:00 15T06:00 incremental',
    '15T13:00 15T12:00 incremental',
    '15T18:00 15T18:00 incremental',
    '16T00:00 16T00:00 incremental',
  ]);
  expect(nextRuns(quiet, state('14T18:00', { paused: true }), at('14T20:00'), 6)).toEqual([]);
});
