import { readFileSync, writeFileSync } from 'node:fs';
import { HoldfastError } from '@holdfast/core';
import { FakeClock, type TemporaryFolder, temporaryFolder } from '@holdfast/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { errorOf, never } from '../world.fixture.ts';
import { Pool } from './pool.ts';
import type { TestInit, TestJob, TestResult } from './roles.fixture.ts';

let folder: TemporaryFolder;
let log: string;
beforeEach(async () => {
  folder = await temporaryFolder();
  log = folder.join('log');
  writeFileSync(log, '');
});
afterEach(() => folder[Symbol.asyncDispose]());

type TestPool = Pool<TestInit, TestJob, TestResult, number>;

interface Making {
  readonly signal?: AbortSignal;
  readonly open?: 'throw';
  readonly clock?: FakeClock;
  readonly progress?: (bytes: number, rows: number) => void;
}

function poolOf(workers: number, o: Making = {}): TestPool {
  return new Pool({
    clock: o.clock ?? new FakeClock(),
    role: new URL('./roles.fixture.ts', import.meta.url).href,
    init: { log, ...(o.open && { open: o.open }) },
    workers,
    progress: o.progress ?? (() => {}),
    signal: o.signal ?? never,
  });
}

const jobs = (count: number): TestJob[] =>
  Array.from({ length: count }, (_, value) => ({ kind: 'double', value }));
const lines = (word: string): number =>
  readFileSync(log, 'utf8')
    .split('\n')
    .filter((line) => line === word).length;

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

async function results(pool: TestPool, of: readonly TestJob[]): Promise<TestResult[]> {
  const found: TestResult[] = [];
  await pool.run(of, (result) => void found.push(result));
  return found;
}

describe.each([
  ['in the thread of the run', 0],
  ['in threads', 2],
])('%s', (_, workers) => {
  test('all jobs are done, and progress is told', { timeout: 60_000 }, async () => {
    let told = 0;
    await using pool = poolOf(workers, {
      progress: (bytes, rows) => {
        told += bytes * 10 + rows;
      },
    });
    const found = await results(pool, jobs(20));
    expect(found.map(({ value }) => value).sort((a, b) => a - b)).toEqual(jobs(20).map((_, n) => n * 2));
    expect(told).toBe(190 * 10 + 20);
    expect(found.every(({ thread }) => (workers === 0 ? thread === found[0]?.thread : thread > 0))).toBe(
      true,
    );
    const finals = await pool.end();
    expect(finals).toHaveLength(Math.max(1, workers));
    expect(finals.reduce((sum, count) => sum + count, 0)).toBe(20);
  });

  test('without a job nothing goes wrong', { timeout: 60_000 }, async () => {
    await using pool = poolOf(workers);
    expect(await results(pool, [])).toEqual([]);
    expect(await pool.end()).toEqual(Array(Math.max(1, workers)).fill(0));
  });

  test('the first failure ends everything, and keeps its code and hint', { timeout: 60_000 }, async () => {
    await using pool = poolOf(workers);
    const error = await errorOf(pool.run([{ kind: 'throw' }, ...jobs(50)], () => {}));
    expect(error).toMatchObject({
      code: 'source_failed',
      reason: 'as the job says',
      hint: 'ask for another job',
    });
    expect((await errorOf(pool.run(jobs(1), () => {}))).code).toBe('source_failed');
  });

  test('a role that cannot be opened fails with its reason', { timeout: 60_000 }, async () => {
    await using pool = poolOf(workers, { open: 'throw' });
    expect(await errorOf(pool.run(jobs(3), () => {}))).toMatchObject({ code: 'unauthenticated' });
  });

  test('a foreign error is ours to answer for', { timeout: 60_000 }, async () => {
    await using pool = poolOf(workers);
    expect(await errorOf(pool.run([{ kind: 'throw foreign' }], () => {}))).toMatchObject({
      code: 'internal',
      reason: 'not ours',
    });
  });

  test('a failure of whoever takes the results ends everything', { timeout: 60_000 }, async () => {
    await using pool = poolOf(workers);
    const failing = pool.run(jobs(5), () => {
      throw new HoldfastError('exhausted', 'no room for results');
    });
    expect((await errorOf(failing)).code).toBe('exhausted');
  });

  test('an abort ends what is under way, with the reason that it was given, and lets go of everything', {
    timeout: 60_000,
  }, async () => {
    const stop = new AbortController();
    {
      await using pool = poolOf(workers, { signal: stop.signal });
      const running = errorOf(pool.run([{ kind: 'until abort' }], () => {}));
      await until(() => lines('waiting') === 1);
      stop.abort(new HoldfastError('lease_lost', 'another node is responsible'));
      expect((await running).code).toBe('lease_lost');
    }
    expect(lines('disposed')).toBe(lines('opened'));
  });

  test('a signal that is aborted already starts nothing', { timeout: 60_000 }, async () => {
    await using pool = poolOf(workers, { signal: AbortSignal.abort() });
    expect((await errorOf(pool.run([{ kind: 'until abort' }], () => {}))).code).toBe('cancelled');
  });
});

describe('a worker thread', () => {
  test('that exits is a failure, not an end', { timeout: 60_000 }, async () => {
    await using pool = poolOf(2);
    const error = await errorOf(pool.run([{ kind: 'exit' }, ...jobs(3)], () => {}));
    expect(error).toMatchObject({
      code: 'internal',
      reason: expect.stringContaining('ended before its work'),
    });
  });

  test('that breaks down is a failure', { timeout: 60_000 }, async () => {
    await using pool = poolOf(1);
    const error = await errorOf(pool.run([{ kind: 'crash later' }], () => {}));
    expect(error).toMatchObject({ code: 'internal', reason: expect.stringContaining('nobody catches this') });
  });

  test('that does not let go after an abort is ended when its grace is over', {
    timeout: 60_000,
  }, async () => {
    const clock = new FakeClock();
    const stop = new AbortController();
    const pool = poolOf(1, { signal: stop.signal, clock });
    await results(pool, jobs(1));
    const running = errorOf(pool.run([{ kind: 'spin' }], () => {}));
    // A job that is not begun is never sent, and the thread would let go at once.
    await until(() => lines('spinning') === 1);
    stop.abort();
    expect((await running).code).toBe('cancelled');
    let gone = false;
    const ending = pool[Symbol.asyncDispose]().then(() => {
      gone = true;
    });
    await clock.advance(2999);
    expect(gone).toBe(false);
    await clock.advance(1);
    await ending;
  });
});
