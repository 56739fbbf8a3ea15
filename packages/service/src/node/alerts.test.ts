import type { RunRecord, RunState, Step, TaskRecord } from '@holdfast/coordinator';
import { expect, it } from 'vitest';
import { type AlertContext, messagesOfEnd, messagesOfFresh, messagesOfOverdue } from './alerts.ts';

const hook = { type: 'webhook', url: 'https://example.com/' } as const;
const context: AlertContext = {
  notifications: { all: hook, failures: { ...hook, on: ['failure'] }, none: { ...hook, on: [] } },
  node: 'node-a',
  nowMs: Date.UTC(2026, 10, 20, 14),
};
const record: TaskRecord = {
  task: 'shop',
  node: 'node-a',
  generation: 1,
  sinceMs: 0,
  settledMs: { full: 0, incremental: 0 },
  lastGoodAt: {},
  runsCount: 1,
};
const error = { code: 'exhausted', message: 'the disk is full' } as const;

function endOf(state: RunState): Step {
  const run: RunRecord = {
    id: 'shop-20261120T140000000Z',
    task: 'shop',
    node: 'node-a',
    generation: 1,
    state,
    trigger: 'schedule',
    scope: 'full',
    reason: 'due',
    createdAtMs: 0,
    ...(state === 'failed' && { error }),
  };
  return { run, record };
}

it('tells the first failure of a row to whoever wants to know, and no other', () => {
  const told = messagesOfEnd(record, endOf('failed'), context);
  expect(told.map(({ to, event }) => [to, event])).toEqual([
    ['all', 'failure'],
    ['failures', 'failure'],
  ]);
  expect(told[0]).toMatchObject({
    task: 'shop',
    run: 'shop-20261120T140000000Z',
    node: 'node-a',
    error,
    text: 'backup of task shop failed: the disk is full',
  });
  expect(new Set(told.map(({ id }) => id)).size).toBe(2);
  expect(messagesOfEnd({ ...record, failingSinceMs: 1 }, endOf('failed'), context)).toEqual([]);
});

it('tells the first success after failures, and no other', () => {
  const told = messagesOfEnd({ ...record, failingSinceMs: 1 }, endOf('succeeded'), context);
  expect(told.map(({ to, event }) => [to, event])).toEqual([['all', 'recovery']]);
  expect(messagesOfEnd(record, endOf('succeeded'), context)).toEqual([]);
});

it('says nothing of a task that is still overdue, whatever succeeds', () => {
  const late = { ...record, failingSinceMs: 1, overdueSinceMs: 1 };
  expect(messagesOfEnd(late, endOf('succeeded'), context)).toEqual([]);
});

it('tells nothing of runs that were cancelled, interrupted or skipped', () => {
  for (const state of ['cancelled', 'interrupted', 'skipped'] as const)
    expect(messagesOfEnd({ ...record, failingSinceMs: 1 }, endOf(state), context)).toEqual([]);
});

it('tells that a task is overdue, and that it no longer is', () => {
  expect(messagesOfOverdue(record, 'the full is missing', context)).toMatchObject([
    { to: 'all', event: 'overdue', text: 'task shop is overdue: the full is missing' },
  ]);
  expect(messagesOfFresh(record, 'it has one', context)).toMatchObject([{ to: 'all', event: 'recovery' }]);
});
