import { HoldfastError } from '@holdfast/core';
import { describeClusterStore, FakeClock, MemoryClusterStore, MemoryClusterTable } from '@holdfast/testing';
import { describe, expect, it } from 'vitest';
import { ClusterView } from './cluster-view.ts';
import {
  back,
  Cluster,
  due,
  goApart,
  made,
  o,
  signal,
  silence,
  silent,
  take,
} from './journaled-store.fixture.ts';
import { JournaledStore } from './journaled-store.ts';
import { keys } from './keys.ts';
import type { Message } from './records.ts';

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describeClusterStore('journaled, connected', async () => {
  const clock = new FakeClock();
  const table = new MemoryClusterTable();
  const lines = new Map<unknown, MemoryClusterStore>();
  return {
    ttlMs: 6_000,
    handle: async () => {
      const line = new MemoryClusterStore({ clock, table });
      const journal = new MemoryClusterStore({ clock });
      const store = new JournaledStore({ store: line, journal, node: 'a', clock });
      lines.set(store, line);
      return store;
    },
    cutOff: async (handle) => lines.get(handle)?.cutOff(),
    pass: (ms) => clock.advance(ms),
    forgetChanges: async () => table.forgetChanges(),
    [Symbol.asyncDispose]: async () => {
      for (const line of lines.values()) await line[Symbol.asyncDispose]();
    },
  };
});

describe('apart from the store', () => {
  it('a node goes on with the tasks whose incrementals it makes, and the cluster hears of it later', async () => {
    const cluster = new Cluster();
    await cluster.declare('shop');
    const life = cluster.life();
    const before = await back(life, 'shop', 'c1/0001');
    await goApart(life);
    expect(life.store.apart).toMatchObject({ since: 0, reason: silence });
    await cluster.clock.advance(60_000);
    const run = await back(life, 'shop', 'c1/0002');
    expect((await life.ledger.history('shop', { signal, last: 9 })).map(({ id }) => id)).toEqual([run.id]);
    expect((await cluster.runs('shop')).map(({ id }) => id)).toEqual([before.id]);

    const local = await cluster.record('shop', life.store);
    life.line.reconnect();
    expect(await life.store.reconcile(o)).toMatchObject([{ task: 'shop', outcome: 'kept', runs: 1 }]);
    expect(life.store.apart).toBeUndefined();
    expect(await cluster.record('shop')).toEqual(local);
    expect(await cluster.runs('shop')).toEqual([before, run]);
    expect(await cluster.decisions('shop')).toMatchObject([
      { kind: 'apart', node: 'a', generation: 1, by: 'a' },
    ]);
    expect(await life.store.hasJournal(o)).toBe(false);
    expect((await cluster.record('shop')).runsCount).toBe(2);
  });

  it('refuses what is not its own, and says what goes on and when the rest does', async () => {
    const cluster = new Cluster();
    await cluster.declare('shop');
    await cluster.declare('other', 'b');
    const notOwned = await cluster.declare('young');
    const { owner: _owner, ...young } = notOwned;
    await cluster.write(cluster.b, young);
    const life = cluster.life();
    await goApart(life);
    const { store } = life;
    const put = (key: string, value: unknown): Promise<number> =>
      store.transact({ puts: [{ key, value: JSON.stringify(value) }] }, o);
    const shop = await cluster.record('shop');
    for (const refused of [
      put(keys.objects, {}),
      put(keys.task('other'), await cluster.record('other')),
      put(keys.task('young'), young),
      put(keys.task('new'), shop),
      put(keys.run('other-20261120T140000000Z'), {}),
      put(keys.node('a'), {}),
      put(keys.message('m'), { task: 'other', node: 'a' }),
      put(keys.message('m'), 'nonsense'),
      put(keys.task('shop'), { ...shop, node: 'b' }),
      put(keys.task('shop'), { ...shop, generation: 2 }),
      store.transact({ deletes: [keys.task('shop')] }, o),
      store.transact({ deletes: [keys.drain('a')] }, o),
      // Whole or nothing.
      store.transact(
        { puts: [{ key: keys.task('shop'), value: JSON.stringify(shop) }], deletes: [keys.task('other')] },
        o,
      ),
    ])
      await expect(refused).rejects.toMatchObject({
        code: 'unavailable',
        reason: expect.stringContaining('cannot be reached since 2026-11-20T14:00:00.000Z: no etcd answers'),
        hint: expect.stringContaining('whose incrementals node a makes go on'),
      });
    expect((await store.list(keys.tasks, o)).entries).toEqual((await cluster.b.list(keys.tasks, o)).entries);
    life.line.reconnect();
    expect(await store.reconcile(o)).toEqual([]);
  });

  it('reads what was seen; what it cannot know it does not invent', async () => {
    const cluster = new Cluster();
    await cluster.declare('shop');
    await cluster.declare('other', 'b');
    const life = cluster.life();
    await goApart(life);
    const { store } = life;
    expect(await store.get(keys.task('other'), o)).toEqual(await cluster.b.get(keys.task('other'), o));
    for (const unknown of [
      store.get(keys.objects, o),
      store.get(keys.task('never'), o),
      store.get('runs/shop/20261120T130000000Z', o),
      store.list(keys.runsOf('other'), o),
      store.list('', o),
      store.transact({ checks: [{ key: 'runs/shop/20261120T130000000Z', revision: 'absent' }] }, o),
    ])
      await expect(unknown).rejects.toMatchObject({
        code: 'unavailable',
        hint: expect.stringContaining('answers'),
      });
    for (const prefix of [keys.runsOf('shop'), keys.outbox, keys.nodes, keys.decisionsOf('shop')])
      expect((await store.list(prefix, o)).entries).toEqual([]);
  });

  it('checks are compared with what is there; revisions grow and are none of the cluster', async () => {
    const cluster = new Cluster();
    await cluster.declare('shop');
    const life = cluster.life();
    await goApart(life);
    const { store } = life;
    const key = keys.task('shop');
    const seen = await store.get(key, o);
    const revision = seen?.revision as number;
    const change = (at: number): Promise<number> =>
      store.transact({ checks: [{ key, revision: at }], puts: [{ key, value: seen?.value ?? '' }] }, o);
    const tries = await Promise.allSettled([change(revision), change(revision)]);
    expect(tries.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    expect(tries[1]).toMatchObject({ reason: { code: 'conflict' } });
    const first = (await store.get(key, o))?.revision as number;
    const second = await change(first);
    expect([first > revision, second > first, second < revision + 1]).toEqual([true, true, true]);
    const run = { key: 'runs/shop/20261120T140000000Z', value: '{}' };
    const third = await store.transact({ puts: [run] }, o);
    expect(await store.list(keys.runsOf('shop'), o)).toEqual({
      entries: [{ ...run, revision: third }],
      revision: third,
    });
    await store.transact({ deletes: [run.key] }, o);
    expect(await store.get(run.key, o)).toBeUndefined();
    expect(await store.transact({ deletes: [run.key] }, o)).toBe((await store.list(keys.tasks, o)).revision);
    expect((await store.list(keys.runsOf('shop'), { signal, last: 1 })).entries).toEqual([]);

    life.line.reconnect();
    await store.reconcile(o);
    await expect(change(second)).rejects.toMatchObject({ code: 'conflict' });
  });

  it('a watch goes on across the cut, and has to list anew after the return', async () => {
    const cluster = new Cluster();
    await cluster.declare('shop');
    const life = cluster.life();
    const view = new ClusterView(life.store);
    const since = await view.load(o);
    const end = new AbortController();
    const following = view.follow(since, { signal: end.signal });
    await settle();
    await goApart(life);
    await settle();
    const run = await take(life, 'shop');
    await settle();
    expect(view.task('shop')?.value.running?.run).toBe(run.id);
    await cluster.declare('late', 'b');
    life.line.reconnect();
    await life.store.reconcile(o);
    for (let i = 0; i < 10; i += 1) await settle();
    expect(view.task('late')).toBeDefined();
    expect(view.task('shop')?.revision).toBe((await cluster.b.get(keys.task('shop'), o))?.revision);
    const known = view.task('shop');
    await life.ledger.begin(run, o);
    await settle();
    expect(view.task('shop')?.revision).toBeGreaterThan(known?.revision ?? 0);
    end.abort(new HoldfastError('cancelled', 'over'));
    await expect(following).rejects.toMatchObject({ code: 'cancelled' });
  });

  it('a transaction that is on its way when the node goes apart rejects: nobody knows whether it happened', async () => {
    const cluster = new Cluster();
    await cluster.declare('shop');
    const life = cluster.life({ transact: ['hang'] });
    const hanging = take(life, 'shop');
    const rejected = expect(hanging).rejects.toMatchObject({ code: 'unavailable', cause: silence });
    await settle();
    await goApart(life);
    await rejected;
  });

  it('a message that was delivered meanwhile is not delivered again; one that was not waits in the cluster', async () => {
    const cluster = new Cluster();
    await cluster.declare('shop');
    const message = (id: string): Message => ({
      id,
      event: 'failure',
      task: 'shop',
      atMs: 0,
      to: 'mail',
      text: 'it failed',
      node: 'a',
    });
    const put = (one: Message): { key: string; value: string } => ({
      key: keys.message(one.id),
      value: JSON.stringify(one),
    });
    await cluster.b.transact({ puts: [put(message('before'))] }, o);
    const life = cluster.life();
    await goApart(life);
    await life.store.transact({ puts: [put(message('told')), put(message('waits'))] }, o);
    for (const id of ['before', 'told']) await life.ledger.deleteMessage(id, o);
    expect((await life.ledger.messages(o)).map(({ value }) => value.id)).toEqual(['waits']);
    life.line.reconnect();
    await life.store.reconcile(o);
    expect((await cluster.ledgerB.messages(o)).map(({ value }) => value.id)).toEqual(['waits']);
  });

  it('a node that ends while apart finds its journal, and goes on with it or tells the cluster', async () => {
    const cluster = new Cluster();
    await cluster.declare('shop');
    const first = cluster.life();
    await goApart(first);
    const runs = [await back(first, 'shop', 'c1/0001')];

    const second = cluster.life();
    second.line.cutOff();
    expect(await second.store.hasJournal(o)).toBe(true);
    await expect(second.store.reconcile(o)).rejects.toMatchObject({ code: 'unavailable' });
    await second.store.enter([], silence, o);
    await cluster.clock.advance(60_000);
    runs.push(await back(second, 'shop', 'c1/0002'));

    const third = cluster.life();
    expect(await third.store.hasJournal(o)).toBe(true);
    expect(await third.store.reconcile(o)).toMatchObject([{ task: 'shop', outcome: 'kept', runs: 2 }]);
    expect(await third.store.hasJournal(o)).toBe(false);
    expect(await cluster.runs('shop')).toEqual(runs);
    expect(await third.store.reconcile(o)).toEqual([]);
  });

  it('the journal of another node is refused', async () => {
    const cluster = new Cluster();
    const { clock, journalTable } = cluster;
    await cluster.declare('shop');
    await goApart(cluster.life());
    const store = new JournaledStore({
      store: cluster.b,
      journal: new MemoryClusterStore({ clock, table: journalTable }),
      node: 'c',
      clock,
    });
    await expect(store.hasJournal(o)).rejects.toMatchObject({
      code: 'precondition_failed',
      hint: expect.stringContaining('start the node as a'),
    });
  });

  it('where the journal fails the node stays connected, and a transaction is refused that would not be durable', async () => {
    const cluster = new Cluster();
    await cluster.declare('shop');
    const full = cluster.life({}, { transact: ['exhausted', 'ok', 'ok', 'exhausted'] });
    await expect(full.store.enter(await full.seen(), silence, o)).rejects.toMatchObject({
      code: 'exhausted',
    });
    expect(full.store.apart).toBeUndefined();
    await goApart(full);
    await expect(take(full, 'shop')).rejects.toMatchObject({ code: 'exhausted' });
    expect((await cluster.record('shop', full.store)).running).toBeUndefined();
    await take(full, 'shop');
  });

  it('transactions of this node wait while the cluster is told of a task, and then go where they belong', async () => {
    const cluster = new Cluster();
    await cluster.declare('shop');
    const life = cluster.life();
    await goApart(life);
    const run = await take(life, 'shop');
    life.line.reconnect();
    const reconciling = life.store.reconcile(o);
    const begun = await life.ledger.begin(run, o);
    await life.ledger.finish(begun, { state: 'succeeded', made: made('c1/0001') }, silent, o);
    await reconciling;
    expect(await cluster.runs('shop')).toMatchObject([{ id: run.id, state: 'succeeded' }]);
    expect((await cluster.record('shop')).lastGood?.backup).toBe('c1/0001');
    const given = new AbortController();
    given.abort(new HoldfastError('cancelled', 'enough'));
    const known = await life.ledger.task('shop', o);
    if (known) await expect(life.ledger.take(known, due, given)).rejects.toMatchObject({ code: 'cancelled' });
  });
});
