import { expect, test } from 'vitest';
import { decideStarts } from './decide-starts.ts';

const limits = { runsMax: 2, perSourceMax: 1 };
const waiting = (
  run: string,
  source: string,
  dueMs: number,
): { run: string; source: string; dueMs: number } => ({
  run,
  source,
  dueMs,
});

test('the oldest starts first, up to the limit of the node', () => {
  const asked = [waiting('c', 'z', 3), waiting('a', 'x', 1), waiting('b', 'y', 2)];
  expect(decideStarts(asked, [], limits)).toEqual({
    start: ['a', 'b'],
    waiting: [{ run: 'c', reason: 'this node has 2 of at most 2 runs' }],
  });
});

test('a run that its source holds up does not hold up others', () => {
  const asked = [waiting('b', 'x', 1), waiting('c', 'y', 2)];
  expect(decideStarts(asked, [{ run: 'a', source: 'x' }], limits)).toEqual({
    start: ['c'],
    waiting: [{ run: 'b', reason: 'source x has 1 of at most 1 runs: a' }],
  });
});

test('what is held waits, and takes no place', () => {
  const asked = [{ ...waiting('a', 'x', 1), held: 'blackout until 12:00' }, waiting('b', 'x', 2)];
  expect(decideStarts(asked, [], { runsMax: 1, perSourceMax: 1 })).toEqual({
    start: ['b'],
    waiting: [{ run: 'a', reason: 'blackout until 12:00' }],
  });
});

test('runs that are due together start in the order of their names; no limit is an error', () => {
  const asked = [waiting('b', 'y', 1), waiting('a', 'x', 1)];
  expect(decideStarts(asked, [], limits).start).toEqual(['a', 'b']);
  expect(decideStarts(asked, [], { runsMax: 0, perSourceMax: 0 }).start).toEqual([]);
});
