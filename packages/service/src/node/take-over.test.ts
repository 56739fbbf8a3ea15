import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Bench, openBench, openNode, signal } from './bench.fixture.ts';
import { Supervisor } from './supervisor.ts';
import { TakeOver } from './take-over.ts';

let bench: Bench;
let own: Set<string>;
let begun: number;
let end: AbortController;
let running: Promise<void>[];

beforeEach(async () => {
  bench = await openBench();
  own = new Set();
  begun = 0;
  end = new AbortController();
  running = [];
});

afterEach(async () => {
  bench.fault.step = () => 'ok';
  end.abort();
  await Promise.all(running);
  await bench[Symbol.asyncDispose]();
});

function start(): void {
  const { clock, ledger, view, logger } = bench;
  const node = 'node-a';
  const takeOver = new TakeOver({ ledger, view, node, logger, isOwn: (run) => own.has(run) });
  const worker = {
    name: 'worker',
    run: async ({ drain }: { drain: AbortSignal }) => {
      begun++;
      await clock.sleep(3_600_000_000, drain).catch(() => undefined);
    },
  };
  const ending = { drain: end.signal, stop: end.signal };
  const workers = [takeOver.before(worker), takeOver.before({ ...worker, name: 'another' })];
  running = [new Supervisor({ clock, logger }).run(workers, ending)];
}

/** A task of a node, with a run that goes on. */
async function busy(task: string, node: string): Promise<string> {
  const { ledger } = bench;
  await bench.adopt(task, node);
  const known = await ledger.task(task, { signal });
  if (!known) throw new Error('no record');
  const { run } = await ledger.take(known, { scope: 'full', trigger: 'manual', reason: 'test' }, { signal });
  await ledger.begin(run, { signal });
  return run.id;
}

async function stateOf(run: string): Promise<string | undefined> {
  return (await bench.ledger.run(run, { signal }))?.state;
}

it('interrupts what the last life of the node left, before anything begins', async () => {
  const run = await busy('shop', 'node-a');
  bench.fault.step = (verb, what) => (verb === 'transact' && what.includes('runs/') ? 'unavailable' : 'ok');
  start();
  await bench.pass(10_000);
  expect(begun).toBe(0);
  bench.fault.step = () => 'ok';
  await bench.pass(60_000);
  expect(begun).toBe(2);
  expect(await stateOf(run)).toBe('interrupted');
  expect((await bench.record('shop')).owed).toMatchObject({ resumes: run });
});

it('leaves a run alone that this process has taken already', async () => {
  const run = await busy('shop', 'node-a');
  own.add(run);
  start();
  await bench.pass(0);
  expect(begun).toBe(2);
  expect(await stateOf(run)).toBe('running');
});

it('leaves a run that another node has ended meanwhile, with its task, and begins', async () => {
  const run = await busy('shop', 'node-a');
  const { table } = bench;
  let isMoved = false;
  bench.fault.step = (verb, what) => {
    if (verb !== 'get' || !what.startsWith('runs/') || isMoved) return 'ok';
    isMoved = true;
    const { running: _lost, ...record } = JSON.parse(table.get('tasks/shop')?.value ?? '{}');
    const moved = { ...record, node: 'node-b', generation: 2 };
    table.transact({ puts: [{ key: 'tasks/shop', value: JSON.stringify(moved) }] });
    return 'ok';
  };
  start();
  await bench.pass(0);
  expect(isMoved).toBe(true);
  expect(begun).toBe(2);
  expect(await bench.record('shop')).toMatchObject({ node: 'node-b', generation: 2 });
  expect(bench.lines.filter(({ run: of }) => of === run)).toEqual([]);
});

it('leaves what other nodes do', async () => {
  const run = await busy('shop', 'node-b');
  start();
  await bench.pass(0);
  expect(begun).toBe(2);
  expect(await stateOf(run)).toBe('running');
});

it('does it once, whatever fails later', async () => {
  start();
  await bench.pass(0);
  const run = await busy('shop', 'node-a');
  bench.fault.step = (verb) => (verb === 'list' ? 'unavailable' : 'ok');
  await bench.pass(600_000);
  expect(await stateOf(run)).toBe('running');
});

it('does not interrupt what a person asked for while the node started', async () => {
  await using node = await openNode();
  await node.bench.declare({ shop: {} });
  await node.bench.adopt('shop', 'node-a');
  void node.start();
  const view = node.core.parts.view;
  while (!view.task('shop')) await new Promise((resolve) => setImmediate(resolve));
  const { run } = await node.handlers.runTask({ task: 'shop', signal });
  await node.bench.pass(60_000);
  expect(node.works.begun).toHaveLength(1);
  node.works.last.succeed();
  await node.bench.pass(0);
  expect(await node.handlers.getRun({ run: run.id, signal })).toMatchObject({ state: 'succeeded' });
});
