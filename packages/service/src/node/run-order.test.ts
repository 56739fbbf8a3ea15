import type { RunRecord, TaskRecord } from '@holdfast/coordinator';
import type { DeclaredTask } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import { taskOf } from './bench.fixture.ts';
import { runOrder } from './run-order.ts';

const chain = '20261120T140000Z-node-a-g1';

const record: TaskRecord = {
  task: 'shop',
  node: 'node-a',
  generation: 3,
  sinceMs: 0,
  settledMs: { full: 0, incremental: 0 },
  lastGoodAt: {},
  runsCount: 1,
};

const run: RunRecord = {
  id: 'shop-20261120T150000000Z',
  task: 'shop',
  node: 'node-a',
  generation: 3,
  state: 'waiting',
  trigger: 'schedule',
  scope: 'incremental',
  reason: 'due',
  createdAtMs: 7,
};

function requestOf(
  of: { readonly run?: Partial<RunRecord>; readonly record?: Partial<TaskRecord> | 'none' } = {},
  task: Partial<DeclaredTask> = { full: '0 3 * * *', incremental: '0 * * * *' },
) {
  const objects = {
    sources: { shop: { type: 'sqlite', path: '/db/shop' } },
    destinations: { near: { type: 'folder', path: '/near' } },
    notifications: {},
    tasks: { shop: taskOf(task) },
  };
  const known = of.record === 'none' ? undefined : { ...record, ...of.record };
  return runOrder(objects, { run: { ...run, ...of.run }, record: known, staging: '/staging' }).run.request;
}

describe('what a run is told', () => {
  it('is who makes it, and under which name what it makes in the source is found again', () => {
    expect(requestOf()).toMatchObject({ node: 'node-a', generation: 3, run: run.id, scope: 'auto' });
  });

  it('is to keep changes if its task has incrementals and its node is responsible', () => {
    expect(requestOf().keepChanges).toBe('if-possible');
    expect(requestOf({ record: 'none' }).keepChanges).toBe('if-possible');
    expect(requestOf({}, { full: '0 3 * * *' }).keepChanges).toBe(false);
    expect(requestOf({ run: { node: 'node-b', scope: 'full' } }).keepChanges).toBe(false);
    expect(requestOf({ record: { node: '' } }).keepChanges).toBe(false);
  });

  it('is which chain of an earlier generation its node may go on with, if that is its own', () => {
    const owner = { node: 'node-a', generation: 1, chain };
    expect(requestOf({ record: { owner } }).ownedGeneration).toBe(1);
    expect(requestOf().ownedGeneration).toBeUndefined();
    expect(requestOf({ run: { node: 'node-b' }, record: { owner } }).ownedGeneration).toBeUndefined();
    // Somebody else's, which a record should not say: nobody goes on with it.
    const other = { ...owner, node: 'node-b' };
    expect(requestOf({ record: { owner: other } }).ownedGeneration).toBeUndefined();
  });

  it('is which runs were lost with their nodes, for the responsible node to end what they left', () => {
    const forsaken = ['shop-1', 'shop-2'];
    expect(requestOf({ record: { forsaken } }).forsaken).toEqual(forsaken);
    expect(requestOf({ record: { forsaken: [] } })).not.toHaveProperty('forsaken');
    expect(requestOf({ run: { node: 'node-b' }, record: { forsaken } })).not.toHaveProperty('forsaken');
  });
});
