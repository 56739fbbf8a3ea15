import type { RunResult } from '@holdfast/coordinator';
import { HoldfastError } from '@holdfast/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DestinationTotals } from '../metrics/destination-totals.ts';
import { type Bench, CopyWorks, openBench, signal, taskOf } from './bench.fixture.ts';
import { CatchUp } from './catch-up.ts';

const minuteMs = 60_000;
const away = new HoldfastError('unavailable', 'far is away');

let bench: Bench;
let works: CopyWorks;
let catchUp: CatchUp;
let drain: AbortController;
let running: Promise<void>;
let told: number;

function open(): void {
  works = new CopyWorks();
  drain = new AbortController();
  const { view, ledger, clock, logger } = bench;
  catchUp = new CatchUp({
    node: 'node-a',
    view,
    ledger,
    clock,
    logger,
    executeCopy: works.execute,
    staging: '/staging',
    totals: new DestinationTotals(),
    onMessages: () => told++,
  });
}

async function start(): Promise<void> {
  running = catchUp.run({ drain: drain.signal, stop: drain.signal });
  await bench.pass(0);
}

async function stop(): Promise<void> {
  drain.abort(new HoldfastError('cancelled', 'the node stops'));
  await bench.pass(0);
  await running;
}

beforeEach(async () => {
  bench = await openBench();
  told = 0;
  running = Promise.resolve();
  const two = { destinations: ['near', 'far'], require: 1 } as const;
  await bench.declare(
    { shop: two, crm: two, sales: two, off: { destinations: ['near', 'off'], require: 1 } },
    { chat: { type: 'webhook', url: 'https://chat.example' } },
  );
  for (const task of ['shop', 'crm', 'sales', 'off']) await bench.adopt(task, 'node-a');
  open();
});

afterEach(async () => {
  bench.fault.step = () => 'ok';
  await stop();
  await bench[Symbol.asyncDispose]();
});

/** A run of the task makes a backup that these destinations hold, and the others lack. */
async function run(task: string, stored: readonly string[], all = ['near', 'far']): Promise<void> {
  const { ledger } = bench;
  const known = await ledger.task(task, { signal });
  if (!known) throw new Error(`no task ${task}`);
  const taken = await ledger.take(known, { scope: 'full', trigger: 'schedule', reason: 'due' }, { signal });
  const begun = await ledger.begin(taken.run, { signal });
  const made: RunResult = {
    outcome: 'stored',
    scope: 'full',
    backup: `${begun.id}/0000`,
    reason: 'asked for',
    rows: 1,
    changes: 0,
    rawBytes: 10,
    storedBytes: 5,
    segments: 1,
    notices: [],
    destinations: all.map((name) =>
      stored.includes(name) ? { name, stored: true } : { name, stored: false, behind: true },
    ),
  };
  await ledger.finish(begun, { state: 'succeeded', made }, () => [], { signal });
  await bench.pass(0);
}

async function failLast(): Promise<void> {
  works.last.fail(away);
  await bench.pass(0);
}

const warnings = (): unknown[] => bench.lines.filter(({ level }) => level === 'warn').map(({ msg }) => msg);

describe('a destination that is behind', () => {
  it('is copied to at once, from the others, and then lacks nothing', async () => {
    await start();
    expect(works.begun).toHaveLength(0);
    await run('shop', ['near']);
    expect(works.last.run).toEqual({
      kind: 'copy',
      from: ['file:/backups'],
      to: 'file:/mnt/far',
      staging: '/staging',
      request: { task: 'shop', chains: 'lacking' },
    });
    works.last.succeed();
    await bench.pass(0);
    const record = await bench.record('shop');
    expect(record).not.toHaveProperty('behind');
    expect(record.lastGoodAt.far).toEqual(record.lastGood);
    await bench.pass(60 * minuteMs);
    expect(works.begun).toHaveLength(1);
  });

  it('is tried again after 1, 2, 4, 8 and then every 15 minutes, and said to be so once', async () => {
    await start();
    await run('shop', ['near']);
    await failLast();
    for (const [at, minutes] of [1, 2, 4, 8, 15, 15].entries()) {
      await bench.pass(minutes * minuteMs - 1);
      expect(works.begun).toHaveLength(at + 1);
      await bench.pass(1);
      expect(works.begun).toHaveLength(at + 2);
      await failLast();
    }
    const { behind } = await bench.record('shop');
    expect(behind?.far).toMatchObject({
      tries: 7,
      lastTriedAtMs: bench.clock.now(),
      error: { code: 'unavailable', message: 'far is away' },
    });
    expect(warnings()).toEqual(['far could not be brought up to date: far is away; it is tried again']);
  });

  it('is tried at once when a run reaches it, and not when another one leaves it behind', async () => {
    await start();
    await run('shop', ['near']);
    await failLast();
    await run('shop', ['near']);
    expect(works.begun).toHaveLength(1);
    await run('shop', ['near', 'far']);
    expect(works.begun).toHaveLength(2);
    works.last.succeed();
    await bench.pass(0);
    expect(await bench.record('shop')).not.toHaveProperty('behind');
  });

  it('stays behind where a chain could not be brought', async () => {
    await start();
    await run('shop', ['near']);
    works.last.succeed({ problems: ['far has a damaged copy of chain c'] });
    await bench.pass(0);
    const { behind } = await bench.record('shop');
    expect(behind?.far?.error).toMatchObject({ message: 'far has a damaged copy of chain c' });
    await bench.pass(minuteMs);
    expect(works.begun).toHaveLength(2);
  });

  it('gets what a run left behind during the copy by another one', async () => {
    await start();
    await run('shop', ['near']);
    await bench.pass(1000);
    await run('shop', ['near']);
    await bench.pass(1000);
    works.last.succeed();
    await bench.pass(0);
    expect((await bench.record('shop')).behind?.far).toMatchObject({ backups: 1, tries: 0 });
    expect(works.begun).toHaveLength(2);
    works.last.succeed();
    await bench.pass(0);
    expect(await bench.record('shop')).not.toHaveProperty('behind');
  });

  it('gets one copy at a time, whatever task it is of; others of it wait', async () => {
    await start();
    await run('shop', ['near']);
    await run('crm', ['near']);
    expect(catchUp.copies.map(({ wish, state }) => `${wish.task} ${state}`)).toEqual([
      'shop running',
      'crm waiting',
    ]);
    works.last.succeed();
    await bench.pass(0);
    expect(works.begun.map(({ run: { request } }) => request.task)).toEqual(['shop', 'crm']);
  });

  it('does not wait for a copy that another node has taken over in the meantime', async () => {
    await start();
    for (const task of ['shop', 'crm', 'sales']) await run(task, ['near']);
    await bench.move('crm', 'node-b');
    works.last.succeed();
    await bench.pass(0);
    expect(works.begun.map(({ run: { request } }) => request.task)).toEqual(['shop', 'sales']);
  });

  it('is left alone while it is disabled', async () => {
    await start();
    await run('off', ['near'], ['near', 'off']);
    await bench.pass(60 * minuteMs);
    expect(works.begun).toHaveLength(0);
    expect((await bench.record('off')).behind?.off?.tries).toBe(0);
  });

  it('is left alone when another node is responsible, or it is no longer one of the task', async () => {
    await start();
    await bench.declare({ shop: taskOf(), crm: { destinations: ['near', 'far'] } });
    await run('shop', ['near']);
    await bench.move('crm', 'node-b');
    await run('crm', ['near']);
    await bench.pass(60 * minuteMs);
    expect(works.begun).toHaveLength(0);
  });
});

describe('a node', () => {
  it('that stops ends its copies, without calling it a failure, and goes on at its next start', async () => {
    await start();
    await run('shop', ['near']);
    await failLast();
    await bench.pass(minuteMs);
    const [, second] = works.begun;
    await stop();
    expect(second?.o.signal.aborted).toBe(true);
    expect((await bench.record('shop')).behind?.far).toMatchObject({ tries: 1 });
    open();
    await start();
    expect(works.begun).toHaveLength(1);
  });

  it('whose store does not answer tries again after the waits, not all the time', async () => {
    await start();
    await run('shop', ['near']);
    await failLast();
    bench.fault.step = (verb) => (verb === 'get' ? 'unavailable' : 'ok');
    await bench.pass(minuteMs);
    await bench.pass(minuteMs);
    expect(works.begun).toHaveLength(1);
    bench.fault.step = () => 'ok';
    await bench.pass(minuteMs);
    expect(works.begun).toHaveLength(2);
  });

  it('whose store does not take the good end of a copy finds out later that nothing is lacking', async () => {
    await start();
    await run('shop', ['near']);
    bench.fault.step = (verb) => (verb === 'transact' ? 'unavailable' : 'ok');
    works.last.succeed();
    await bench.pass(0);
    bench.fault.step = () => 'ok';
    await bench.pass(minuteMs);
    works.last.succeed({ backups: [], backupsThere: 1 });
    await bench.pass(0);
    expect(works.begun).toHaveLength(2);
    expect(await bench.record('shop')).not.toHaveProperty('behind');
  });
});

describe('a copy that is asked for', () => {
  it('begins at once, from where it was told, and is the one that is there when it is asked for again', async () => {
    await start();
    await run('shop', ['near', 'far']);
    const wish = { task: 'shop', from: 'near', to: 'far', chains: 'all' } as const;
    const { copy, already } = catchUp.ask(wish);
    await bench.pass(0);
    expect(already).toBe(false);
    expect(works.last.run.request.chains).toBe('all');
    expect(catchUp.ask(wish)).toEqual({ copy, already: true });
    works.last.succeed();
    await bench.pass(0);
    expect(copy).toMatchObject({ state: 'succeeded', from: ['near'] });
    expect(catchUp.copies).toEqual([copy]);
  });

  it('that fails says why, and is not tried again', async () => {
    await start();
    const { copy } = catchUp.ask({ task: 'shop', to: 'far', chains: 'all' });
    await bench.pass(0);
    await failLast();
    expect(copy).toMatchObject({ state: 'failed', error: { code: 'unavailable' } });
    await bench.pass(60 * minuteMs);
    expect(works.begun).toHaveLength(1);
  });

  it.each([
    [{ task: 'nope', to: 'far' }, 'there is no task nope'],
    [{ task: 'shop', to: 'fra' }, 'task shop has no destination fra; did you mean far?'],
    [{ task: 'shop', to: 'far', from: 'far' }, 'far cannot be copied to itself'],
    [{ task: 'off', to: 'off' }, 'destination off is disabled'],
  ])('%j is refused: %s', async (wish, says) => {
    await start();
    expect(() => catchUp.ask({ ...wish, chains: 'all' })).toThrow(says);
  });

  it('is refused while the node does not work', () => {
    expect(() => catchUp.ask({ task: 'shop', to: 'far', chains: 'all' })).toThrow('it starts or stops');
  });
});

it('whoever was told that it was behind is told that it has caught up', async () => {
  await start();
  await run('shop', ['near']);
  await bench.ledger.amend(
    'shop',
    (record) => {
      const far = record.behind?.far;
      return { record: far ? { ...record, behind: { far: { ...far, toldAtMs: 1 } } } : record };
    },
    { signal },
  );
  works.last.succeed();
  await bench.pass(0);
  const [message] = await bench.ledger.messages({ signal });
  expect(message?.value).toMatchObject({ event: 'recovery', task: 'shop', destination: 'far', to: 'chat' });
  expect(told).toBe(1);
});
