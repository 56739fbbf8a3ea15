import { plannedTablesMax, type RunEvent, type UploadEvent } from '@holdfast/core';
import { FakeClock } from '@holdfast/testing';
import { describe, expect, it } from 'vitest';
import { RunProgress } from './run-progress.ts';

class Watched {
  readonly clock = new FakeClock();
  readonly progress = new RunProgress({ clock: this.clock });

  get view(): ReturnType<RunProgress['view']> {
    return this.progress.view();
  }

  /** After so many seconds. */
  async at(seconds: number, ...events: readonly RunEvent[]): Promise<void> {
    await this.clock.advance(seconds * 1000);
    for (const event of events) this.progress.take(event);
  }

  /** Of the estimate, from now on. */
  get leftMs(): number | undefined {
    const { estimatedEndMs } = this.view;
    return estimatedEndMs === undefined ? undefined : estimatedEndMs - this.clock.now();
  }

  tables(offset = 0, limit = 100): ReturnType<RunProgress['tables']> {
    return this.progress.tables({ offset, limit });
  }
}

const created: RunEvent = { kind: 'step', step: 'run-created' };
const dumped: RunEvent = { kind: 'step', step: 'dump-finished' };

function reading(doneBytes: number, totalBytes: number, phase = 'reading'): RunEvent {
  return { kind: 'progress', phase, doneBytes, totalBytes, rows: doneBytes / 10 };
}

function planOf(...tables: readonly [table: string, chunks: number][]): RunEvent {
  return {
    kind: 'plan',
    tables: tables.map(([table, chunks]) => ({ table, chunks, estimatedBytes: 1 })),
    tablesTotal: tables.length,
    chunksTotal: tables.reduce((sum, [, chunks]) => sum + chunks, 0),
  };
}

function upload(doneBytes: number, totalBytes: number, over: Partial<UploadEvent> = {}): UploadEvent {
  return {
    kind: 'upload',
    destination: 'folder /b',
    index: 0,
    doneBytes,
    totalBytes,
    state: 'uploading',
    ...over,
  };
}

function chunks(table: string, count: number, chunksDone: number, tablesDone = 0): RunEvent {
  const done = [{ table, chunks: count, rows: 5, bytes: 50 }];
  return { kind: 'chunks', started: [], done, chunksDone, tablesDone };
}

function started(...tables: string[]): RunEvent {
  return { kind: 'chunks', started: tables, done: [], chunksDone: 0, tablesDone: 0 };
}

describe('percent', () => {
  it('is of all bytes that are to be moved: read, and sent to each destination', async () => {
    const run = new Watched();
    expect(run.view).toMatchObject({ phase: 'starting', percent: 0, destinations: [] });
    const far = { index: 1, destination: 'far' };
    await run.at(1, upload(0, 0), upload(0, 0, far), created, planOf(['/p.a', 1]), reading(0, 1000));
    await run.at(1, reading(1000, 1000), upload(0, 500), upload(0, 500, far), dumped);
    expect(run.view).toMatchObject({ phase: 'storing', percent: 50, doneBytes: 1000, totalBytes: 1000 });
    await run.at(1, upload(500, 500), upload(250, 500, far));
    expect(run.view.percent).toBe(87);
    await run.at(1, upload(500, 500, { state: 'stored' }), upload(500, 500, { ...far, state: 'stored' }));
    // The source is not told yet, and nothing is cleaned up.
    expect(run.view.percent).toBe(99);
    run.progress.complete();
    expect(run.view).toMatchObject({ percent: 100 });
    expect(run.view).not.toHaveProperty('estimatedEndMs');
  });

  it('never falls: not when more is found than was expected, nor when an attempt begins again', async () => {
    const run = new Watched();
    await run.at(0, upload(0, 0), created, planOf(['/p.a', 1]), reading(0, 100));
    const seen: number[] = [];
    const events = [
      reading(90, 100),
      reading(120, 400),
      upload(0, 200),
      upload(150, 200),
      upload(10, 200),
      reading(400, 400),
      dumped,
      upload(200, 200),
    ];
    for (const event of events) {
      await run.at(1, event);
      seen.push(run.view.percent);
    }
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    expect(seen.at(-1)).toBe(99);
  });

  it('is 0 while changes are read: nobody knows how many there are', async () => {
    const run = new Watched();
    await run.at(0, upload(0, 0), created, reading(0, 0));
    await run.at(5, reading(5000, 5000));
    expect(run.view.percent).toBe(0);
    expect(run.leftMs).toBeUndefined();
    await run.at(0, planOf(['/p.a', 1]), reading(5000, 10_000));
    expect(run.view.percent).toBe(37);
  });

  it('leaves out a destination that failed', async () => {
    const run = new Watched();
    const far = { index: 1, destination: 'far' };
    await run.at(0, upload(0, 0), upload(0, 0, far), created, planOf(), reading(0, 100));
    await run.at(1, reading(100, 100), dumped, upload(100, 100), upload(0, 100, far));
    expect(run.view.percent).toBe(66);
    const error = { code: 'unavailable', message: 'gone' } as const;
    await run.at(1, upload(0, 100, { ...far, state: 'failed', error }));
    expect(run.view.percent).toBe(99);
    expect(run.view.destinations).toMatchObject([
      { index: 0, state: 'uploading' },
      { index: 1, state: 'failed', error },
    ]);
  });

  it('begins anew where the run has finished an interrupted one first', async () => {
    const run = new Watched();
    await run.at(0, upload(0, 100), upload(60, 100));
    expect(run.view).toMatchObject({ phase: 'resuming', percent: 60 });
    await run.at(1, upload(100, 100, { state: 'stored' }));
    expect(run.view.percent).toBe(99);
    await run.at(1, upload(0, 0), created, planOf(), reading(10, 100));
    expect(run.view).toMatchObject({ phase: 'reading', percent: 7 });
  });

  it('is of the phases of a restore or a check, too', async () => {
    const run = new Watched();
    await run.at(1, reading(30, 100, 'loading'));
    expect(run.view.percent).toBe(30);
    await run.at(1, reading(100, 100, 'loading'), reading(10, 100, 'verifying'));
    expect(run.view).toMatchObject({ phase: 'verifying', doneBytes: 10 });
    expect(run.view.percent).toBeGreaterThanOrEqual(30);
    expect(run.view.percent).toBeLessThan(100);
  });
});

describe('rate and end', () => {
  it('are those of the last ten seconds', async () => {
    const run = new Watched();
    await run.at(30, created, planOf(['/p.a', 1]), reading(0, 100_000));
    expect(run.view.bytesPerSecond).toBe(0);
    expect(run.leftMs).toBeUndefined();
    for (let n = 1; n <= 20; n++) await run.at(1, reading(n * 10, 100_000));
    expect(run.view.bytesPerSecond).toBe(10);
    for (let n = 1; n <= 11; n++) await run.at(1, reading(200 + n * 1000, 100_000));
    expect(run.view.bytesPerSecond).toBe(1000);
    expect(run.leftMs).toBe(88_800);
  });

  it('fall to nothing when nothing moves', async () => {
    const run = new Watched();
    await run.at(0, created, planOf(['/p.a', 1]), reading(0, 1000));
    for (let n = 1; n <= 5; n++) await run.at(1, reading(n * 100, 1000));
    expect(run.leftMs).toBe(5000);
    await run.clock.advance(5000);
    expect(run.view.bytesPerSecond).toBe(50);
    await run.clock.advance(20_000);
    expect(run.view.bytesPerSecond).toBe(0);
    expect(run.view).not.toHaveProperty('estimatedEndMs');
    // And come back without the pause in them.
    await run.at(1, reading(600, 1000));
    await run.at(1, reading(700, 1000));
    expect(run.view.bytesPerSecond).toBe(20);
  });

  it('the slowest part decides: a destination, by what the run will come to', async () => {
    const run = new Watched();
    await run.at(0, upload(0, 0), created, planOf(['/p.a', 1]), reading(0, 10_000));
    for (let n = 1; n <= 5; n++) await run.at(1, reading(n * 1000, 10_000));
    // Of half that is read, 500 bytes came; 1000 in all then, at 10 a second.
    await run.at(0, upload(0, 500));
    for (let n = 1; n <= 5; n++) await run.at(1, reading(5000, 10_000), upload(n * 10, 500));
    expect(run.view.destinations).toMatchObject([{ bytesPerSecond: 10, doneBytes: 50, totalBytes: 500 }]);
    expect(run.leftMs).toBe(95_000);
    expect(run.view.destinations[0]?.estimatedEndMs).toBe(run.view.estimatedEndMs);
    await run.at(0, reading(10_000, 10_000), upload(50, 600), dumped);
    expect(run.leftMs).toBe(55_000);
  });
});

describe('destinations', () => {
  it('stand in the order in which they were given', async () => {
    const run = new Watched();
    await run.at(0, upload(1, 2, { index: 2 }), upload(1, 2, { index: 0 }), upload(1, 2, { index: 1 }));
    expect(run.view.destinations.map(({ index }) => index)).toEqual([0, 1, 2]);
  });

  it('to which nothing was sent are not told of a run that found nothing new', async () => {
    const run = new Watched();
    await run.at(0, upload(0, 0), created, reading(0, 0));
    expect(run.view.destinations).toHaveLength(1);
    run.progress.complete();
    expect(run.view).toMatchObject({ percent: 100, destinations: [] });
  });
});

describe('tables', () => {
  it('have a row each, in the order of the plan', async () => {
    const run = new Watched();
    const plan = planOf(['/p.b', 4], ['/p.a', 1], ['/p.c', 2]);
    await run.at(0, created, plan);
    const startMs = run.clock.now();
    await run.at(1, started('/p.b'));
    await run.at(2, chunks('/p.b', 1, 1), started('/p.a'));
    await run.at(3, chunks('/p.a', 1, 2, 1));
    expect(run.view).toMatchObject({ tablesDone: 1, tablesTotal: 3, chunksDone: 2, chunksTotal: 7 });
    expect(run.tables()).toEqual({
      total: 3,
      tables: [
        {
          table: '/p.b',
          chunksDone: 1,
          chunksTotal: 4,
          rows: 5,
          bytes: 50,
          percent: 25,
          startedAtMs: startMs + 1000,
          // 5 s for one of four.
          estimatedEndMs: startMs + 6000 + 15_000,
          completed: false,
        },
        {
          table: '/p.a',
          chunksDone: 1,
          chunksTotal: 1,
          rows: 5,
          bytes: 50,
          percent: 100,
          startedAtMs: startMs + 3000,
          endedAtMs: startMs + 6000,
          completed: true,
        },
        { table: '/p.c', chunksDone: 0, chunksTotal: 2, rows: 0, bytes: 0, percent: 0, completed: false },
      ],
    });
    expect(run.tables(1, 1).tables.map(({ table }) => table)).toEqual(['/p.a']);
    expect(run.tables(3, 1).tables).toEqual([]);
  });

  it('are never more than a plan lists', async () => {
    const run = new Watched();
    const names = Array.from({ length: plannedTablesMax }, (_, n): [string, number] => [`/p.t${n}`, 1]);
    const plan = { ...planOf(...names), tablesTotal: 12_345 } as RunEvent;
    await run.at(0, plan, chunks('/p.unlisted', 1, 1, 1));
    expect(run.tables(plannedTablesMax, 10)).toEqual({ total: 12_345, tables: [] });
    expect(run.view).toMatchObject({ tablesDone: 1, tablesTotal: 12_345 });
  });
});

describe('a run is stuck', () => {
  it('when no byte was read or sent for so long, and since the last one', async () => {
    const run = new Watched();
    await run.at(60, created, planOf(), upload(0, 0), reading(10, 100));
    const sinceMs = run.clock.now();
    // The same once more is no progress, and neither is a step or a notice.
    await run.at(30, reading(10, 100), upload(0, 0), { kind: 'notice', text: 'still trying' }, dumped);
    expect(run.progress.stuckSinceMs(60_000)).toBeUndefined();
    await run.at(30);
    expect(run.progress.stuckSinceMs(60_000)).toBe(sinceMs);
    expect(run.view.lastProgressAtMs).toBe(sinceMs);
    await run.at(1, upload(1, 100));
    expect(run.progress.stuckSinceMs(60_000)).toBeUndefined();
  });

  it('whatever the wall clock does, and never once it is completed', async () => {
    const run = new Watched();
    await run.at(1, reading(10, 100));
    run.clock.jumpWall(3_600_000);
    expect(run.progress.stuckSinceMs(60_000)).toBeUndefined();
    run.clock.jumpWall(-7_200_000);
    await run.at(60);
    expect(run.progress.stuckSinceMs(60_000)).toBe(run.clock.now() - 60_000);
    run.progress.complete();
    expect(run.progress.stuckSinceMs(60_000)).toBeUndefined();
  });
});
