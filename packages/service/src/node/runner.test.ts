import type { RunRecord } from '@holdfast/coordinator';
import { HoldfastError } from '@holdfast/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DestinationTotals } from '../metrics/destination-totals.ts';
import { type Bench, openBench, signal, Works } from './bench.fixture.ts';
import { RunLogs } from './run-log.ts';
import { Runner } from './runner.ts';

let bench: Bench;
let works: Works;
let runner: Runner;
let changes: string[];
let drain: AbortController;
let stop: AbortController;
let running: Promise<void> | undefined;

beforeEach(async () => {
  bench = await openBench();
  works = new Works();
  changes = [];
  drain = new AbortController();
  stop = new AbortController();
  running = undefined;
  const { view, ledger, clock, logger, folder } = bench;
  runner = new Runner({
    node: 'node-a',
    view,
    ledger,
    clock,
    logger,
    logs: new RunLogs({ folder: folder.join('logs'), clock }),
    execute: works.execute,
    staging: folder.join('staging'),
    totals: new DestinationTotals(),
    limits: { runsMax: 2, perSourceMax: 1 },
    held: (run) => held.get(run.task),
    onChange: ({ id, state }) => changes.push(`${id.split('-')[0]} ${state}`),
  });
  await bench.declare({ shop: {}, orders: {}, crm: { source: 'crm' }, sales: { source: 'other' } });
  for (const task of ['shop', 'orders', 'crm', 'sales']) await bench.adopt(task, 'node-a');
});

afterEach(async () => {
  held.clear();
  bench.fault.step = () => 'ok';
  drain.abort();
  stop.abort();
  await Promise.all([running, bench.pass(10_000)]);
  await bench[Symbol.asyncDispose]();
});

const held = new Map<string, string>();

function start(): void {
  running = runner.run({ drain: drain.signal, stop: stop.signal });
}

async function take(task: string): Promise<RunRecord> {
  const known = await bench.ledger.task(task, { signal });
  if (!known) throw new Error(`no task ${task}`);
  const due = { scope: 'full', trigger: 'schedule', reason: 'due', occurrenceMs: 1, dueMs: 1 } as const;
  const { run } = await bench.ledger.take(known, due, { signal });
  runner.accept(run);
  return run;
}

async function stateOf({ id }: RunRecord): Promise<string | undefined> {
  return (await bench.ledger.run(id, { signal }))?.state;
}

function waiting(): Record<string, string | undefined> {
  return Object.fromEntries(runner.active.map(({ run, waitingFor }) => [run.task, waitingFor]));
}

describe('a run', () => {
  it('is begun, carried out and ended, in its record and in its log', async () => {
    start();
    const run = await take('shop');
    await bench.pass(0);
    expect(await stateOf(run)).toBe('running');
    expect(works.last.run).toMatchObject({ from: 'sqlite:/db/shop', require: 'all' });
    works.last.o.observer({ kind: 'step', step: 'view-opened', detail: '7' });
    works.last.succeed();
    await bench.pass(0);
    expect(await stateOf(run)).toBe('succeeded');
    expect(runner.active).toEqual([]);
    expect(changes).toEqual(['shop waiting', 'shop running', 'shop running', 'shop succeeded']);
    const logs = new RunLogs({ folder: bench.folder.join('logs'), clock: bench.clock });
    expect(await logs.read(run.id)).toMatch(/the run starts.*\n.*view-opened: 7.*\n.*done: succeeded/);
  });

  it('that fails says why, in its record, its log and the log of the node, where it stands once', async () => {
    start();
    const run = await take('shop');
    await bench.pass(0);
    works.last.fail(new HoldfastError('exhausted', 'the disk is full', { hint: 'free some room' }));
    await bench.pass(0);
    const error = { code: 'exhausted', message: 'the disk is full', hint: 'free some room' };
    expect(await bench.ledger.run(run.id, { signal })).toMatchObject({ state: 'failed', error });
    expect(bench.lines.filter(({ level }) => level === 'error')).toMatchObject([
      { component: 'runner', task: 'shop', run: run.id, code: 'exhausted', hint: 'free some room' },
    ]);
  });

  it('of a task that is gone fails, and says that', async () => {
    start();
    await bench.declare({});
    const run = await take('shop');
    await bench.pass(0);
    expect(await bench.ledger.run(run.id, { signal })).toMatchObject({
      state: 'failed',
      error: { code: 'not_found' },
    });
    expect(works.begun).toEqual([]);
  });

  it('is accepted once', async () => {
    start();
    runner.accept(await take('shop'));
    await bench.pass(0);
    expect(works.begun).toHaveLength(1);
  });
});

describe('a run above a limit', () => {
  it('waits, and says for what', async () => {
    start();
    const first = await take('shop');
    await take('orders');
    await take('crm');
    await take('sales');
    await bench.pass(0);
    expect(works.begun.map(({ run }) => run.request.task)).toEqual(['shop', 'crm']);
    expect(waiting()).toEqual({
      shop: undefined,
      orders: `source shop has 1 of at most 1 runs: ${first.id}`,
      crm: undefined,
      sales: 'this node has 2 of at most 2 runs',
    });
    works.begun[0]?.succeed();
    await bench.pass(0);
    expect(works.last.run.request.task).toBe('orders');
    expect(waiting()).toMatchObject({ orders: undefined, sales: 'this node has 2 of at most 2 runs' });
  });

  it('waits while it is held, and begins soon after', async () => {
    start();
    held.set('shop', 'the task is paused');
    await take('shop');
    await bench.pass(60_000);
    expect(waiting()).toEqual({ shop: 'the task is paused' });
    held.clear();
    await bench.pass(5_000);
    expect(works.begun).toHaveLength(1);
  });

  it('waits until the node works', async () => {
    await take('shop');
    await bench.pass(60_000);
    expect(works.begun).toEqual([]);
    start();
    await bench.pass(0);
    expect(works.begun).toHaveLength(1);
  });
});

describe('a cancel', () => {
  const reason = new HoldfastError('cancelled', 'stopped on request');

  it('ends a run that waits, at once', async () => {
    start();
    await take('shop');
    const waits = await take('orders');
    await bench.pass(0);
    expect(await runner.end(waits.id, reason)).toBe(true);
    expect(await bench.ledger.run(waits.id, { signal })).toMatchObject({
      state: 'cancelled',
      error: { code: 'cancelled' },
    });
    expect((await bench.record('orders')).running).toBeUndefined();
    expect(works.begun).toHaveLength(1);
  });

  it('ends a run that works, and is told when it has ended', async () => {
    start();
    const run = await take('shop');
    await bench.pass(0);
    expect(await runner.end(run.id, reason)).toBe(true);
    expect(await stateOf(run)).toBe('cancelled');
    expect(await runner.end(run.id, reason)).toBe(false);
  });

  it('stays one while the node stops: the run does not go on', async () => {
    start();
    const run = await take('shop');
    await bench.pass(0);
    drain.abort();
    await bench.pass(0);
    await runner.end(run.id, reason);
    expect(await stateOf(run)).toBe('cancelled');
    expect((await bench.record('shop')).owed).toBeUndefined();
  });

  it('that comes too late leaves a good end as it is', async () => {
    start();
    const run = await take('shop');
    await bench.pass(0);
    works.last.succeed();
    await runner.end(run.id, reason);
    expect(await stateOf(run)).toBe('succeeded');
  });
});

describe('a node that stops', () => {
  it('interrupts what waits, and lets what works finish', async () => {
    start();
    const works1 = await take('shop');
    const waits = await take('orders');
    await bench.pass(0);
    drain.abort();
    await bench.pass(0);
    expect(await stateOf(waits)).toBe('interrupted');
    expect(await stateOf(works1)).toBe('running');
    expect((await bench.record('orders')).owed).toMatchObject({ resumes: waits.id });
    works.last.succeed();
    await running;
    expect(await stateOf(works1)).toBe('succeeded');
  });

  it('ends what takes too long, in good order: it goes on at the next start', async () => {
    start();
    const run = await take('shop');
    await bench.pass(0);
    drain.abort();
    await bench.pass(0);
    stop.abort();
    await running;
    expect(await stateOf(run)).toBe('interrupted');
    expect(works.last.o.killSignal.aborted).toBe(false);
    expect((await bench.record('shop')).owed).toMatchObject({ resumes: run.id });
  });

  it('interrupts what is taken while it stops', async () => {
    start();
    await take('shop');
    await bench.pass(0);
    drain.abort();
    await bench.pass(0);
    const late = await take('crm');
    await bench.pass(0);
    expect(await stateOf(late)).toBe('interrupted');
    works.last.succeed();
    await running;
    const later = await take('crm');
    await bench.pass(0);
    expect(await stateOf(later)).toBe('interrupted');
  });

  it('kills, and tells the store that it did', async () => {
    start();
    const run = await take('shop');
    await bench.pass(0);
    drain.abort();
    runner.kill(new HoldfastError('cancelled', 'killed'));
    await running;
    expect(works.last.o.killSignal.aborted).toBe(true);
    expect(await stateOf(run)).toBe('interrupted');
  });
});

describe('a store that does not answer', () => {
  it('is told of the end of a run until it has heard it', async () => {
    start();
    const run = await take('shop');
    await bench.pass(0);
    bench.fault.step = () => 'unavailable';
    works.last.succeed();
    await bench.pass(60_000);
    expect(runner.active).toHaveLength(1);
    bench.fault.step = () => 'ok';
    await bench.pass(2_000);
    expect(await stateOf(run)).toBe('succeeded');
    expect(runner.active).toEqual([]);
  });

  it('is not waited for by a node that ends: the next start tells it', async () => {
    start();
    const run = await take('shop');
    await bench.pass(0);
    bench.fault.step = () => 'unavailable';
    works.last.succeed();
    await bench.pass(10_000);
    drain.abort();
    stop.abort();
    await bench.pass(10_000);
    await running;
    expect(runner.active).toEqual([]);
    bench.fault.step = () => 'ok';
    expect(await stateOf(run)).toBe('running');
  });

  it('has heard it although the answer was lost', async () => {
    start();
    const run = await take('shop');
    await bench.pass(0);
    let lost = false;
    bench.fault.step = (verb) => {
      if (verb !== 'transact' || lost) return 'ok';
      lost = true;
      return 'lost';
    };
    works.last.succeed();
    await bench.pass(10_000);
    expect(await stateOf(run)).toBe('succeeded');
    expect(runner.active).toEqual([]);
    expect(changes.at(-1)).toBe('shop succeeded');
    expect(bench.lines.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('does not fail a run that begins', async () => {
    start();
    const known = await bench.ledger.task('shop', { signal });
    if (!known) throw new Error('no task');
    const due = { scope: 'full', trigger: 'schedule', reason: 'due' } as const;
    const { run } = await bench.ledger.take(known, due, { signal });
    bench.fault.step = () => 'unavailable';
    runner.accept(run);
    await bench.pass(10_000);
    expect(works.begun).toEqual([]);
    bench.fault.step = () => 'ok';
    await bench.pass(2_000);
    expect(works.begun).toHaveLength(1);
  });
});

describe('a node that may no longer act', () => {
  it('ends its runs, which are interrupted', async () => {
    start();
    const first = await take('shop');
    const second = await take('orders');
    await bench.pass(0);
    runner.endAll(new HoldfastError('lease_lost', 'the session is lost'));
    await bench.pass(0);
    expect([await stateOf(first), await stateOf(second)]).toEqual(['interrupted', 'interrupted']);
    expect(runner.active).toEqual([]);
  });

  it('leaves a run alone that another node has ended, and says so', async () => {
    start();
    const run = await take('shop');
    await bench.pass(0);
    await bench.move('shop', 'node-b');
    works.last.succeed();
    await bench.pass(0);
    expect(await stateOf(run)).toBe('interrupted');
    expect((await bench.record('shop')).lastGood).toBeUndefined();
    expect(runner.active).toEqual([]);
  });
});
