import { SystemClock } from '@holdfast/core';
import { expect, test } from 'vitest';
import { describeClock } from '../contracts/clock.ts';
import { FakeClock } from './fake-clock.ts';

describeClock('FakeClock', () => {
  const clock = new FakeClock();
  return { clock, pass: (ms) => clock.advance(ms) };
});

describeClock('SystemClock', () => {
  const clock = new SystemClock();
  return { clock, pass: (ms) => clock.sleep(ms, new AbortController().signal) };
});

test('a sleeper that sleeps again is woken within the same advance', async () => {
  const clock = new FakeClock();
  const { signal } = new AbortController();
  const seen: number[] = [];
  const loop = (async () => {
    for (let i = 0; i < 3; i += 1) {
      await clock.sleep(10, signal);
      seen.push(clock.elapsed());
    }
  })();
  await clock.advance(100);
  await loop;
  expect(seen).toEqual([10, 20, 30]);
  expect(clock.elapsed()).toBe(100);
});

test('a jumping clock sleeps without a test moving it, and remembers how long', async () => {
  const clock = new FakeClock({ jumps: true });
  await clock.sleep(500, new AbortController().signal);
  expect(clock.elapsed()).toBe(500);
  expect(clock.slept).toEqual([500]);
});
