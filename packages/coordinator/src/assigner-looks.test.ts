import { setImmediate as turn } from 'node:timers/promises';
import type { DeclaredTask } from '@holdfast/core';
import { FakeClock, failingStore, MemoryClusterStore } from '@holdfast/testing';
import { expect, it } from 'vitest';
import { Assigner } from './assigner.ts';
import { Assignments } from './assignments.ts';
import { ClusterView } from './cluster-view.ts';
import { nodeRecord } from './declared.fixture.ts';
import { noObjects } from './entries.ts';
import { keys } from './keys.ts';
import { Ledger } from './ledger.ts';
import type { RunRecord, TaskRecord } from './records.ts';
import { newTask } from './transitions.ts';

const { signal } = new AbortController();
const o = { signal };
const moveAfterMs = 30_000;

/** Node `a` decides; nodes come and go as the test says. Far less time passes than until all tasks are looked at. */
class Bench implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly store = new MemoryClusterStore({ clock: this.clock });
  readonly counting = failingStore(this.store);
  readonly view = new ClusterView(this.counting);
  readonly ledger = new Ledger(this);
  isConnected = true;
  readonly #over = new AbortController();
  #running: Promise<unknown> = Promise.resolve();

  async start(specs: Readonly<Record<string, Partial<DeclaredTask>>>): Promise<void> {
    await this.declare(specs);
    const since = await this.view.load(o);
    const { signal: over } = this.#over;
    const assignments = new Assignments({
      store: this.counting,
      clock: this.clock,
      node: 'a',
      revision: () => this.view.nodes.get('a')?.revision,
    });
    const assigner = new Assigner({
      node: 'a',
      view: this.view,
      assignments,
      clock: this.clock,
      moveAfterMs,
      adopted: () => ({}),
      isConnected: () => this.isConnected,
    });
    this.#running = Promise.allSettled([
      this.view.follow(since, { signal: over }),
      assigner.run({ signal: over }),
    ]);
    await this.pass(0);
  }

  async declare(specs: Readonly<Record<string, Partial<DeclaredTask>>>): Promise<void> {
    const base = { source: 's', type: 'logical', timezone: 'UTC', destinations: [], require: 'all' } as const;
    const tasks = Object.fromEntries(
      Object.entries(specs).map(([name, spec]) => [name, { ...base, full: '0 2 * * *', ...spec }]),
    );
    const { revision } = await this.ledger.objects(o);
    await this.ledger.replaceObjects({ ...noObjects, tasks }, revision, o);
  }

  async come(node: string, tags: readonly string[] = []): Promise<void> {
    const record = { ...nodeRecord(node), tags };
    await this.store.transact({ puts: [{ key: keys.node(node), value: JSON.stringify(record) }] }, o);
    await this.pass(0);
  }

  async go(node: string): Promise<void> {
    await this.store.transact({ deletes: [keys.node(node)] }, o);
    await this.pass(0);
  }

  async put(record: TaskRecord): Promise<void> {
    await this.store.transact({ puts: [{ key: keys.task(record.task), value: JSON.stringify(record) }] }, o);
  }

  /** Makes a run by hand on a node. */
  async runOn(node: string): Promise<RunRecord> {
    const start = { scope: 'full', node, trigger: 'manual', reason: 'asked for' } as const;
    return (await this.ledger.startByHand('shop', () => start, o)).run;
  }

  async task(): Promise<TaskRecord | undefined> {
    return (await this.ledger.task('shop', o))?.value;
  }

  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 500) await this.clock.advance(Math.min(500, left));
    for (let n = 0; n < 20; n += 1) await turn();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort();
    await this.#running;
  }
}

it('a task that was declared before any node was there is taken as soon as one comes', async () => {
  await using bench = new Bench();
  await bench.start({ shop: {} });
  expect(await bench.task()).toBeUndefined();
  await bench.come('a');
  expect(await bench.task()).toMatchObject({ node: 'a', generation: 1 });
});

it('a task of a dead node that no other could have is looked at as soon as a node comes', async () => {
  await using bench = new Bench();
  await bench.put(newTask('shop', 'dead', 0));
  await bench.start({ shop: { nodes: { tags: ['db'] } } });
  expect((await bench.task())?.notSuitable).toBeUndefined();
  await bench.come('a', ['db']);
  expect((await bench.task())?.notSuitable).toMatchObject({ reason: 'node dead gives no sign of life' });
  await bench.pass(moveAfterMs + 1000);
  expect(await bench.task()).toMatchObject({ node: 'a', generation: 2 });
});

it('a node that came back to drain gives its task away, marked as it was', async () => {
  await using bench = new Bench();
  await bench.put({ ...newTask('shop', 'b', 0), notSuitable: { sinceMs: 0, reason: 'silent' } });
  await bench.ledger.setDrain('b', true, o);
  await bench.come('a');
  await bench.come('b');
  await bench.start({ shop: {} });
  // Its own assigner would take the mark back; where it does not, another one does.
  await bench.pass(10_000);
  expect(await bench.task()).toMatchObject({ node: 'a', generation: 2 });
});

it('a run of a node that went is ended after a while, where its task stays', async () => {
  await using bench = new Bench();
  await bench.come('a');
  await bench.come('b');
  await bench.put(newTask('shop', 'a', 0));
  await bench.start({ shop: {} });
  const run = await bench.runOn('b');
  await bench.go('b');
  await bench.pass(moveAfterMs - 1000);
  expect((await bench.task())?.running).toMatchObject({ run: run.id });
  await bench.pass(2000);
  expect(await bench.task()).toMatchObject({ node: 'a', generation: 1 });
  expect(await bench.ledger.run(run.id, o)).toMatchObject({ state: 'interrupted' });
});

it('a lost run of a task whose node is dead, or that is no longer declared, is ended by any other node', async () => {
  for (const specs of [{ shop: { nodes: { prefer: 'dead', pin: true } } }, {}]) {
    await using bench = new Bench();
    await bench.come('a');
    await bench.come('b');
    await bench.put(newTask('shop', 'dead', 0));
    const run = await bench.runOn('b');
    await bench.start(specs);
    await bench.go('b');
    await bench.pass(moveAfterMs + 1000);
    expect((await bench.task())?.running).toBeUndefined();
    expect(await bench.ledger.run(run.id, o)).toMatchObject({ state: 'interrupted' });
  }
});

it('a task of a dead node waits for what a living one carries out, without a try in between', async () => {
  await using bench = new Bench();
  await bench.come('a');
  await bench.come('b');
  await bench.put({ ...newTask('shop', 'dead', 0), notSuitable: { sinceMs: 0, reason: 'silent' } });
  await bench.start({ shop: {} });
  const run = await bench.runOn('b');
  await bench.pass(moveAfterMs);
  const before = bench.counting.calls.length;
  await bench.pass(20_000);
  expect(bench.counting.calls.slice(before)).toEqual([]);
  const outcome = { state: 'failed', error: { code: 'internal', message: 'no' } } as const;
  await bench.ledger.finish(run, outcome, () => [], o);
  await bench.pass(5000);
  expect((await bench.task())?.node).toBe('a');
});

it('what is due while the store cannot be reached is done when it can', async () => {
  await using bench = new Bench();
  await bench.come('a');
  await bench.start({});
  bench.isConnected = false;
  await bench.declare({ shop: {} });
  await bench.pass(5000);
  expect(await bench.task()).toBeUndefined();
  bench.isConnected = true;
  await bench.pass(1500);
  expect(await bench.task()).toMatchObject({ node: 'a' });
});
