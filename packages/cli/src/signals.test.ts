import type { Clock } from '@holdfast/core';
import { expect, it } from 'vitest';
import { stopSignals } from './signals.ts';

function setUp() {
  const time = { nowMs: 0 };
  const clock: Clock = { now: () => 0, elapsed: () => time.nowMs, sleep: () => Promise.resolve() };
  return { time, signals: stopSignals(clock) };
}

it('stops at the first request, and says by what', () => {
  const { signals } = setUp();
  signals.request('SIGTERM');
  expect(signals.stop.reason).toMatchObject({
    code: 'cancelled',
    reason: 'stopped by SIGTERM',
    exitCode: 130,
  });
  expect(signals.kill.aborted).toBe(false);
});

it('kills at the second, unless it is the first one delivered twice', () => {
  const { time, signals } = setUp();
  signals.request('SIGINT');
  time.nowMs = 499;
  signals.request('SIGINT');
  expect(signals.kill.aborted).toBe(false);
  time.nowMs = 500;
  signals.request('SIGINT');
  expect(signals.kill.aborted).toBe(true);
});
