import { expect, it } from 'vitest';
import { type Candidate, rankNodes } from './rendezvous.ts';

const names = (count: number): string[] => Array.from({ length: count }, (_, at) => `node-${at}`);

function candidates(count: number, over: Partial<Candidate> = {}): Candidate[] {
  return names(count).map((node) => ({ node, capacity: 1, tasks: 0, ...over }));
}

/** Gives tasks out one after the other, each to the first that is named; how many each node got. */
function giveOut(tasks: number, nodes: readonly Candidate[]): Map<string, number> {
  const loads = new Map(nodes.map(({ node }) => [node, 0]));
  for (let task = 0; task < tasks; task += 1) {
    const now = nodes.map((one) => ({ ...one, tasks: loads.get(one.node) ?? 0 }));
    const [first = ''] = rankNodes(`task-${task}`, now, tasks);
    loads.set(first, (loads.get(first) ?? 0) + 1);
  }
  return loads;
}

it('names every node once, in an order that is the same for all who ask', () => {
  const nodes = candidates(20);
  const ranked = rankNodes('shop', nodes, 100);
  expect([...ranked].sort()).toEqual(names(20).sort());
  expect(rankNodes('shop', nodes.toReversed(), 100)).toEqual(ranked);
});

it('names a node that went in no order any more, and changes nothing else in it', () => {
  for (let task = 0; task < 50; task += 1) {
    const ranked = rankNodes(`task-${task}`, candidates(10), 1000);
    const without = candidates(10).filter(({ node }) => node !== 'node-3');
    expect(rankNodes(`task-${task}`, without, 1000)).toEqual(ranked.filter((node) => node !== 'node-3'));
  }
});

it('spreads the tasks of a node that went over all that are left', () => {
  const heirs = new Set<string>();
  for (let task = 0; task < 200; task += 1) {
    const [first, second = ''] = rankNodes(`task-${task}`, candidates(6), 1000);
    if (first === 'node-0') heirs.add(second);
  }
  expect([...heirs].sort()).toEqual(names(6).slice(1));
});

it('gives no node more than its share', () => {
  for (const [tasks, count] of [
    [1000, 10],
    [100, 7],
    [30, 3],
  ] as const) {
    const loads = [...giveOut(tasks, candidates(count)).values()];
    expect(loads.reduce((a, b) => a + b)).toBe(tasks);
    expect(Math.max(...loads)).toBeLessThanOrEqual(Math.ceil(tasks / count));
  }
});

it('gives a node with three times the capacity three times the tasks', () => {
  const nodes = [{ node: 'big', capacity: 3, tasks: 0 }, ...candidates(3)];
  const loads = giveOut(600, nodes);
  expect(loads.get('big')).toBe(300);
});

it('puts a node that has its share behind those that have room, and still names it', () => {
  const nodes = [
    { node: 'full', capacity: 1, tasks: 80 },
    { node: 'empty', capacity: 1, tasks: 0 },
  ];
  for (let task = 0; task < 20; task += 1)
    expect(rankNodes(`task-${task}`, nodes, 80)).toEqual(['empty', 'full']);
});
