import type { DeclaredTask } from '@holdfast/core';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { BehindAlerts } from './behind-alerts.ts';
import { type Bench, openBench, signal, taskOf } from './bench.fixture.ts';

const hook = { type: 'webhook', url: 'https://chat.example' } as const;
const minuteMs = 60_000;

let bench: Bench;
let alerts: BehindAlerts;
let told: number;

beforeEach(async () => {
  bench = await openBench();
  told = 0;
  const { view, ledger, clock, logger } = bench;
  alerts = new BehindAlerts({ node: 'node-a', view, ledger, clock, logger, onMessages: () => told++ });
});

afterEach(() => bench[Symbol.asyncDispose]());

async function declare(over: Partial<DeclaredTask>): Promise<DeclaredTask> {
  const spec = taskOf({ require: 1, ...over });
  await bench.declare({ shop: spec }, { chat: hook, other: { ...hook, on: ['failure'] } });
  await bench.adopt('shop', 'node-a');
  await bench.ledger.amend(
    'shop',
    (record) => {
      const lacks = { sinceMs: bench.clock.now(), run: 'shop-20261120T140000000Z', backups: 2, tries: 3 };
      const error = { code: 'unavailable', message: 'no answer' } as const;
      return { record: { ...record, behind: { far: { ...lacks, error }, off: lacks } } };
    },
    { signal },
  );
  return spec;
}

async function judge(spec: DeclaredTask): Promise<void> {
  await alerts.judge('shop', spec, await bench.record('shop'), { signal });
}

it('a destination that is behind for more than an hour is told once, to whoever wants to know', async () => {
  const spec = await declare({ destinations: ['near', 'far'] });
  await bench.pass(60 * minuteMs);
  await judge(spec);
  expect(told).toBe(0);
  await bench.pass(1);
  await judge(spec);
  await bench.pass(600 * minuteMs);
  await judge(spec);
  const messages = await bench.ledger.messages({ signal });
  expect(messages.map(({ value }) => value)).toMatchObject([
    {
      event: 'behind',
      task: 'shop',
      destination: 'far',
      to: 'chat',
      text: 'destination far lacks 2 backups of task shop since 2026-11-20T14:00:00.000Z: no answer',
    },
  ]);
  expect(told).toBe(1);
});

it('the task says how long is too long', async () => {
  const spec = await declare({ destinations: ['near', 'far'], behindAfter: '5m' });
  await bench.pass(5 * minuteMs + 1);
  await judge(spec);
  expect(told).toBe(1);
});

it('a disabled destination, and one that is no longer of the task, are not told', async () => {
  const spec = await declare({ destinations: ['near', 'off'] });
  await bench.pass(600 * minuteMs);
  await judge(spec);
  expect(told).toBe(0);
});
