import { describe, expect, it } from 'vitest';
import {
  type AliveNode,
  decideResponsibility,
  type ResponsibilityDecision,
  type ResponsibilityQuestion,
} from './decide-responsibility.ts';

const moveAfterMs = 30_000;
const mark = { sinceMs: 0, reason: 'silent' };

function alive(node: string, over: Partial<AliveNode> = {}): AliveNode {
  return { node, tags: [], capacity: 1, tasks: 0, draining: false, aliveForMs: 3_600_000, ...over };
}

function decide(over: Partial<ResponsibilityQuestion>): ResponsibilityDecision {
  return decideResponsibility({
    task: 'shop',
    record: { node: 'a' },
    nodes: [alive('a'), alive('b'), alive('c')],
    tasksTotal: 3,
    capacityTotal: 3,
    isFree: false,
    markedForMs: 0,
    moveAfterMs,
    ...over,
  });
}

const without = (...names: string[]): AliveNode[] =>
  ['a', 'b', 'c'].filter((name) => !names.includes(name)).map((name) => alive(name));

describe('a task', () => {
  it('that is new goes to the node that the hash names, the others after it', () => {
    const decision = decide({ record: undefined });
    expect(decision).toMatchObject({
      kind: 'take',
      reason: 'the task is new; chosen by hash among 3 suited nodes',
    });
    expect('by' in decision && [...decision.by].sort()).toEqual(['a', 'b', 'c']);
  });

  it('stays where it is while its node is alive, whoever else there is', () => {
    expect(decide({})).toEqual({ kind: 'stay', reason: 'node a is alive and has it' });
  });

  describe('whose next backup is a full anyway', () => {
    const nodes = [alive('a', { tasks: 10 }), alive('b', { tasks: 10 }), alive('c', { tasks: 0 })];
    const crowded = { nodes, tasksTotal: 20, isFree: true } as const;

    it('goes from a node with more than its share to one that came later', () => {
      expect(decide(crowded)).toEqual({
        kind: 'take',
        by: ['c'],
        reason: 'node a has more than its share of the tasks, and the next backup is a full anyway',
      });
    });

    it('stays where that would cost a full, where it runs, where it is preferred, and with a node that has its share', () => {
      const running = { run: 'r', node: 'a', scope: 'full' } as const;
      for (const over of [
        { isFree: false },
        { record: { node: 'a', running } },
        { preference: { prefer: 'a' } },
        {
          preference: { tags: ['ssd'] },
          nodes: nodes.map((one) => ({ ...one, tags: one.node === 'c' ? [] : ['ssd'] })),
        },
        { nodes: [alive('a', { tasks: 7 }), alive('b', { tasks: 7 }), alive('c', { tasks: 6 })] },
        {
          nodes: [
            alive('a', { tasks: 10 }),
            alive('b', { tasks: 4 }),
            alive('c', { tasks: 6, aliveForMs: 1000 }),
          ],
          tasksTotal: 20,
          capacityTotal: 6,
        },
      ] as const)
        expect(decide({ ...crowded, ...over })).toMatchObject({ kind: 'stay' });
    });
  });

  it('is marked when its node is gone, waits, and moves after a while', () => {
    const nodes = without('a');
    expect(decide({ nodes })).toMatchObject({ kind: 'mark', reason: 'node a gives no sign of life' });
    const record = { node: 'a', notSuitable: mark };
    expect(decide({ nodes, record, markedForMs: 29_000 })).toMatchObject({ kind: 'wait', leftMs: 1000 });
    const moved = decide({ nodes, record, markedForMs: 30_000 });
    expect(moved).toMatchObject({ kind: 'take' });
    expect('by' in moved && moved.by).not.toContain('a');
  });

  it('keeps its node that comes back in time, and only that one says so', () => {
    expect(decide({ record: { node: 'a', notSuitable: mark }, markedForMs: 60_000 })).toEqual({
      kind: 'clear',
      by: ['a'],
      reason: 'node a is back',
    });
  });

  it('loses its mark before it leaves a node that is back and may not have it any more', () => {
    const record = { node: 'a', notSuitable: mark };
    const nodes = [alive('a', { draining: true }), alive('b')];
    expect(decide({ record, nodes })).toMatchObject({ kind: 'clear', by: ['a', 'b'] });
    expect(decide({ record, preference: { prefer: 'b' } })).toMatchObject({ kind: 'clear', by: ['a'] });
  });

  it('leaves a node that drains at once, when its run has ended', () => {
    const nodes = [alive('a', { draining: true }), alive('b')];
    expect(decide({ nodes })).toMatchObject({ kind: 'take', by: ['b'], reason: 'node a drains' });
    const running = { run: 'r', node: 'a', scope: 'full' } as const;
    expect(decide({ nodes, record: { node: 'a', running } })).toMatchObject({
      kind: 'wait',
      leftMs: Number.POSITIVE_INFINITY,
      reason: 'run r may end first',
    });
  });

  it('leaves a node that lacks a tag for one that has it', () => {
    const nodes = [alive('a'), alive('b', { tags: ['db', 'ssd'] })];
    expect(decide({ nodes, preference: { tags: ['db', 'ssd'] } })).toMatchObject({
      kind: 'take',
      by: ['b'],
      reason: 'node a lacks the tags db, ssd',
    });
  });

  it('waits for what a living node carries out on request, though its own node is dead or it has none', () => {
    const running = { run: 'r', node: 'b', scope: 'full' } as const;
    const dead = { node: 'a', notSuitable: mark, running };
    expect(decide({ nodes: without('a'), record: dead, markedForMs: 60_000 })).toMatchObject({
      kind: 'wait',
    });
    expect(decide({ nodes: without('a', 'b'), record: dead, markedForMs: 60_000 })).toMatchObject({
      kind: 'take',
      by: ['c'],
    });
    expect(decide({ record: { node: '', running } })).toMatchObject({ kind: 'wait' });
  });
});

describe('a preferred node', () => {
  const preference = { prefer: 'b' };

  it('gets a new task, and one that loses its node', () => {
    for (const record of [undefined, { node: '' }, { node: 'a', notSuitable: mark }]) {
      const decision = decide({ record, preference, nodes: without('a'), markedForMs: 60_000 });
      expect(decision).toMatchObject({ kind: 'take', by: ['b', 'c'] });
    }
  });

  it('gets its task back when it has been there for a while and no run is under way', () => {
    const nodes = [alive('a'), alive('b', { aliveForMs: 10_000 })];
    expect(decide({ preference, nodes })).toMatchObject({ kind: 'wait', leftMs: 20_000 });
    expect(decide({ preference })).toMatchObject({ kind: 'take', by: ['b'] });
    const running = { run: 'r', node: 'a', scope: 'full' } as const;
    expect(decide({ preference, record: { node: 'a', running } })).toMatchObject({ kind: 'wait' });
  });

  it('gets nothing while it drains or lacks a tag', () => {
    const nodes = [alive('a', { tags: ['db'] }), alive('b', { draining: true })];
    expect(decide({ preference, nodes })).toMatchObject({ kind: 'stay' });
    expect(
      decide({ preference: { prefer: 'b', tags: ['db'] }, nodes: [nodes[0] as AliveNode, alive('b')] }),
    ).toMatchObject({
      kind: 'stay',
    });
  });
});

describe('where no node may run it', () => {
  const preference = { prefer: 'b', pin: true };

  it('a pinned task waits for its node, and is taken from any other', () => {
    const nodes = without('b');
    const reason = 'the task is pinned to node b, which is not alive';
    expect(decide({ preference, nodes })).toEqual({ kind: 'release', by: ['a'], reason });
    expect(decide({ preference, nodes, record: { node: 'b' } })).toEqual({ kind: 'stay', reason });
    expect(decide({ preference, nodes, record: { node: '' } })).toEqual({ kind: 'stay', reason });
  });

  it('a new task gets a record without a node, and why is said', () => {
    const decision = decide({ record: undefined, preference: { tags: ['db'] } });
    expect(decision).toMatchObject({
      kind: 'release',
      reason: 'no node that takes tasks has all of the tags db',
    });
    expect('by' in decision && decision.by).toHaveLength(3);
    const nodes = [alive('a', { draining: true }), alive('b', { draining: true })];
    expect(decide({ record: undefined, nodes })).toMatchObject({ reason: 'every node drains' });
    expect(decide({ record: undefined, nodes: nodes.slice(1) })).toMatchObject({ reason: 'node b drains' });
  });

  it('the run that goes on there may end', () => {
    const running = { run: 'r', node: 'a', scope: 'full' } as const;
    expect(decide({ preference, nodes: without('b'), record: { node: 'a', running } })).toMatchObject({
      kind: 'wait',
    });
  });
});
