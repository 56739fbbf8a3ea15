import type { Clock, RunEvent } from '@holdfast/core';
import { expect, it } from 'vitest';
import { throttleProgress } from './throttle-progress.ts';

function progress(doneBytes: number, phase = 'reading'): RunEvent {
  return { kind: 'progress', phase, doneBytes, totalBytes: 100, rows: 0 };
}

function setUp(): { events: RunEvent[]; at: (ms: number, event: RunEvent) => void; flush: () => void } {
  let nowMs = 0;
  const clock: Clock = { now: () => 0, elapsed: () => nowMs, sleep: () => Promise.resolve() };
  const events: RunEvent[] = [];
  const { observe, flush } = throttleProgress((event) => events.push(event), clock);
  const at = (ms: number, event: RunEvent): void => {
    nowMs = ms;
    observe(event);
  };
  return { events, at, flush };
}

it('passes on progress ten times a second at most', () => {
  const { events, at } = setUp();
  for (let ms = 0; ms < 1000; ms += 1) at(ms, progress(ms / 10));
  expect(events).toHaveLength(10);
});

it('loses neither the last progress of a phase nor that of the run', () => {
  const { events, at, flush } = setUp();
  at(0, progress(1));
  at(1, progress(99));
  at(2, progress(1, 'storing'));
  at(3, progress(100, 'storing'));
  flush();
  flush();
  expect(events).toEqual([progress(1), progress(99), progress(1, 'storing'), progress(100, 'storing')]);
});

it('holds back neither steps nor notices', () => {
  const { events, at } = setUp();
  for (let ms = 0; ms < 5; ms += 1) at(ms, { kind: 'notice', text: String(ms) });
  expect(events).toHaveLength(5);
});
