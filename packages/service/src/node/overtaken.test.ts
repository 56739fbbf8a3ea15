import { ClusterView, type RunRecord } from '@holdfast/coordinator';
import { HoldfastError } from '@holdfast/core';
import { MemoryClusterStore } from '@holdfast/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DestinationTotals } from '../metrics/destination-totals.ts';
import { type Bench, openBench, signal, Works } from './bench.fixture.ts';
import { RunLogs } from './run-log.ts';
import { Runner } from './runner.ts';

let bench: Bench;
let works: Works;
let held: string | undefined;
let over: AbortController;
let running: Promise<void>[];

beforeEach(async () => {
  bench = await openBench();
  works = new Works();
  held = undefined;
  over = new AbortController();
  running = [];
  await bench.declare({ shop: {}, crm: { source: 'crm' } });
  for (const task of ['shop', 'crm']) await bench.adopt(task, 'node-a');
  await bench.pass(0);
});

afterEach(async () => {
  over.abort();
  await Promise.all([...running, bench.pass(10_000)]);
  await bench[Symbol.asyncDispose]();
});

function start(view: ClusterView = bench.view): Runner {
  const { ledger, clock, logger, folder } = bench;
  const runner = new Runner({
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
    held: () => held,
    onChange: () => undefined,
  });
  running.push(runner.run({ drain: over.signal, stop: over.signal }));
  return runner;
}

async function take(runner: Runner, task = 'shop'): Promise<RunRecord> {
  const known = await bench.ledger.task(task, { signal });
  if (!known) throw new Error(`no task ${task}`);
  const due = { scope: 'full', trigger: 'schedule', reason: 'due' } as const;
  const { run } = await bench.ledger.take(known, due, { signal });
  runner.accept(run);
  await bench.pass(0);
  return run;
}

async function stateOf({ id }: RunRecord): Promise<string | undefined> {
  return (await bench.ledger.run(id, { signal }))?.state;
}

describe('a run', () => {
  it('ends in good order as soon as the view shows that its task has moved, and no other does', async () => {
    const runner = start();
    const run = await take(runner);
    const other = await take(runner, 'crm');
    const [work] = works.begun;
    await bench.move('shop', 'node-b');
    await bench.pass(0);
    expect(HoldfastError.from(work?.o.signal.reason)).toMatchObject({
      code: 'lease_lost',
      reason: `run ${run.id} is not the task's any more: node node-b is responsible, generation 2`,
      hint: 'see holdfast tasks --why',
    });
    expect(work?.o.killSignal.aborted).toBe(false);
    expect(await stateOf(run)).toBe('interrupted');
    expect(await stateOf(other)).toBe('running');
    expect(runner.active).toMatchObject([{ run: { id: other.id } }]);
  });

  it('that waits for its turn does not begin when its task has moved meanwhile', async () => {
    held = 'the test holds it';
    const runner = start();
    const run = await take(runner);
    await bench.move('shop', 'node-b');
    await bench.pass(0);
    expect(runner.active).toEqual([]);
    held = undefined;
    await bench.pass(60_000);
    expect(works.begun).toEqual([]);
    expect(await stateOf(run)).toBe('interrupted');
  });

  it('ends when another has ended it in the store', async () => {
    const runner = start();
    const run = await take(runner);
    await bench.ledger.interrupt(run, 'it is the test', { signal });
    await bench.pass(0);
    expect(HoldfastError.from(works.last.o.signal.reason)).toMatchObject({ code: 'lease_lost' });
    expect(runner.active).toEqual([]);
    expect(await stateOf(run)).toBe('interrupted');
  });

  it('goes on when its task changes in any other way', async () => {
    const run = await take(start());
    await bench.ledger.pause('shop', { signal });
    await bench.ledger.delay('shop', bench.clock.now() + 60_000, () => 'full', { signal });
    await bench.pass(0);
    expect(works.last.o.signal.aborted).toBe(false);
    expect(await stateOf(run)).toBe('running');
  });

  it('goes on when the view, which is late, shows a change from before it', async () => {
    const { clock, table } = bench;
    const view = new ClusterView(new MemoryClusterStore({ clock, table }));
    const since = await view.load({ signal });
    const runner = start(view);
    await bench.ledger.pause('shop', { signal });
    const run = await take(runner);
    // It is told of the pause, and then of nothing for a while.
    const late = new AbortController();
    let told = 0;
    view.onChange(() => {
      told += 1;
      late.abort();
    });
    await view.follow(since, { signal: late.signal }).catch(() => undefined);
    await bench.pass(0);
    expect(told).toBe(1);
    expect(view.task('shop')?.value).toMatchObject({ pausedSinceMs: clock.now() });
    expect(view.task('shop')?.value.running).toBeUndefined();
    expect(works.last.o.signal.aborted).toBe(false);
    works.last.succeed();
    await bench.pass(0);
    expect(await stateOf(run)).toBe('succeeded');
  });

  it('of which the view shows that it ended, because it has, is not ended once more', async () => {
    const run = await take(start());
    works.last.succeed();
    await bench.pass(0);
    expect(await stateOf(run)).toBe('succeeded');
    expect(bench.lines.filter(({ level }) => level !== 'info')).toEqual([]);
  });
});
