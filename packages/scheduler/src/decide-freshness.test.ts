import { expect, test } from 'vitest';
import { decideFreshness, type FreshnessQuestion } from './decide-freshness.ts';
import { compileSchedule } from './schedule.ts';

const at = (text: string): number => Date.parse(`2026-11-${text}Z`);

// Full on Sundays (15, 22 November) at 02:00: grace 6 h. Incremental each hour: grace 30 min.
const usual = { task: 'orders', full: '0 2 * * 0', incremental: '0 * * * *', timezone: 'UTC', jitterMs: 0 };
const schedule = compileSchedule({ ...usual, blackout: [] });
const base = { sinceMs: at('10T00:00'), paused: false, disabled: false, hasEverRun: true };

function ask(now: string, over: Partial<FreshnessQuestion>): string {
  const answer = decideFreshness(schedule, { ...base, ...over }, at(now));
  const since = answer.overdueSinceMs;
  return since === undefined
    ? answer.state
    : `${answer.state} since ${new Date(since).toISOString().slice(8, 16)}`;
}

const good = (any: string, full: string): Partial<FreshnessQuestion> => ({
  lastGoodMs: at(any),
  lastGoodFullMs: at(full),
});
const never = { hasEverRun: false };

test.for([
  ['16T10:29', good('16T09:00', '15T02:00'), 'fresh'],
  ['16T10:30', good('16T09:00', '15T02:00'), 'overdue since 16T10:30'],
  ['16T20:00', good('16T09:00', '15T02:00'), 'overdue since 16T10:30'],
  // An incremental does not answer for a full, a full does for incrementals.
  ['15T08:30', good('15T08:00', '08T02:00'), 'overdue since 15T08:00'],
  ['15T07:30', good('15T07:00', '08T02:00'), 'fresh'],
  ['15T02:40', good('15T02:00', '15T02:00'), 'fresh'],
  // Late by itself is answered: begun after the occurrence.
  ['16T10:45', good('16T10:20', '15T02:00'), 'fresh'],
  ['16T20:00', { ...good('16T09:00', '15T02:00'), sinceMs: at('16T19:40') }, 'fresh'],
  ['16T20:00', { ...good('16T09:00', '15T02:00'), paused: true }, 'paused'],
  ['16T20:00', { ...good('16T09:00', '15T02:00'), disabled: true }, 'disabled'],
  ['10T01:29', never, 'waiting-first'],
  ['10T01:30', never, 'never-ran since 10T01:30'],
] as const)('at %s, %o: %s', ([now, over, wanted]) => {
  expect(ask(now, over)).toBe(wanted);
});

test('the grace can be said; a blackout window and jitter do not make a task overdue', () => {
  const question = { ...base, ...good('16T09:00', '15T02:00') };
  expect(decideFreshness(schedule, question, at('16T11:59'), 2 * 3_600_000).state).toBe('fresh');
  expect(decideFreshness(schedule, question, at('16T12:00'), 2 * 3_600_000).state).toBe('overdue');
  const blackout = [{ from: '09:30', to: '15:00' }];
  const quiet = compileSchedule({ ...usual, blackout });
  expect(decideFreshness(quiet, question, at('16T15:29'))).toMatchObject({
    state: 'fresh',
    expectedMs: at('16T15:00'),
  });
  expect(decideFreshness(quiet, question, at('16T15:30'))).toMatchObject({ state: 'overdue' });
});

test('the reason names what is missing and what was tried', () => {
  const question = { ...base, ...good('16T09:00', '15T02:00'), lastAttemptMs: at('16T10:00') };
  expect(decideFreshness(schedule, question, at('16T10:30')).reason).toBe(
    'the incremental of 2026-11-16 10:00:00 +00:00 is missing; the last good backup is of ' +
      '2026-11-16 09:00:00 +00:00; the last try was at 2026-11-16 10:00:00 +00:00',
  );
  expect(decideFreshness(schedule, { ...base, ...never }, at('10T02:00')).reason).toMatch('none was tried');
});

test('a run that goes on past the occurrence after its own runs too long', () => {
  const long = (now: string, runningScope?: 'full' | 'incremental'): boolean =>
    decideFreshness(schedule, { ...base, runningSinceMs: at('16T09:00') + 500, runningScope }, at(now))
      .runningTooLong;
  expect(long('16T10:59', 'incremental')).toBe(false);
  expect(long('16T11:00', 'incremental')).toBe(true);
  expect([long('16T11:00', 'full'), long('16T11:00'), long('28T00:00')]).toEqual([false, false, false]);
  expect(long('30T00:00', 'full')).toBe(true);
});
