import { setImmediate as turn } from 'node:timers/promises';
import type { Revision, Sig, Transaction } from '@holdfast/core';
import { FakeClock, MemoryClusterStore, MemoryClusterTable } from '@holdfast/testing';
import { describe, expect, it } from 'vitest';
import { Assigner } from './assigner.ts';
import { Assignments } from './assignments.ts';
import { ClusterView } from './cluster-view.ts';
import { aTask, nodeRecord } from './declared.fixture.ts';
import { keys } from './keys.ts';
import { Ledger } from './ledger.ts';
import { rankNodes } from './rendezvous.ts';
import { newTask } from './transitions.ts';

const { signal } = new AbortController();
const o = { signal };

/** Whatever is to happen at this moment has happened. */
async function quiet(): Promise<void> {
  for (let n = 0; n < 20; n += 1) await turn();
}

/** A store that takes a while for each transaction: until it is let go on. */
class SlowStore extends MemoryClusterStore {
  underWay = 0;
  underWayMost = 0;
  gate = Promise.withResolvers<void>();

  override async transact(transaction: Transaction, sig: Sig): Promise<Revision> {
    this.underWay += 1;
    this.underWayMost = Math.max(this.underWayMost, this.underWay);
    await this.gate.promise;
    this.underWay -= 1;
    return super.transact(transaction, sig);
  }
}

/** Node `a` decides; what the others do, the test writes. */
class Bench implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly #table = new MemoryClusterTable();
  readonly slow = new SlowStore({ clock: this.clock, table: this.#table });
  readonly others = new MemoryClusterStore({ clock: this.clock, table: this.#table });
  readonly view = new ClusterView(this.slow);
  readonly #over = new AbortController();
  #running: Promise<unknown> = Promise.resolve();

  async declare(names: readonly string[]): Promise<void> {
    const ledger = new Ledger({ store: this.others, clock: this.clock });
    const tasks = Object.fromEntries(names.map((name) => [name, aTask]));
    await ledger.replaceObjects({ sources: {}, destinations: {}, notifications: {}, tasks }, 0, o);
  }

  async join(node: string): Promise<Revision> {
    const value = JSON.stringify(nodeRecord(node));
    return this.others.transact({ puts: [{ key: keys.node(node), value }] }, o);
  }

  /** Records of tasks that a node has. */
  async give(node: string, names: readonly string[]): Promise<void> {
    for (const name of names) {
      const value = JSON.stringify(newTask(name, node, this.clock.now()));
      await this.others.transact({ puts: [{ key: keys.task(name), value }] }, o);
    }
  }

  async run(): Promise<void> {
    const { clock, view, slow } = this;
    const own = await this.join('a');
    const since = await view.load(o);
    const assigner = new Assigner({
      node: 'a',
      view,
      assignments: new Assignments({ store: slow, clock, node: 'a', revision: () => own }),
      clock,
      moveAfterMs: 1000,
      adopted: () => ({ schedule: '', disabled: false }),
    });
    const { signal: over } = this.#over;
    this.#running = Promise.all([view.follow(since, { signal: over }), assigner.run({ signal: over })]);
    this.#running.catch(() => undefined);
    await quiet();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.slow.gate.resolve();
    this.#over.abort();
    await this.#running.catch(() => undefined);
  }
}

function named(count: number): string[] {
  return Array.from({ length: count }, (_, n) => `task-${n}`);
}

describe('Assigner', () => {
  it('a node that takes many tasks writes sixteen of them at once, and no more', async () => {
    await using bench = new Bench();
    await bench.declare(named(100));
    await bench.run();

    expect(bench.slow.underWay).toBe(16);

    bench.slow.gate.resolve();
    await quiet();
    expect(bench.view.tasksOf('a').size).toBe(100);
    expect(bench.slow.underWayMost).toBe(16);
  });

  it('a node that comes while another one takes all tasks is left its share of the rest', async () => {
    await using bench = new Bench();
    await bench.declare(named(100));
    await bench.run();
    await bench.join('b');
    await quiet();

    bench.slow.gate.resolve();
    await quiet();

    const own = bench.view.tasksOf('a').size;
    expect(own).toBeGreaterThanOrEqual(16);
    expect(own).toBeLessThanOrEqual(64);
  });

  it('what a node is about to take counts for what it decides next', async () => {
    await using bench = new Bench();
    const first = named(400).filter((task) => rankNodes(task, [nodeOf('a'), nodeOf('b')], 16)[0] === 'a');
    await bench.declare(first.slice(0, 16));
    await bench.join('b');
    await bench.run();

    // Of 16 tasks each of two nodes is to carry eight.
    expect(bench.slow.underWay).toBe(8);
  });

  it('a task is taken as soon as whoever was named first has enough of others', async () => {
    await using bench = new Bench();
    bench.slow.gate.resolve();
    const isFirst = (task: string): boolean => rankNodes(task, [nodeOf('a'), nodeOf('b')], 1)[0] === 'b';
    const [task = ''] = named(100).filter(isFirst);
    await bench.declare([task]);
    await bench.join('b');
    await bench.run();
    expect(bench.view.task(task)).toBeUndefined();

    await bench.give('b', ['other-1', 'other-2', 'other-3']);
    await quiet();
    await bench.clock.advance(250);
    await quiet();

    expect(bench.view.task(task)?.value.node).toBe('a');
  });
});

function nodeOf(node: string): { node: string; capacity: number; tasks: number } {
  return { node, capacity: 1, tasks: 0 };
}
