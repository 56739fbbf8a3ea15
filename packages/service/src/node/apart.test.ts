import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { signal } from './bench.fixture.ts';
import { Nodes, type OneNode } from './nodes.fixture.ts';

const minuteMs = 60_000;
const often = { full: '0 3 * * *', incremental: '*/10 * * * *' };
const cannot = 'the store of the cluster cannot be reached: ';

let nodes: Nodes;

beforeEach(async () => {
  nodes = await Nodes.open();
});

afterEach(async () => {
  await nodes[Symbol.asyncDispose]();
});

/** A node with two tasks. Of the first it has made a full; the second has no backup, so nobody owns its incrementals. */
async function alone(journal: boolean): Promise<OneNode> {
  const node = await nodes.add('node-a', { journal });
  await nodes.declare({ shop: often, daily: { full: '*/10 * * * *' } });
  await nodes.startFull('shop', 'node-a');
  node.works.last.succeed();
  await nodes.pass(0);
  node.works.quick = true;
  return node;
}

function told(node: OneNode, level: string): readonly unknown[] {
  return node.lines.filter((line) => line.level === level).map(({ msg }) => msg);
}

const tasksOf = ({ works }: OneNode): readonly string[] =>
  works.begun.slice(1).map(({ run }) => run.request.task);

describe('a node that cannot reach the store', () => {
  it('goes on with its incrementals, and tells the cluster when it is back', async () => {
    const node = await alone(true);
    node.store.cutOff();
    await nodes.pass(25 * minuteMs);
    expect(tasksOf(node)).toEqual(['shop', 'shop']);
    expect(node.works.begun.at(-1)?.run.request).toMatchObject({ scope: 'auto', ownedGeneration: 1 });
    const kept = (await nodes.ledger.history('shop', { signal, last: 10 })).length;
    node.store.reconnect();
    await nodes.pass(5_000);
    const history = await nodes.ledger.history('shop', { signal, last: 10 });
    expect(history.length).toBe(kept + 2);
    expect(history.map(({ state }) => state)).toEqual(history.map(() => 'succeeded'));
    expect(await nodes.record('shop')).toMatchObject({ node: 'node-a', generation: 1 });
    expect(told(node, 'warn').join('\n')).toMatch(/2 runs of the time apart from the store/);
    expect(told(node, 'info')).toContain('the store of the cluster is reached again');
  });

  it('says so once, and is well again when it is back', async () => {
    const node = await alone(true);
    expect(node.core.parts.problems()).toEqual([]);
    node.store.cutOff();
    await nodes.pass(5 * minuteMs);
    expect(node.core.parts.problems()).toContainEqual(expect.stringContaining(cannot));
    expect(told(node, 'error').filter((msg) => String(msg).startsWith(cannot))).toHaveLength(1);
    node.store.reconnect();
    await nodes.pass(2 * minuteMs);
    expect(node.core.parts.problems()).toEqual([]);
  });

  it('begins nothing of tasks whose incrementals are not its own, until it is back', async () => {
    const node = await alone(true);
    node.store.cutOff();
    await nodes.pass(25 * minuteMs);
    expect(node.core.parts.journaled?.apart).toBeDefined();
    expect(tasksOf(node)).toEqual(['shop', 'shop']);
    node.store.reconnect();
    await nodes.pass(minuteMs);
    expect(tasksOf(node)).toEqual(['shop', 'shop', 'daily']);
  });

  it('and keeps no journal, begins nothing at all, and goes on when it is back', async () => {
    const node = await alone(false);
    node.store.cutOff();
    await nodes.pass(25 * minuteMs);
    expect(tasksOf(node)).toEqual([]);
    node.store.reconnect();
    await nodes.pass(minuteMs);
    expect([...tasksOf(node)].sort()).toEqual(['daily', 'shop']);
  });

  it('lets go of copies, which may be made by whoever has the task next, and of no run', async () => {
    const node = await nodes.add('node-a', { journal: true });
    await nodes.declare({ shop: { ...often, destinations: ['near', 'far'], require: 1 } });
    await nodes.startFull('shop', 'node-a');
    const near = { stored: true, destination: 'folder:/near' };
    const far = { stored: false, destination: 'folder:/far', behind: true };
    node.works.last.succeed({ destinations: [near, far] });
    await nodes.pass(minuteMs);
    const [copy] = node.copies.begun;
    expect(copy?.o.signal.aborted).toBe(false);
    await nodes.pass(9 * minuteMs);
    node.store.cutOff();
    await nodes.pass(12_000);
    expect(copy?.o.signal.aborted).toBe(true);
    expect(node.works.begun).toHaveLength(2);
    expect(node.works.last.o.signal.aborted).toBe(false);
  });

  it('and whose task has moved meanwhile, tells what it made: the task and its chain stay where they are', async () => {
    const a = await alone(true);
    const b = await nodes.add('node-b');
    a.store.cutOff();
    await nodes.pass(12 * minuteMs);
    expect(tasksOf(a)).toEqual(['shop']);
    // Of one source one run at a time: that of the other task may be first.
    for (const work of b.works.begun) work.succeed();
    await nodes.pass(0);
    expect(tasksOf(b)).toContain('shop');
    for (const work of b.works.begun) work.succeed();
    await nodes.pass(0);
    const { owner } = await nodes.record('shop');
    expect(owner).toMatchObject({ node: 'node-b', generation: 2 });
    a.store.reconnect();
    await nodes.pass(minuteMs);
    expect(await nodes.record('shop')).toMatchObject({ node: 'node-b', generation: 2, owner });
    expect(told(a, 'warn').join('\n')).toMatch(/1 run of the time apart from the store/);
    const { length } = tasksOf(a);
    await nodes.pass(20 * minuteMs);
    expect(tasksOf(a).slice(length)).not.toContain('shop');
  });
});

describe('another life of a node', () => {
  it('tells the cluster what the last one could not, before it works', async () => {
    const node = await alone(true);
    node.store.cutOff();
    await nodes.pass(15 * minuteMs);
    expect(tasksOf(node)).toEqual(['shop']);
    const before = (await nodes.ledger.history('shop', { signal, last: 10 })).length;
    node.kill();
    await nodes.pass(minuteMs);
    const again = await nodes.add('node-a', { journal: true });
    expect((await nodes.ledger.history('shop', { signal, last: 10 })).length).toBe(before + 1);
    expect(told(again, 'warn').join('\n')).toMatch(/1 run of the time apart from the store/);
    expect(await nodes.record('shop')).toMatchObject({ node: 'node-a', generation: 1 });
  });
});
