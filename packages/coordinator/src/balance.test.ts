import { setImmediate as turn } from 'node:timers/promises';
import { FakeClock, MemoryClusterStore, MemoryClusterTable } from '@holdfast/testing';
import { expect, it } from 'vitest';
import { Assigner } from './assigner.ts';
import { Assignments } from './assignments.ts';
import { ClusterView } from './cluster-view.ts';
import { aTask, nodeRecord } from './declared.fixture.ts';
import { keys } from './keys.ts';
import { Ledger } from './ledger.ts';

const { signal } = new AbortController();
const moveAfterMs = 30_000;

/** Nodes of which only the part that decides works. */
class Crowd implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly #table = new MemoryClusterTable();
  readonly #store = new MemoryClusterStore({ clock: this.clock, table: this.#table });
  readonly #ends = new Map<string, { readonly over: AbortController; readonly running: Promise<unknown> }>();

  async declare(count: number): Promise<void> {
    const tasks = Object.fromEntries(Array.from({ length: count }, (_, i) => [`task-${i}`, aTask]));
    const objects = { sources: {}, destinations: {}, notifications: {}, tasks };
    await new Ledger({ store: this.#store, clock: this.clock }).replaceObjects(objects, 0, { signal });
  }

  async join(node: string, capacity: number): Promise<void> {
    const { clock } = this;
    const store = new MemoryClusterStore({ clock, table: this.#table });
    const value = JSON.stringify(nodeRecord(node, capacity));
    const own = await store.transact({ puts: [{ key: keys.node(node), value }] }, { signal });
    const view = new ClusterView(store);
    const since = await view.load({ signal });
    const over = new AbortController();
    const assigner = new Assigner({
      node,
      view,
      assignments: new Assignments({ store, clock, node, revision: () => own }),
      clock,
      moveAfterMs,
      adopted: () => ({}),
    });
    const running = Promise.allSettled([
      view.follow(since, { signal: over.signal }),
      assigner.run({ signal: over.signal }),
    ]);
    this.#ends.set(node, { over, running });
  }

  async leave(node: string): Promise<void> {
    const end = this.#ends.get(node);
    end?.over.abort();
    await end?.running;
    this.#ends.delete(node);
    await this.#store.transact({ deletes: [keys.node(node)] }, { signal });
  }

  /** How many tasks each node has, after so long. */
  async after(ms: number): Promise<Record<string, number>> {
    for (let passed = 0; passed < ms; passed += 1000) {
      await this.clock.advance(1000);
      for (let n = 0; n < 20; n += 1) await turn();
    }
    const counts: Record<string, number> = {};
    for (const { value } of (await this.#store.list(keys.tasks, { signal })).entries) {
      const { node } = JSON.parse(value) as { node: string };
      counts[node] = (counts[node] ?? 0) + 1;
    }
    return counts;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { over, running } of this.#ends.values()) {
      over.abort();
      await running;
    }
  }
}

it('tasks that cost nothing to move are shared out anew when nodes come and go, by what each can carry', async () => {
  await using crowd = new Crowd();
  await crowd.join('a', 1);
  await crowd.join('b', 1);
  await crowd.declare(60);
  expect(await crowd.after(120_000)).toEqual({ a: 30, b: 30 });
  await crowd.join('c', 1);
  expect(await crowd.after(20_000)).toEqual({ a: 30, b: 30 });
  expect(await crowd.after(180_000)).toEqual({ a: 20, b: 20, c: 20 });
  await crowd.leave('a');
  expect(await crowd.after(240_000)).toEqual({ b: 30, c: 30 });
  await crowd.join('d', 2);
  expect(await crowd.after(240_000)).toEqual({ b: 15, c: 15, d: 30 });
});
