import { setImmediate as turn } from 'node:timers/promises';
import type { DeclaredTask, Put } from '@holdfast/core';
import { FakeClock, failingStore, MemoryClusterStore, MemoryClusterTable } from '@holdfast/testing';
import { expect, it } from 'vitest';
import { Assigner, type Deciding } from './assigner.ts';
import { Assignments } from './assignments.ts';
import { ClusterView } from './cluster-view.ts';
import { nodeRecord } from './declared.fixture.ts';
import { type Known, noObjects } from './entries.ts';
import { keys } from './keys.ts';
import type { TaskRecord } from './records.ts';
import { rankNodes } from './rendezvous.ts';
import { newTask } from './transitions.ts';

const nodesCount = 1000;
const tasksCount = 20_000;
const moveAfterMs = 30_000;
const nodes = Array.from({ length: nodesCount }, (_, at) => `node-${String(at).padStart(4, '0')}`);
const tasks = Array.from({ length: tasksCount }, (_, at) => `task-${String(at).padStart(5, '0')}`);
const nodeOf = (at: number): string => nodes[at % nodesCount] as string;

const spec: DeclaredTask = {
  source: 's',
  type: 'logical',
  full: '0 2 * * *',
  timezone: 'UTC',
  destinations: ['near'],
  require: 'all',
};

/** Every decision asks for the task's record once. */
class CountingView extends ClusterView {
  decisions = 0;

  override task(task: string): Known<TaskRecord> | undefined {
    this.decisions += 1;
    return super.task(task);
  }
}

/** A thousand nodes with twenty tasks each, of which some decide here; what they see is one view, to spare memory. */
async function openCluster(deciders: readonly string[]) {
  const clock = new FakeClock();
  const table = new MemoryClusterTable({ changesMax: 1000 });
  fill(table);
  const store = failingStore(new MemoryClusterStore({ clock, table }));
  const view = new CountingView(store);
  const over = new AbortController();
  const { signal } = over;
  const since = await view.load({ signal });
  const running = [view.follow(since, { signal })];
  const decided: (readonly [string, string, Deciding['kind']])[] = [];
  for (const node of deciders) {
    const revision = table.get(keys.node(node))?.revision;
    const assigner = new Assigner({
      node,
      view,
      assignments: new Assignments({ store, clock, node, revision: () => revision }),
      clock,
      moveAfterMs,
      adopted: () => ({}),
      onDecision: (task, { kind }) => decided.push([node, task, kind]),
    });
    running.push(assigner.run({ signal }));
  }
  const pass = async (ms: number): Promise<void> => {
    for (let passedMs = 0; passedMs < ms; passedMs += 250) await clock.advance(250);
    for (let n = 0; n < 20; n += 1) await turn();
  };
  const end = async (): Promise<void> => {
    over.abort();
    await Promise.allSettled(running);
  };
  return { table, store, view, decided, pass, [Symbol.asyncDispose]: end };
}

function fill(table: MemoryClusterTable): void {
  const objects = { ...noObjects, tasks: Object.fromEntries(tasks.map((task) => [task, spec])) };
  const puts: Put[] = [{ key: keys.objects, value: JSON.stringify({ objects, appliedAtMs: 0 }) }];
  for (const node of nodes) {
    puts.push({ key: keys.node(node), value: JSON.stringify(nodeRecord(node, 2)) });
  }
  for (const [at, task] of tasks.entries())
    puts.push({ key: keys.task(task), value: JSON.stringify(newTask(task, nodeOf(at), 0)) });
  table.transact({ puts });
}

const verbs = (calls: readonly string[]): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const call of calls) {
    const [verb = ''] = call.split(' ');
    counts[verb] = (counts[verb] ?? 0) + 1;
  }
  return counts;
};

it('a cluster in which nothing changes asks the store for nothing', { timeout: 120_000 }, async () => {
  await using cluster = await openCluster(nodes.slice(0, 5));
  await cluster.pass(1000);
  const calls = cluster.store.calls.length;
  const { decisions } = cluster.view;
  expect(decisions).toBe(5 * tasksCount);
  await cluster.pass(3 * 60_000);
  expect(cluster.store.calls.length).toBe(calls);
  // Each looks at all tasks once a minute, for what it may have missed, in its own memory.
  expect(cluster.view.decisions - decisions).toBe(5 * 3 * tasksCount);
});

it('what a change of one task costs does not grow with the number of tasks', {
  timeout: 120_000,
}, async () => {
  await using cluster = await openCluster(nodes.slice(0, 5));
  await cluster.pass(1000);
  const { decisions } = cluster.view;
  const record = { ...newTask('task-00007', 'node-0007', 0), pausedSinceMs: 1 };
  cluster.table.transact({ puts: [{ key: keys.task(record.task), value: JSON.stringify(record) }] });
  await cluster.pass(1000);
  expect(cluster.view.decisions - decisions).toBe(5);
});

it('the loss of one node costs decisions and transactions for its tasks alone', {
  timeout: 240_000,
}, async () => {
  const lost = nodeOf(7);
  const its = tasks.filter((_, at) => nodeOf(at) === lost);
  const alive = nodes.filter((node) => node !== lost).map((node) => ({ node, capacity: 2, tasks: 20 }));
  const heirs = new Set(its.flatMap((task) => rankNodes(task, alive, tasksCount).slice(0, 1)));
  const deciders = [...heirs, ...nodes.filter((node) => node !== lost && !heirs.has(node)).slice(0, 3)];
  await using cluster = await openCluster(deciders);
  await cluster.pass(1000);
  const calls = cluster.store.calls.length;
  const { decisions } = cluster.view;
  cluster.table.transact({ deletes: [keys.node(lost)] });
  await cluster.pass(moveAfterMs + 10_000);
  // Each task is marked once and taken once, which looks for old decisions to forget.
  expect(verbs(cluster.store.calls.slice(calls))).toEqual({ transact: 2 * its.length, list: its.length });
  const kinds = (kind: string): string[] =>
    cluster.decided.flatMap((one) => (one[2] === kind ? [one[1]] : []));
  expect(kinds('mark').sort()).toEqual(its);
  expect(kinds('take').sort()).toEqual(its);
  // Of a node and a task: it was seen to be gone, marked, waited for, taken, and has another node; each of it seen.
  expect((cluster.view.decisions - decisions) / deciders.length).toBeLessThan(10 * its.length);
  const loads = deciders.map((node) => cluster.view.tasksOf(node).size);
  expect(Math.max(...loads)).toBeLessThanOrEqual(Math.ceil(tasksCount / (nodesCount - 1)));
});
