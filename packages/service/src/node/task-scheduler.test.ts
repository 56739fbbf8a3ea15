import type { RunRecord } from '@holdfast/coordinator';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Bench, openBench, signal } from './bench.fixture.ts';
import { Schedules } from './schedules.ts';
import { Supervisor } from './supervisor.ts';
import { TaskScheduler } from './task-scheduler.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

const error = { code: 'cancelled', message: 'done' } as const;

let bench: Bench;
let taken: RunRecord[];
let drain: AbortController;
let running: Promise<void>;

beforeEach(async () => {
  bench = await openBench();
  taken = [];
  drain = new AbortController();
});

afterEach(async () => {
  bench.fault.step = () => 'ok';
  drain.abort();
  await running;
  await bench[Symbol.asyncDispose]();
});

async function start(
  tasks: Parameters<Bench['declare']>[0],
  o: { readonly node?: string; readonly ends?: boolean } = {},
): Promise<void> {
  await bench.declare(tasks);
  const { view, clock, logger, ledger } = bench;
  for (const task of Object.keys(tasks)) await bench.adopt(task, o.node ?? 'node-a');
  await bench.pass(0);
  const onRun = (run: RunRecord): void => {
    taken.push(run);
    // As if it were done at once.
    if (o.ends !== false) void ledger.finish(run, { state: 'cancelled', error }, () => [], { signal });
  };
  const scheduler = new TaskScheduler({
    node: 'node-a',
    view,
    ledger,
    schedules: new Schedules(),
    clock,
    logger,
    onRun,
  });
  running = new Supervisor({ clock, logger }).run([scheduler], { drain: drain.signal, stop: drain.signal });
  await bench.pass(0);
}

function times(): string[] {
  return taken.map(({ occurrenceMs }) => new Date(occurrenceMs ?? 0).toISOString().slice(11, 16));
}

it('takes what falls due at its time, each once', async () => {
  await start({ shop: { full: '0 * * * *' }, crm: { full: '*/30 * * * *' } });
  await bench.pass(2 * hourMs);
  expect(taken.map(({ task }) => task).sort()).toEqual(['crm', 'crm', 'crm', 'crm', 'shop', 'shop']);
  expect(taken.every(({ occurrenceMs, createdAtMs }) => occurrenceMs === createdAtMs)).toBe(true);
});

it('says why it takes a run, once', async () => {
  await start({ shop: {} });
  await bench.pass(hourMs);
  expect(bench.lines).toMatchObject([
    {
      level: 'info',
      component: 'scheduler',
      task: 'shop',
      msg: 'due by schedule at 2026-11-20 15:00:00 +00:00',
    },
  ]);
});

it('takes tasks of this node only', async () => {
  await start({ shop: {} }, { node: 'node-b' });
  await bench.pass(5 * hourMs);
  expect(taken).toEqual([]);
  await bench.move('shop', 'node-a');
  await bench.pass(15_000);
  expect(taken).toMatchObject([{ trigger: 'catch-up', missed: 4, generation: 2, node: 'node-a' }]);
});

it('takes a task that is declared later', async () => {
  await start({});
  await bench.pass(hourMs);
  await bench.declare({ shop: {} });
  await bench.adopt('shop', 'node-a');
  await bench.pass(hourMs);
  expect(times()).toEqual(['16:00']);
});

it('passes over occurrences of a run that goes on, and says so', async () => {
  await start({ shop: {} }, { ends: false });
  await bench.pass(3 * hourMs);
  expect(times()).toEqual(['15:00']);
  expect((await bench.runs('shop')).map(({ state }) => state)).toEqual(['skipped', 'skipped', 'waiting']);
});

it('takes nothing while a task is paused or disabled', async () => {
  await start({ shop: {}, crm: { disabled: true } });
  await bench.ledger.pause('shop', { signal });
  await bench.pass(5 * hourMs);
  expect(taken).toEqual([]);
  const resumedMs = bench.clock.now();
  await bench.ledger.resume('shop', () => ({ full: resumedMs, incremental: resumedMs }), { signal });
  await bench.pass(hourMs);
  expect(times()).toEqual(['20:00']);
});

it('makes up for occurrences that a clock put forward has passed, with one run', async () => {
  await start({ shop: {} });
  bench.clock.jumpWall(3 * hourMs);
  await bench.pass(15_000);
  expect(taken).toMatchObject([{ trigger: 'catch-up', missed: 2 }]);
  expect(times()).toEqual(['17:00']);
  expect(bench.lines).toContainEqual(expect.objectContaining({ jumpMs: 3 * hourMs, component: 'scheduler' }));
});

it('takes no occurrence twice when the clock is put back', async () => {
  await start({ shop: {} });
  await bench.pass(hourMs);
  bench.clock.jumpWall(-hourMs);
  await bench.pass(hourMs + minuteMs);
  expect(times()).toEqual(['15:00']);
  await bench.pass(hourMs);
  expect(times()).toEqual(['15:00', '16:00']);
});

it('goes on from now when the clock had been a year ahead', async () => {
  await start({ shop: {} });
  const yearMs = 365 * 24 * hourMs;
  bench.clock.jumpWall(yearMs);
  await bench.pass(15_000);
  expect(taken).toHaveLength(1);
  bench.clock.jumpWall(-yearMs);
  await bench.pass(2 * hourMs);
  expect(times().slice(1)).toEqual(['15:00', '16:00']);
  expect(bench.lines).toContainEqual(
    expect.objectContaining({ msg: expect.stringContaining('the clock had been wrong') }),
  );
});

it('looks again after another was first', async () => {
  await start({ shop: {} });
  let meddled = false;
  const { table } = bench;
  bench.fault.step = (verb, what) => {
    if (verb === 'transact' && what.includes('runs/shop') && !meddled) {
      meddled = true;
      // Between the decision and its transaction somebody writes the record.
      const entry = table.get('tasks/shop');
      table.transact({ puts: [{ key: 'tasks/shop', value: entry?.value ?? '' }] });
    }
    return 'ok';
  };
  await bench.pass(hourMs + 1000);
  expect(meddled).toBe(true);
  expect(times()).toEqual(['15:00']);
  expect(await bench.runs('shop')).toHaveLength(1);
});

it('takes the occurrence late that the store did not answer for', async () => {
  await start({ shop: {} });
  await bench.pass(hourMs - 1000);
  bench.fault.step = (verb) => (verb === 'transact' ? 'unavailable' : 'ok');
  await bench.pass(10 * minuteMs);
  expect(taken).toEqual([]);
  bench.fault.step = () => 'ok';
  await bench.pass(minuteMs);
  expect(taken).toMatchObject([{ trigger: 'catch-up' }]);
  expect(times()).toEqual(['15:00']);
});

it('goes on with other tasks while the store takes nothing of one of them', async () => {
  await start({ shop: {}, crm: {} });
  bench.fault.step = (verb, what) =>
    verb === 'transact' && what.includes('runs/shop') ? 'unavailable' : 'ok';
  await bench.pass(2 * hourMs);
  expect(taken.map(({ task }) => task)).toEqual(['crm', 'crm']);
  expect(taken.map(({ trigger }) => trigger)).toEqual(['schedule', 'schedule']);
  bench.fault.step = () => 'ok';
  await bench.pass(2_000);
  expect(taken.slice(2)).toMatchObject([{ task: 'shop', trigger: 'catch-up', missed: 1 }]);
});

it('says once that a task waits for the store, however long it does, and again the next time', async () => {
  await start({ shop: {} });
  const warned = (): number =>
    bench.lines.filter(({ msg }) => String(msg).startsWith('what is due of task shop waits for the store'))
      .length;
  for (const times of [1, 2]) {
    let tries = 0;
    bench.fault.step = (verb) => {
      if (verb !== 'transact') return 'ok';
      tries += 1;
      return 'unavailable';
    };
    await bench.pass(hourMs + minuteMs);
    expect(tries).toBeGreaterThan(10);
    expect(warned()).toBe(times);
    bench.fault.step = () => 'ok';
    await bench.pass(minuteMs);
    expect(taken).toHaveLength(times);
  }
});
