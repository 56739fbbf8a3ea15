import type { RunView } from '@holdfast/client';
import { HoldfastError } from '@holdfast/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { signal } from './bench.fixture.ts';
import { Cluster, type ClusterNode } from './cluster.fixture.ts';

let cluster: Cluster;
let a: ClusterNode;
let b: ClusterNode;

beforeEach(async () => {
  cluster = await Cluster.open();
  a = await cluster.add('node-a');
  b = await cluster.add('node-b');
});

afterEach(() => cluster[Symbol.asyncDispose]());

const onA = { nodes: { prefer: 'node-a' }, full: '0 2 * * *', incremental: '0 * * * *' } as const;

async function errorOf(promise: Promise<unknown>): Promise<HoldfastError> {
  return promise.then(
    () => Promise.reject(new Error('it did not fail')),
    (caught: unknown) => HoldfastError.from(caught),
  );
}

async function hasNode(task: string, node: string): Promise<void> {
  await cluster.until(async () => (await cluster.record(task)).node === node);
}

/** A run that a person asks node-a for, and that ends well wherever it is carried out. */
async function runOnce(
  o: { readonly scope?: 'full' | 'incremental'; readonly node?: string } = {},
): Promise<RunView> {
  const before = [a, b].map(({ works }) => works.begun.length);
  const { run } = await a.client.runTask({ task: 'shop', ...o, signal });
  const at = run.node === 'node-a' ? 0 : 1;
  const { works } = [a, b][at] as ClusterNode;
  await cluster.until(() => works.begun.length > (before[at] ?? 0));
  works.last.succeed();
  await cluster.until(async () => (await a.client.getRun({ run: run.id, signal })).endedAt !== undefined);
  return a.client.getRun({ run: run.id, signal });
}

describe('nodes', () => {
  it('are listed with what each has and does, and how its clock goes', async () => {
    await cluster.declare({ shop: onA });
    await hasNode('shop', 'node-a');
    await runOnce();
    const { run } = await a.client.runTask({ task: 'shop', signal });
    await cluster.until(async () => (await b.client.getRun({ run: run.id, signal })).state === 'running');
    const [first, second] = await b.client.listNodes({ signal });
    expect(first).toMatchObject({
      name: 'node-a',
      self: false,
      alive: true,
      reachable: true,
      tasks: 1,
      owns: 1,
      capacity: 2,
      clockOffsetMs: 0,
      url: a.api.url,
      active: [{ id: run.id, state: 'running' }],
    });
    expect(first?.problem).toBeUndefined();
    expect(second).toMatchObject({ name: 'node-b', self: true, tasks: 0, owns: 0, active: [] });
  });

  it('that are gone are listed as long as tasks name them', async () => {
    await cluster.declare({ shop: { nodes: { prefer: 'node-b', pin: true } } });
    await hasNode('shop', 'node-b');
    await b[Symbol.asyncDispose]();
    const nodes = await a.client.listNodes({ signal });
    expect(nodes.map(({ name, alive, problem }) => ({ name, alive, problem }))).toEqual([
      { name: 'node-a', alive: true, problem: undefined },
      { name: 'node-b', alive: false, problem: 'node-b is not alive' },
    ]);
  });

  it('drain until that is undone; one that is not there cannot', async () => {
    const drained = await a.client.drainNode({ node: 'node-b', signal });
    expect(drained).toMatchObject({ name: 'node-b', draining: true });
    await cluster.until(() => a.core.parts.view.drains.has('node-b'));
    expect((await a.client.listNodes({ signal })).map(({ draining }) => draining)).toEqual([false, true]);
    expect(await a.client.drainNode({ node: 'node-b', draining: false, signal })).toMatchObject({
      draining: false,
    });
    await cluster.until(() => !a.core.parts.view.drains.has('node-b'));
    expect(await errorOf(a.client.drainNode({ node: 'node-x', signal }))).toMatchObject({
      code: 'not_found',
      reason: 'there is no node node-x',
      hint: 'there are: node-a, node-b',
    });
  });
});

it('why a task is where it is can be asked, newest last', async () => {
  await cluster.declare({ shop: onA });
  await hasNode('shop', 'node-a');
  const decisions = await b.client.listDecisions({ task: 'shop', signal });
  expect(decisions.at(-1)).toMatchObject({ task: 'shop', node: 'node-a' });
  const { nodeReason } = await b.client.getTask({ task: 'shop', signal });
  expect(nodeReason).toBe((await cluster.record('shop')).nodeReason);
  expect(await errorOf(b.client.listDecisions({ task: 'none', signal }))).toMatchObject({
    code: 'not_found',
  });
});

describe('a run by hand', () => {
  beforeEach(async () => {
    await cluster.declare({ shop: onA });
    await hasNode('shop', 'node-a');
  });

  it('is carried out by the responsible node, whichever node is asked', async () => {
    const { run, already } = await b.client.runTask({ task: 'shop', signal });
    expect({ already, node: run.node }).toEqual({ already: false, node: 'node-a' });
    await cluster.until(() => a.works.begun.length === 1);
    const again = await b.client.runTask({ task: 'shop', signal });
    expect(again).toMatchObject({ already: true, run: { id: run.id } });
    expect(b.works.begun).toEqual([]);
  });

  it('by another node is a full, and leaves the ownership where it is', async () => {
    await runOnce({ scope: 'full' });
    const before = await a.client.getTask({ task: 'shop', signal });
    expect(before.owner?.node).toBe('node-a');
    const run = await runOnce({ node: 'node-b' });
    expect(run).toMatchObject({ node: 'node-b', state: 'succeeded', scopeAsked: 'full' });
    expect(run.reason).toContain('asked for by hand, of node node-b');
    const after = await a.client.getTask({ task: 'shop', signal });
    expect(after).toMatchObject({ node: 'node-a', owner: before.owner });
    expect((await runOnce()).scopeAsked).toBe('incremental');
  });

  it('that is an incremental of a node that does not own them is refused, naming who does', async () => {
    const none = await errorOf(
      a.client.runTask({ task: 'shop', scope: 'incremental', node: 'node-b', signal }),
    );
    expect(none).toMatchObject({
      code: 'precondition_failed',
      reason: 'node node-b does not make the incrementals of task shop: no node does before the next full',
    });
    await runOnce({ scope: 'full' });
    const other = await errorOf(
      a.client.runTask({ task: 'shop', scope: 'incremental', node: 'node-b', signal }),
    );
    expect(other).toMatchObject({
      code: 'precondition_failed',
      reason: expect.stringContaining('node node-a does'),
    });
    const run = await runOnce({ scope: 'incremental', node: 'node-a' });
    expect(run).toMatchObject({ state: 'succeeded', scopeAsked: 'incremental' });
  });

  it('by a node that is not there is refused, naming those that are', async () => {
    expect(await errorOf(a.client.runTask({ task: 'shop', node: 'node-x', signal }))).toMatchObject({
      code: 'not_found',
      hint: 'there are: node-a, node-b',
    });
    await cluster.declare({ shop: onA, crm: { nodes: { prefer: 'node-b', pin: true } } });
    await hasNode('crm', 'node-b');
    await b[Symbol.asyncDispose]();
    expect(await errorOf(a.client.runTask({ task: 'shop', node: 'node-b', signal }))).toMatchObject({
      code: 'precondition_failed',
      reason: 'node node-b is not alive',
      hint: 'alive are: node-a',
    });
    expect(await errorOf(a.client.runTask({ task: 'crm', signal }))).toMatchObject({
      code: 'precondition_failed',
      hint: expect.stringContaining('it is responsible for task crm'),
    });
    expect((await a.client.listRuns({ task: 'crm', signal })).runs).toEqual([]);
  });
});
