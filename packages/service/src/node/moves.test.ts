import { keys, type RunRecord } from '@holdfast/coordinator';
import { HoldfastError } from '@holdfast/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { signal } from './bench.fixture.ts';
import { Nodes, type OneNode } from './nodes.fixture.ts';

const minuteMs = 60_000;
const often = { full: '0 3 * * *', incremental: '*/10 * * * *' };

let nodes: Nodes;

beforeEach(async () => {
  nodes = await Nodes.open();
});

afterEach(async () => {
  await nodes[Symbol.asyncDispose]();
});

/** Node a has the task, and with a full its incrementals; node b is there, and has nothing. */
async function two(): Promise<{ readonly a: OneNode; readonly b: OneNode }> {
  const a = await nodes.add('node-a');
  await nodes.declare({ shop: often });
  const b = await nodes.add('node-b');
  await nodes.startFull('shop', 'node-a');
  a.works.last.succeed();
  await nodes.pass(0);
  expect((await nodes.record('shop')).owner).toMatchObject({ node: 'node-a', generation: 1 });
  return { a, b };
}

/** Until the incremental of 14:10 has begun. */
async function due(node: OneNode): Promise<RunRecord> {
  const before = node.works.begun.length;
  await nodes.pass(10 * minuteMs);
  expect(node.works.begun.length).toBe(before + 1);
  const [active] = node.core.parts.runner.active;
  if (!active) throw new Error('nothing runs');
  return active.run;
}

describe('new tasks', () => {
  it('are shared by the nodes, each adopted once, with the reason', async () => {
    await nodes.add('node-a');
    await nodes.add('node-b');
    const names = Array.from({ length: 20 }, (_, at) => `task-${at}`);
    await nodes.declare(Object.fromEntries(names.map((name) => [name, {}])));
    const records = await Promise.all(names.map((name) => nodes.record(name)));
    for (const node of ['node-a', 'node-b'])
      expect(records.filter((record) => record.node === node).length).toBeGreaterThanOrEqual(5);
    for (const { generation, nodeReason } of records) {
      expect(generation).toBe(1);
      expect(nodeReason).toBe('the task is new; chosen by hash among 2 suited nodes');
    }
    expect(await nodes.decided('task-0')).toEqual(['assigned']);
  });

  it('that are pinned to a node that is not there have none, and say why, until it comes', async () => {
    await nodes.add('node-a');
    await nodes.declare({ shop: { full: '* * * * *', nodes: { prefer: 'node-c', pin: true } } });
    await nodes.pass(5 * minuteMs);
    expect(await nodes.record('shop')).toMatchObject({
      node: '',
      nodeReason: 'the task is pinned to node node-c, which is not alive',
      runsCount: 0,
    });
    await nodes.add('node-c');
    await nodes.pass(5_000);
    expect(await nodes.record('shop')).toMatchObject({ node: 'node-c', generation: 2 });
  });

  it('go to a node that has all the tags they ask for', async () => {
    await nodes.add('node-a', { tags: ['ssd'] });
    await nodes.add('node-b', { tags: ['ssd', 'eu'] });
    await nodes.declare({ shop: { nodes: { tags: ['eu', 'ssd'] } }, crm: { nodes: { tags: ['us'] } } });
    expect(await nodes.record('shop')).toMatchObject({ node: 'node-b' });
    expect(await nodes.record('crm')).toMatchObject({
      node: '',
      nodeReason: 'no node that takes tasks has all of the tags us',
    });
  });
});

describe('a node that is silent', () => {
  it('loses its task when nobody has heard of it for a while, and the next node begins with a full', async () => {
    const { a, b } = await two();
    a.kill();
    await nodes.pass(10_000);
    expect(await nodes.record('shop')).toMatchObject({ node: 'node-a' });
    await nodes.pass(2_000);
    expect((await nodes.record('shop')).notSuitable?.reason).toBe('node node-a gives no sign of life');
    await nodes.pass(28_000);
    expect(await nodes.record('shop')).toMatchObject({ node: 'node-a', generation: 1 });
    await nodes.pass(5_000);
    const moved = await nodes.record('shop');
    expect(moved).toMatchObject({ node: 'node-b', generation: 2 });
    expect(moved.owner).toBeUndefined();
    expect(await nodes.decided('shop')).toEqual(['assigned', 'ownership', 'not-suitable', 'moved']);
    await nodes.pass(10 * minuteMs);
    const { request } = b.works.last.run;
    expect(request).toMatchObject({ scope: 'full', keepChanges: 'if-possible', generation: 2 });
    expect(request.ownedGeneration).toBeUndefined();
    b.works.last.succeed();
    await nodes.pass(10 * minuteMs);
    expect((await nodes.record('shop')).owner).toMatchObject({ node: 'node-b', generation: 2 });
    expect(b.works.last.run.request).toMatchObject({ scope: 'auto', ownedGeneration: 2 });
  });

  it('loses a task, too, that was declared again before anybody missed it', async () => {
    const { a } = await two();
    await nodes.declare({});
    expect((await nodes.record('shop')).removedAtMs).toBeDefined();
    a.kill();
    await nodes.declare({ shop: often });
    await nodes.pass(50_000);
    expect(await nodes.record('shop')).toMatchObject({ node: 'node-b', generation: 2 });
  });

  it('has its run interrupted in the very change that gives its task away; the next node ends what it left', async () => {
    const { a, b } = await two();
    const run = await due(a);
    a.kill();
    await nodes.pass(40_000);
    expect(await nodes.stateOf(run)).toBe('running');
    await nodes.pass(5_000);
    const change = await nodes.changeTo('shop', 2);
    const put = change.puts.find(({ key }) => key === keys.run(run.id));
    expect(JSON.parse(put?.value ?? '{}')).toMatchObject({ id: run.id, state: 'interrupted' });
    expect(b.works.last.run.request).toMatchObject({ scope: 'full', forsaken: [run.id], node: 'node-b' });
    b.works.last.succeed();
    await nodes.pass(0);
    const { owner, forsaken, owed } = await nodes.record('shop');
    expect({ owner, forsaken, owed }).toMatchObject({ owner: { node: 'node-b' }, forsaken: [] });
    expect(owed).toBeUndefined();
  });

  it('keeps its tasks, its run and its chain when it is back before then', async () => {
    const { a, b } = await two();
    const run = await due(a);
    a.store.cutOff();
    await nodes.pass(35_000);
    expect((await nodes.record('shop')).notSuitable).toBeDefined();
    expect(a.works.last.o.signal.aborted).toBe(false);
    a.store.reconnect();
    await nodes.pass(5_000);
    const back = await nodes.record('shop');
    expect(back).toMatchObject({ node: 'node-a', generation: 1, running: { run: run.id } });
    expect(back.notSuitable).toBeUndefined();
    a.works.last.succeed();
    await nodes.pass(2 * minuteMs);
    expect(await nodes.stateOf(run)).toBe('succeeded');
    expect(await nodes.record('shop')).toMatchObject({ node: 'node-a', owner: { node: 'node-a' } });
    expect(await nodes.decided('shop')).toEqual(['assigned', 'ownership', 'not-suitable', 'suitable-again']);
    expect(b.works.begun).toEqual([]);
  });

  it('keeps its tasks when another life of it begins before then, and what it had begun goes on', async () => {
    const { a, b } = await two();
    const run = await due(a);
    a.kill();
    await nodes.pass(5_000);
    const again = await nodes.add('node-a');
    await nodes.pass(minuteMs);
    expect(await nodes.record('shop')).toMatchObject({ node: 'node-a', generation: 1 });
    expect(await nodes.stateOf(run)).toBe('interrupted');
    expect(again.core.parts.runner.active).toMatchObject([{ run: { resumes: run.id } }]);
    expect(again.works.last.run.request).toMatchObject({ scope: 'auto', ownedGeneration: 1 });
    expect(b.works.begun).toEqual([]);
  });

  it('ends the run of a task that has moved meanwhile, once it sees that, and has nothing left to do', async () => {
    const { a, b } = await two();
    const run = await due(a);
    a.store.cutOff();
    await nodes.pass(minuteMs);
    expect(await nodes.record('shop')).toMatchObject({ node: 'node-b', generation: 2 });
    expect(a.works.last.o.signal.aborted).toBe(false);
    a.store.reconnect();
    await nodes.pass(5_000);
    expect(HoldfastError.from(a.works.last.o.signal.reason)).toMatchObject({
      code: 'lease_lost',
      reason: `run ${run.id} is not the task's any more: node node-b is responsible, generation 2`,
    });
    expect(a.core.parts.runner.active).toEqual([]);
    expect(await nodes.stateOf(run)).toBe('interrupted');
    expect(await nodes.record('shop')).toMatchObject({ running: { node: 'node-b' } });
    b.works.last.succeed();
    await nodes.pass(20 * minuteMs);
    expect(await nodes.record('shop')).toMatchObject({ node: 'node-b', generation: 2 });
    expect(a.works.begun).toHaveLength(2);
  });

  it('that gets its task back before another full was made goes on with its chain', async () => {
    const { a, b } = await two();
    a.store.cutOff();
    await nodes.pass(minuteMs);
    expect(await nodes.record('shop')).toMatchObject({ node: 'node-b', generation: 2 });
    a.store.reconnect();
    b.kill();
    await nodes.pass(minuteMs);
    expect(await nodes.record('shop')).toMatchObject({
      node: 'node-a',
      generation: 3,
      owner: { node: 'node-a', generation: 1 },
    });
    await nodes.pass(10 * minuteMs);
    expect(a.works.last.run.request).toMatchObject({ scope: 'auto', generation: 3, ownedGeneration: 1 });
  });
});

describe('a full that another node is asked for', () => {
  it('is made there, takes nothing from the responsible node, and leaves nothing in the source', async () => {
    const { a, b } = await two();
    const { owner } = await nodes.record('shop');
    const run = await nodes.startFull('shop', 'node-b');
    expect(run).toMatchObject({ node: 'node-b', generation: 1 });
    expect(b.works.last.run.request).toMatchObject({ scope: 'full', keepChanges: false, node: 'node-b' });
    expect(b.works.last.run.request.ownedGeneration).toBeUndefined();
    expect(await nodes.stateOf(run)).toBe('running');
    b.works.last.succeed();
    await nodes.pass(0);
    expect(await nodes.stateOf(run)).toBe('succeeded');
    const after = await nodes.record('shop');
    expect(after).toMatchObject({ node: 'node-a', generation: 1, lastGoodFull: { run: run.id } });
    expect(after.owner).toEqual(owner);
    await nodes.pass(10 * minuteMs);
    expect(a.works.last.run.request).toMatchObject({ scope: 'auto', ownedGeneration: 1, node: 'node-a' });
  });

  it('is ended when that node goes away, and the task stays where it is', async () => {
    const { a, b } = await two();
    const run = await nodes.startFull('shop', 'node-b');
    b.kill();
    await nodes.pass(10_000);
    expect(await nodes.stateOf(run)).toBe('running');
    await nodes.pass(40_000);
    expect(await nodes.stateOf(run)).toBe('interrupted');
    expect(await nodes.record('shop')).toMatchObject({ node: 'node-a', generation: 1 });
    expect(a.works.last.run.request).toMatchObject({ node: 'node-a' });
  });

  it('goes on when the responsible node goes away: the task moves when it has ended', async () => {
    const { a, b } = await two();
    const run = await nodes.startFull('shop', 'node-b');
    a.kill();
    await nodes.pass(2 * minuteMs);
    expect(await nodes.record('shop')).toMatchObject({ node: 'node-a', running: { run: run.id } });
    b.works.last.succeed();
    await nodes.pass(5_000);
    expect(await nodes.stateOf(run)).toBe('succeeded');
    expect(await nodes.record('shop')).toMatchObject({ node: 'node-b', generation: 2 });
  });
});

describe('a node that drains', () => {
  it('gives its task away when what it does for it has ended', async () => {
    const { a, b } = await two();
    const run = await due(a);
    await nodes.ledger.setDrain('node-a', true, { signal });
    await nodes.pass(5 * minuteMs);
    expect(await nodes.record('shop')).toMatchObject({ node: 'node-a', running: { run: run.id } });
    expect(a.works.last.o.signal.aborted).toBe(false);
    a.works.last.succeed();
    await nodes.pass(5_000);
    expect(await nodes.stateOf(run)).toBe('succeeded');
    expect(await nodes.record('shop')).toMatchObject({
      node: 'node-b',
      generation: 2,
      nodeReason: 'node node-a drains',
    });
    await nodes.pass(10 * minuteMs);
    expect(b.works.last.run.request).toMatchObject({ scope: 'full', generation: 2 });
  });

  it('gets nothing back that has a node, and new tasks again, when it no longer drains', async () => {
    await two();
    await nodes.ledger.setDrain('node-a', true, { signal });
    await nodes.pass(5_000);
    await nodes.ledger.setDrain('node-a', false, { signal });
    await nodes.pass(2 * minuteMs);
    expect(await nodes.record('shop')).toMatchObject({ node: 'node-b', generation: 2 });
    await nodes.declare({ shop: often, crm: { nodes: { prefer: 'node-a' } } });
    expect(await nodes.record('crm')).toMatchObject({ node: 'node-a' });
  });

  it('alone leaves its task with nobody, which says so', async () => {
    await nodes.add('node-a');
    await nodes.declare({ shop: often });
    await nodes.ledger.setDrain('node-a', true, { signal });
    await nodes.pass(5_000);
    expect(await nodes.record('shop')).toMatchObject({ node: '', nodeReason: 'node node-a drains' });
    await nodes.ledger.setDrain('node-a', false, { signal });
    await nodes.pass(5_000);
    expect(await nodes.record('shop')).toMatchObject({ node: 'node-a', generation: 3 });
  });
});

describe('a node that is preferred', () => {
  const preferring = { ...often, nodes: { prefer: 'node-b' } };

  it('gets its task back when it has been there for a while', async () => {
    await nodes.add('node-a');
    await nodes.declare({ shop: preferring });
    expect(await nodes.record('shop')).toMatchObject({ node: 'node-a' });
    await nodes.add('node-b');
    await nodes.pass(28_000);
    expect(await nodes.record('shop')).toMatchObject({ node: 'node-a', generation: 1 });
    await nodes.pass(4_000);
    expect(await nodes.record('shop')).toMatchObject({
      node: 'node-b',
      generation: 2,
      nodeReason: 'node node-b is preferred and alive',
    });
  });

  it('waits for the run that goes on', async () => {
    const a = await nodes.add('node-a');
    await nodes.declare({ shop: preferring });
    const run = await nodes.startFull('shop', 'node-a');
    await nodes.add('node-b');
    await nodes.pass(5 * minuteMs);
    expect(await nodes.record('shop')).toMatchObject({ node: 'node-a', running: { run: run.id } });
    a.works.last.succeed();
    await nodes.pass(5_000);
    expect(await nodes.stateOf(run)).toBe('succeeded');
    expect(await nodes.record('shop')).toMatchObject({ node: 'node-b' });
  });
});

it('a node whose name another one has cannot join, and says where that one is', async () => {
  await nodes.add('node-a');
  const outcome = nodes.add('node-a', { instance: 'another' }).then(
    () => 'joined',
    (error: unknown) => HoldfastError.from(error),
  );
  await nodes.pass(30_000);
  expect(await outcome).toMatchObject({
    code: 'config_invalid',
    reason: expect.stringContaining('another node of the cluster is named node-a'),
  });
});
