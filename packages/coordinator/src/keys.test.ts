import { expect, it } from 'vitest';
import { keys, nextRunId, runId, taskOfRun, timeOfRun } from './keys.ts';

const atMs = Date.UTC(2026, 10, 21, 6, 30, 0, 123);

it('a run is named by its task and the moment it was created at, and tells both', () => {
  const id = runId('shop-2', atMs);
  expect(id).toBe('shop-2-20261121T063000123Z');
  expect(taskOfRun(id)).toBe('shop-2');
  expect(timeOfRun(id)).toBe(atMs);
  expect(keys.run(id)).toBe('runs/shop-2/20261121T063000123Z');
});

it('ids of a task grow, also in one millisecond and when the clock goes back', () => {
  const first = nextRunId('shop', atMs, undefined);
  const second = nextRunId('shop', atMs, first);
  const third = nextRunId('shop', atMs - 3_600_000, second);
  expect([second, third].map(timeOfRun)).toEqual([atMs + 1, atMs + 2]);
  expect([third, second, first].sort()).toEqual([first, second, third]);
});
