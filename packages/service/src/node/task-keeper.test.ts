import { Ledger, type Message, type RunRecord, type RunResult } from '@holdfast/coordinator';
import { MemoryClusterStore } from '@holdfast/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Bench, openBench, signal } from './bench.fixture.ts';
import { RunLogs } from './run-log.ts';
import { adopted, Schedules } from './schedules.ts';
import { Supervisor } from './supervisor.ts';
import { TaskKeeper } from './task-keeper.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;
const failed = { code: 'source_failed', message: 'no' } as const;
const hook = { type: 'webhook', url: 'https://example.com/' } as const;

let bench: Bench;
let logs: RunLogs;
let own: Set<string>;
let takenUp: RunRecord[];
let pokes: number;
let drain: AbortController;
let running: Promise<void>;

beforeEach(async () => {
  bench = await openBench();
  logs = new RunLogs({ folder: bench.folder.join('logs'), clock: bench.clock });
  own = new Set();
  takenUp = [];
  pokes = 0;
  drain = new AbortController();
  const { view, ledger, clock, logger } = bench;
  const keeper = new TaskKeeper({
    node: 'node-a',
    view,
    ledger,
    schedules: new Schedules(),
    logs,
    clock,
    logger,
    historyMax: 10,
    isOwn: (run) => own.has(run),
    onRun: (run) => takenUp.push(run),
    onMessages: () => pokes++,
  });
  running = new Supervisor({ clock, logger }).run([keeper], { drain: drain.signal, stop: drain.signal });
});

afterEach(async () => {
  bench.fault.step = () => 'ok';
  drain.abort();
  await running;
  await bench[Symbol.asyncDispose]();
});

/** Declares tasks, and the assigner does its part. */
async function declare(...declared: Parameters<Bench['declare']>): Promise<void> {
  await bench.declare(...declared);
  for (const [task, spec] of Object.entries(bench.view.objects.value.tasks))
    if (!bench.view.task(task)) await bench.adopt(task, 'node-a', adopted(spec));
  await bench.pass(0);
}

async function take(task = 'shop', log = false): Promise<RunRecord> {
  const known = await bench.ledger.task(task, { signal });
  if (!known) throw new Error('no record');
  const { run } = await bench.ledger.take(
    known,
    { scope: 'full', trigger: 'manual', reason: 'test' },
    { signal },
  );
  own.add(run.id);
  if (!log) return run;
  await using file = logs.open(run.id);
  file.write('info', 'something');
  return run;
}

async function succeed(run: RunRecord, scope: 'full' | 'incremental' = 'full'): Promise<void> {
  const begun = await bench.ledger.begin(run, { signal });
  const made: RunResult = {
    outcome: 'stored',
    scope,
    backup: 'chain/0000',
    reason: '',
    rows: 0,
    changes: 0,
    rawBytes: 0,
    storedBytes: 0,
    segments: 0,
    notices: [],
    destinations: [{ name: 'near', stored: true }],
  };
  await bench.ledger.finish(begun, { state: 'succeeded', made }, () => [], { signal });
}

async function fail(run: RunRecord): Promise<void> {
  await bench.ledger.finish(run, { state: 'failed', error: failed }, () => [], { signal });
}

async function messages(): Promise<readonly Message['event'][]> {
  return (await bench.ledger.messages({ signal })).map(({ value }) => value.event);
}

describe('a task that is declared', () => {
  it('has a record, whose schedule counts from then', async () => {
    await declare({ shop: {} });
    const nowMs = bench.clock.now();
    expect(await bench.record('shop')).toMatchObject({
      node: 'node-a',
      generation: 1,
      sinceMs: nowMs,
      settledMs: { full: nowMs, incremental: nowMs },
    });
  });

  it('and no longer is, stays in the records without anything owed, and goes on when it is declared again', async () => {
    await declare({ shop: {} });
    await bench.ledger.delay('shop', bench.clock.now() + dayMs, () => 'full', { signal });
    await declare({});
    const gone = await bench.record('shop');
    expect(gone).toMatchObject({ removedAtMs: bench.clock.now(), generation: 1 });
    expect(gone.owed).toBeUndefined();
    await bench.pass(dayMs);
    await declare({ shop: {} });
    const back = await bench.record('shop');
    expect(back.removedAtMs).toBeUndefined();
    expect(back.settledMs.full).toBe(bench.clock.now());
  });

  it('is forgotten with its history and its logs thirty days after it was removed', async () => {
    await declare({ shop: {} });
    await succeed(await take('shop', true));
    await declare({});
    await bench.pass(29 * dayMs);
    expect(await logs.list('shop')).toHaveLength(1);
    await bench.pass(dayMs + 2 * minuteMs);
    expect(bench.table.list('', {}).map(({ key }) => key)).toEqual(['objects']);
    expect(await logs.list('shop')).toEqual([]);
  });

  it('counts its schedule from a change of it: nothing that it asks for before is missed', async () => {
    await declare({ shop: { full: '0 0 1 1 *' } });
    await bench.pass(2 * minuteMs);
    const { sinceMs } = await bench.record('shop');
    await bench.pass(10 * hourMs);
    await declare({ shop: { full: '0 * * * *' } });
    const nowMs = bench.clock.now();
    expect(sinceMs).toBeLessThan(nowMs);
    expect(await bench.record('shop')).toMatchObject({
      sinceMs: nowMs,
      settledMs: { full: nowMs, incremental: nowMs },
    });
  });

  it('counts from the end of being disabled', async () => {
    await declare({ shop: { disabled: true } });
    await bench.pass(10 * hourMs);
    expect(await messages()).toEqual([]);
    await declare({ shop: {} });
    expect(await bench.record('shop')).toMatchObject({ disabled: false, sinceMs: bench.clock.now() });
  });

  it('keeps its place in the schedule when anything else of it changes', async () => {
    await declare({ shop: {} });
    await bench.pass(2 * minuteMs);
    const before = await bench.record('shop');
    await bench.pass(hourMs);
    await declare({ shop: { destinations: ['near'], overdueAfter: '2h', require: 1 } });
    const { sinceMs, settledMs } = await bench.record('shop');
    expect({ sinceMs, settledMs }).toEqual({ sinceMs: before.sinceMs, settledMs: before.settledMs });
  });
});

describe('a task that is overdue', () => {
  it('is told once, with its message in the same transaction', async () => {
    await declare({ shop: {} }, { hook });
    await bench.pass(5 * hourMs);
    expect(await messages()).toEqual(['overdue']);
    expect(pokes).toBe(1);
    expect((await bench.record('shop')).overdueSinceMs).toBeDefined();
    expect(bench.lines.filter(({ msg }) => String(msg).startsWith('overdue'))).toHaveLength(1);
  });

  it('is told to be well again once, after a backup', async () => {
    await declare({ shop: {} }, { hook });
    await bench.pass(2 * hourMs);
    await succeed(await take());
    await bench.pass(10 * minuteMs);
    expect(await messages()).toEqual(['overdue', 'recovery']);
    expect((await bench.record('shop')).overdueSinceMs).toBeUndefined();
  });

  it('for its full is not told again after each of its incrementals', async () => {
    await declare({ shop: { full: '0 15 * * *', incremental: '0 * * * *' } }, { hook });
    for (let hour = 0; hour < 24; hour++) {
      await bench.pass(hourMs);
      await succeed(await take(), 'incremental');
    }
    expect(await messages()).toEqual(['overdue']);
    await succeed(await take());
    await bench.pass(2 * minuteMs);
    expect(await messages()).toEqual(['overdue', 'recovery']);
  });

  it('is not told of while it is paused', async () => {
    await declare({ shop: {} }, { hook });
    await bench.pass(1000);
    await bench.ledger.pause('shop', { signal });
    await bench.pass(5 * hourMs);
    expect(await messages()).toEqual([]);
  });
});

describe('history', () => {
  it('is cut to its length with the logs of what goes', async () => {
    await declare({ shop: {} });
    await bench.pass(minuteMs);
    for (let at = 0; at < 60; at++) await fail(await take('shop', true));
    await bench.pass(minuteMs);
    expect(await bench.runs('shop')).toHaveLength(10);
    expect(await logs.list('shop')).toHaveLength(10);
  });

  it('keeps a run that goes on, however many were skipped meanwhile', async () => {
    await declare({ shop: {} });
    await bench.pass(minuteMs);
    const run = await take('shop', true);
    for (let at = 0; at < 60; at++) {
      const known = await bench.ledger.task('shop', { signal });
      if (!known) throw new Error('no record');
      const { settledMs } = known.value;
      const skip = { scope: 'full', reason: 'runs', settledMs, occurrenceMs: at } as const;
      await bench.ledger.skipOccurrence(known, skip, { signal });
    }
    await bench.pass(minuteMs);
    const kept = await bench.runs('shop');
    expect(kept).toHaveLength(11);
    expect(kept.at(-1)?.id).toBe(run.id);
    expect(await logs.list('shop')).toEqual([run.id]);
  });

  it('of a task that was forgotten is cut again when it is declared anew', async () => {
    await declare({ shop: {} });
    await bench.pass(minuteMs);
    for (let at = 0; at < 200; at++) await fail(await take());
    await bench.pass(minuteMs);
    await declare({});
    await bench.pass(31 * dayMs);
    await declare({ shop: {} });
    await bench.pass(minuteMs);
    for (let at = 0; at < 60; at++) await fail(await take());
    await bench.pass(minuteMs);
    expect(await bench.runs('shop')).toHaveLength(10);
  });
});

describe('a run that nobody carries out', () => {
  it('is taken up when it was taken and not yet begun', async () => {
    await declare({ shop: {} });
    const run = await take();
    await bench.pass(5 * minuteMs);
    expect(takenUp).toEqual([]);
    own.clear();
    await bench.pass(minuteMs);
    expect(takenUp.map(({ id }) => id)).toContain(run.id);
  });

  it('is interrupted when it had begun', async () => {
    await declare({ shop: {} });
    const run = await take();
    await bench.ledger.begin(run, { signal });
    own.clear();
    await bench.pass(minuteMs);
    expect(await bench.ledger.run(run.id, { signal })).toMatchObject({ state: 'interrupted' });
    expect((await bench.record('shop')).owed).toMatchObject({ resumes: run.id });
    expect(takenUp).toEqual([]);
  });

  it('of a task that this node is responsible for, created for another node, is left alone', async () => {
    await declare({ shop: {} });
    await startAt('node-b');
    await bench.pass(5 * minuteMs);
    expect(takenUp).toEqual([]);
  });

  it('of another node is left alone', async () => {
    await declare({ shop: {} });
    await bench.move('shop', 'node-b');
    await take();
    own.clear();
    await bench.pass(5 * minuteMs);
    expect(takenUp).toEqual([]);
  });
});

describe('a run that was created for this node elsewhere', () => {
  it('is taken up as soon as the view shows it, whoever is responsible', async () => {
    await declare({ shop: {} });
    await bench.move('shop', 'node-b');
    await bench.pass(0);
    const run = await startAt('node-a');
    await bench.pass(0);
    expect(takenUp.map(({ id }) => id)).toEqual([run.id]);
    expect(takenUp).toMatchObject([{ node: 'node-a', state: 'waiting' }]);
  });

  it('is taken up once, although its record changes while it waits', async () => {
    await declare({ shop: {} });
    const run = await startAt('node-a');
    await bench.pass(0);
    own.add(run.id);
    await bench.ledger.pause('shop', { signal });
    await bench.pass(5 * minuteMs);
    expect(takenUp).toHaveLength(1);
  });

  it('is taken up before the node has looked around for the first time, and when that fails', async () => {
    await declare({ shop: {} });
    await bench.pass(1000);
    bench.fault.step = (verb) => (verb === 'get' ? 'unavailable' : 'ok');
    const run = await startAt('node-a');
    await bench.pass(10_000);
    expect(takenUp).toEqual([]);
    bench.fault.step = () => 'ok';
    await bench.pass(2 * minuteMs);
    expect(takenUp.map(({ id }) => id)).toContain(run.id);
  });

  it('and was ended meanwhile, is not', async () => {
    await declare({ shop: {} });
    await bench.pass(1000);
    const { table } = bench;
    const known = await bench.ledger.task('shop', { signal });
    if (!known) throw new Error('no record');
    // The view shows it late: what is read by then has no such run any more.
    let late = false;
    bench.fault.step = (verb, what) => {
      if (verb !== 'get' || !what.startsWith('tasks/') || late) return 'ok';
      late = true;
      const { running: _ended, ...record } = JSON.parse(table.get('tasks/shop')?.value ?? '{}');
      table.transact({ puts: [{ key: 'tasks/shop', value: JSON.stringify(record) }] });
      return 'ok';
    };
    await startAt('node-a');
    await bench.pass(0);
    expect(late).toBe(true);
    expect(takenUp).toEqual([]);
  });
});

describe('the records of other nodes', () => {
  it("are theirs to keep while they live, and anybody's when they do not", async () => {
    await declare({ shop: { full: '0 0 1 1 *' } });
    await bench.move('shop', 'node-b');
    const entry = JSON.stringify({ node: 'node-b' });
    bench.table.transact({ puts: [{ key: 'nodes/node-b', value: entry }] });
    await bench.pass(0);
    await bench.declare({ shop: { full: '0 * * * *' } });
    await bench.pass(5 * minuteMs);
    const before = await bench.record('shop');
    expect(before.schedule).toContain('0 0 1 1 *');
    bench.table.transact({ deletes: ['nodes/node-b'] });
    await bench.pass(minuteMs);
    expect((await bench.record('shop')).schedule).not.toBe(before.schedule);
  });

  it('of tasks that nobody has are kept, too', async () => {
    await declare({ shop: {} });
    await bench.move('shop', '');
    await bench.declare({});
    await bench.pass(minuteMs);
    expect((await bench.record('shop')).removedAtMs).toBeDefined();
  });
});

/** As another node creates it: this one only sees that it is there. */
async function startAt(node: string): Promise<RunRecord> {
  const rival = new Ledger({
    store: new MemoryClusterStore({ clock: bench.clock, table: bench.table }),
    clock: bench.clock,
  });
  const start = { scope: 'full', node, trigger: 'manual', reason: 'asked for' } as const;
  return (await rival.startByHand('shop', () => start, { signal })).run;
}
