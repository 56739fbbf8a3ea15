import type { ChunksEvent, Clock, RunEvent, UploadEvent } from '@holdfast/core';
import { expect, it } from 'vitest';
import { throttleProgress } from './throttle-progress.ts';

function progress(doneBytes: number, phase = 'reading'): RunEvent {
  return { kind: 'progress', phase, doneBytes, totalBytes: 100, rows: 0 };
}

function chunk(table: string, chunksDone: number): ChunksEvent {
  const done = [{ table, chunks: 1, rows: 2, bytes: 3 }];
  return { kind: 'chunks', started: [], done, tablesDone: 0, chunksDone };
}

function upload(index: number, doneBytes: number, state: UploadEvent['state'] = 'uploading'): UploadEvent {
  return { kind: 'upload', destination: `place ${index}`, index, doneBytes, totalBytes: 9, state };
}

const written: RunEvent = { kind: 'step', step: 'chunk-written', detail: '/p.a' };

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

it('adds up what was read, ten times a second at most, however small the tables are', () => {
  const { events, at, flush } = setUp();
  const tables = 10_000;
  for (let n = 0; n < tables; n += 1) {
    at(n / 10, { ...chunk(`/p.t${n}`, n), started: [`/p.t${n}`], done: [] });
    at(n / 10, chunk(`/p.t${n}`, n + 1));
    at(n / 10, written);
    at(n / 10, progress(n));
  }
  flush();
  const told = events.filter((event) => event.kind === 'chunks');
  expect(told.length).toBeLessThan(15);
  expect(told.flatMap(({ started }) => started)).toHaveLength(tables);
  expect(told.flatMap(({ done }) => done)).toHaveLength(tables);
  expect(told.at(-1)?.chunksDone).toBe(tables);
});

it('adds up the chunks of one table', () => {
  const { events, at, flush } = setUp();
  at(0, progress(1));
  at(1, chunk('/p.a', 1));
  at(2, chunk('/p.b', 2));
  at(3, chunk('/p.a', 3));
  flush();
  expect(events.at(-1)).toEqual({
    kind: 'chunks',
    started: [],
    done: [
      { table: '/p.a', chunks: 2, rows: 4, bytes: 6 },
      { table: '/p.b', chunks: 1, rows: 2, bytes: 3 },
    ],
    tablesDone: 0,
    chunksDone: 3,
  });
});

it('keeps the newest of each destination, and passes its last word at once', () => {
  const { events, at } = setUp();
  at(0, upload(0, 1));
  at(1, upload(0, 2));
  at(2, upload(1, 1));
  at(3, upload(0, 3));
  at(4, upload(1, 9, 'stored'));
  expect(events).toEqual([upload(0, 1), upload(0, 3), upload(1, 9, 'stored')]);
});

it('tells what it held back before a step, a notice or a plan', () => {
  const { events, at } = setUp();
  const plan: RunEvent = { kind: 'plan', tables: [], tablesTotal: 0, chunksTotal: 0 };
  const others: RunEvent[] = [{ kind: 'step', step: 'dump-finished' }, { kind: 'notice', text: 'n' }, plan];
  at(0, progress(0));
  for (const [n, other] of others.entries()) {
    at(1, progress(n + 1));
    at(1, other);
  }
  expect(events.slice(1)).toEqual(others.flatMap((other, n) => [progress(n + 1), other]));
});
