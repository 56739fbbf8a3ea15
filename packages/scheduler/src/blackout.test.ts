import { expect, test } from 'vitest';
import { blackoutUntil, compileSchedule } from './schedule.ts';

const at = (text: string): number => Date.parse(`2026-${text}Z`);

function until(blackout: Parameters<typeof compileSchedule>[0]['blackout'], ms: number): string | undefined {
  const spec = { task: 'orders', full: '0 2 * * *', timezone: 'Europe/Berlin', jitterMs: 0, blackout };
  const end = blackoutUntil(compileSchedule(spec), ms);
  return end === undefined ? undefined : new Date(end).toISOString().slice(5, 16);
}

test('a window lasts from its beginning until before its end, in the time zone of the task', () => {
  const day = [{ from: '08:00', to: '18:00' }];
  expect(until(day, at('11-16T06:59:59.999'))).toBeUndefined();
  expect(until(day, at('11-16T07:00'))).toBe('11-16T17:00');
  expect(until(day, at('11-16T17:00'))).toBeUndefined();
});

test('a window over midnight belongs to the day on which it begins, also over the end of the week', () => {
  const night = [{ days: ['sun'], from: '22:00', to: '06:00' }];
  expect(until(night, at('11-15T22:00'))).toBe('11-16T05:00');
  expect(until(night, at('11-16T04:00'))).toBe('11-16T05:00');
  expect(until(night, at('11-16T22:00'))).toBeUndefined();
});

test('windows that meet are one', () => {
  const both = [
    { from: '08:00', to: '12:00' },
    { from: '12:00', to: '13:00' },
    { days: ['mon'], from: '12:30', to: '14:00' },
  ];
  expect(until(both, at('11-16T07:30'))).toBe('11-16T13:00');
});

test('the wall clock decides where it is shifted', () => {
  const early = [{ from: '01:00', to: '02:30' }];
  // In spring 02:30 is left out: at 03:00 the window is over. In autumn it comes back for half an hour.
  expect(until(early, at('03-29T00:30'))).toBe('03-29T01:00');
  expect(until(early, at('10-25T00:00'))).toBe('10-25T00:30');
  expect(until(early, at('10-25T01:10'))).toBe('10-25T01:30');
});
