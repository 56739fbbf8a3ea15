import { describe, expect, it } from 'vitest';
import {
  back,
  broken,
  Cluster,
  due,
  goApart,
  type Life,
  made,
  o,
  signal,
  silence,
  silent,
  take,
} from './journaled-store.fixture.ts';
import { keys, nextRunId } from './keys.ts';
import type { RunRecord, TaskRecord } from './records.ts';
import { moveTask } from './transitions.ts';

async function apartWith(cluster: Cluster, script = {}): Promise<Life> {
  await cluster.declare('shop');
  const life = cluster.life(script);
  await goApart(life);
  await cluster.clock.advance(60_000);
  return life;
}

/** Another node has taken the task over. */
async function moved(cluster: Cluster, task: string, node: string): Promise<TaskRecord> {
  const record = moveTask(await cluster.record(task), node, { reason: 'node a is gone' });
  await cluster.write(cluster.b, record);
  return record;
}

describe('a task that somebody else has changed meanwhile', () => {
  it('has both: what was made apart, and what people said to the cluster', async () => {
    const cluster = new Cluster();
    const life = await apartWith(cluster);
    const run = await back(life, 'shop', 'c1/0001');
    await cluster.ledgerB.pause('shop', o);
    const { pausedSinceMs } = await cluster.record('shop');
    life.line.reconnect();
    expect(await life.store.reconcile(o)).toMatchObject([{ task: 'shop', outcome: 'merged', runs: 1 }]);
    expect(await cluster.record('shop')).toMatchObject({
      pausedSinceMs,
      lastGood: { run: run.id, backup: 'c1/0001' },
      lastRunId: run.id,
      runsCount: 1,
    });
    expect(await cluster.runs('shop')).toEqual([run]);
  });

  it('keeps a pause that only this node heard of', async () => {
    const cluster = new Cluster();
    const life = await apartWith(cluster);
    const paused = await life.ledger.pause('shop', o);
    const record = await cluster.record('shop');
    await cluster.write(cluster.b, { ...record, nodeReason: 'looked at again' });
    life.line.reconnect();
    expect(await life.store.reconcile(o)).toMatchObject([{ outcome: 'merged', runs: 0 }]);
    expect(await cluster.record('shop')).toMatchObject({
      pausedSinceMs: paused.pausedSinceMs,
      nodeReason: 'looked at again',
    });
  });

  it('gets a run that was asked for by hand at another node, although nobody has carried it out', async () => {
    const cluster = new Cluster();
    const life = await apartWith(cluster);
    const own = await back(life, 'shop', 'c1/0001');
    await cluster.clock.advance(1_000);
    const byHand = { scope: 'full', trigger: 'manual', reason: 'by hand' } as const;
    const { run } = await cluster.ledgerB.startByHand('shop', () => byHand, o);
    life.line.reconnect();
    await life.store.reconcile(o);
    const record = await cluster.record('shop');
    expect(record.running).toBeUndefined();
    expect(record.owed).toMatchObject({ scope: 'full', reason: expect.stringContaining(run.id) });
    expect(record).toMatchObject({ lastRunId: run.id, runsCount: 2, lastGood: { run: own.id } });
    expect(await cluster.runs('shop')).toMatchObject([
      { id: own.id, state: 'succeeded' },
      {
        id: run.id,
        state: 'interrupted',
        error: { message: expect.stringContaining('could not be reached') },
      },
    ]);
  });

  it('lets a run here keep its id when the cluster has given it to another', async () => {
    const cluster = new Cluster();
    const life = await apartWith(cluster);
    const byHand = { scope: 'full', trigger: 'manual', reason: 'by hand' } as const;
    const other = (await cluster.ledgerB.startByHand('shop', () => byHand, o)).run;
    const live = await life.ledger.begin(await take(life, 'shop'), o);
    expect(live.id).toBe(other.id);
    life.line.reconnect();
    await life.store.reconcile(o);
    expect((await cluster.record('shop')).running?.run).toBe(live.id);
    expect(await cluster.runs('shop')).toMatchObject([
      { id: live.id, state: 'running', trigger: 'schedule' },
      { id: nextRunId('shop', 0, live.id), state: 'interrupted', trigger: 'manual' },
    ]);
    await life.ledger.finish(live, { state: 'succeeded', made: made('c1/0001') }, silent, o);
  });

  it('does not owe a run that others took for lost and that has ended here', async () => {
    const cluster = new Cluster();
    await cluster.declare('shop');
    const life = cluster.life();
    const run = await life.ledger.begin(await take(life, 'shop'), o);
    await goApart(life);
    await cluster.ledgerB.interrupt(run, 'node a went away during the run', o);
    await life.ledger.finish(run, { state: 'succeeded', made: made('c1/0001') }, silent, o);
    life.line.reconnect();
    expect(await life.store.reconcile(o)).toMatchObject([{ outcome: 'merged' }]);
    const record = await cluster.record('shop');
    expect([record.owed, record.running, record.lastAttempt?.state]).toEqual([
      undefined,
      undefined,
      'succeeded',
    ]);
    expect(await cluster.runs('shop')).toMatchObject([{ id: run.id, state: 'succeeded' }]);
  });

  it('has a run ended that this node has ended, but of which the answer was lost', async () => {
    const cluster = new Cluster();
    await cluster.declare('shop');
    // Taken, begun, ended; the last answer does not arrive.
    const life = cluster.life({ transact: ['ok', 'ok', 'lost'] });
    const run = await life.ledger.begin(await take(life, 'shop'), o);
    const before = await life.seen();
    const finish = life.ledger.finish(run, { state: 'succeeded', made: made('c1/0001') }, silent, o);
    await expect(finish).rejects.toMatchObject({ code: 'unavailable' });
    life.line.cutOff();
    await life.store.enter(before, silence, o);
    expect((await life.ledger.pause('shop', o)).running?.run).toBe(run.id);
    life.line.reconnect();
    expect(await life.store.reconcile(o)).toMatchObject([{ outcome: 'merged' }]);
    const record = await cluster.record('shop');
    expect(record).toMatchObject({
      pausedSinceMs: cluster.clock.now(),
      lastGood: { run: run.id },
      runsCount: 1,
    });
    expect(record.running).toBeUndefined();
    expect(await cluster.runs('shop')).toMatchObject([{ state: 'succeeded' }]);
  });
});

describe('a task that has another node or generation by now', () => {
  it('keeps its owner; what was made apart is in history, restores and does not count', async () => {
    const cluster = new Cluster();
    const life = await apartWith(cluster);
    const good = await back(life, 'shop', 'c1/0001');
    await cluster.clock.advance(1_000);
    const bad = await life.ledger.begin(await take(life, 'shop'), o);
    await life.ledger.finish(bad, { state: 'failed', error: broken }, silent, o);
    await cluster.clock.advance(1_000);
    const live = await life.ledger.begin(await take(life, 'shop'), o);
    const record = await moved(cluster, 'shop', 'b');
    life.line.reconnect();
    const [told] = await life.store.reconcile(o);
    expect(told).toMatchObject({ task: 'shop', outcome: 'closed', runs: 3 });
    expect(told?.reason).toContain('node b is responsible since generation 2: 1 backup made meanwhile');
    // The next run of the new node ends what those may keep in the source that may have begun a chain.
    expect(await cluster.ledgerB.task('shop', o)).toMatchObject({
      value: { ...record, forsaken: [bad.id, live.id] },
    });
    const closed =
      'the backup exists and restores, but its chain is closed: node b is responsible since generation 2';
    expect(await cluster.runs('shop')).toMatchObject([
      { id: good.id, state: 'interrupted', made: good.made, error: { code: 'lease_lost', message: closed } },
      { id: bad.id, state: 'failed', error: broken },
      { id: live.id, state: 'interrupted', error: { code: 'lease_lost' }, endedAtMs: cluster.clock.now() },
    ]);
    expect(await cluster.decisions('shop')).toMatchObject([
      { kind: 'closed', node: 'b', generation: 2, by: 'a', reason: told?.reason },
    ]);
    const finish = life.ledger.finish(live, { state: 'succeeded', made: made('c1/0002') }, silent, o);
    await expect(finish).rejects.toMatchObject({ code: 'lease_lost' });
  });

  it('has its record written although it stays: another node that was apart must not take history for what it was', async () => {
    const cluster = new Cluster();
    const life = await apartWith(cluster);
    await back(life, 'shop', 'c1/0001');
    const record = await moved(cluster, 'shop', 'b');
    const before = await cluster.ledgerB.task('shop', o);
    life.line.reconnect();
    expect(await life.store.reconcile(o)).toMatchObject([{ outcome: 'closed', runs: 1 }]);
    const after = await cluster.ledgerB.task('shop', o);
    expect(after?.value).toEqual(record);
    expect(after?.revision).toBeGreaterThan(before?.revision ?? Number.NaN);
  });

  it('gives its runs the next ids where the new node has runs of these ids', async () => {
    const cluster = new Cluster();
    const life = await apartWith(cluster);
    const ids = [await take(life, 'shop')].map(({ id }) => id);
    await moved(cluster, 'shop', 'b');
    const known = await cluster.ledgerB.task('shop', o);
    const theirs = known && (await cluster.ledgerB.take(known, due, o)).run;
    expect(theirs?.id).toBe(ids[0]);
    life.line.reconnect();
    await life.store.reconcile(o);
    expect(await cluster.runs('shop')).toMatchObject([
      theirs as RunRecord,
      { id: nextRunId('shop', 0, ids[0]), node: 'a', generation: 1, state: 'interrupted' },
    ]);
  });

  it('is closed also when it came back to the same node', async () => {
    const cluster = new Cluster();
    const life = await apartWith(cluster);
    await back(life, 'shop', 'c1/0001');
    await moved(cluster, 'shop', 'b');
    const record = await moved(cluster, 'shop', 'a');
    life.line.reconnect();
    expect(await life.store.reconcile(o)).toMatchObject([{ outcome: 'closed' }]);
    expect(await cluster.record('shop')).toEqual(record);
  });

  it('that was removed and forgotten leaves nothing but a word about it', async () => {
    const cluster = new Cluster();
    const life = await apartWith(cluster);
    await back(life, 'shop', 'c1/0001');
    await cluster.b.transact({ deletes: [keys.task('shop')] }, o);
    life.line.reconnect();
    expect(await life.store.reconcile(o)).toMatchObject([
      { outcome: 'closed', runs: 0, reason: expect.stringContaining('removed and forgotten') },
    ]);
    expect(await cluster.everything()).toEqual({});
  });

  it('is not this node’s any more while another task has yet to be told', async () => {
    const cluster = new Cluster();
    await cluster.declare('bar');
    const life = await apartWith(cluster, (verb: string, what: string) =>
      verb === 'transact' && what.includes('tasks/shop') ? 'unavailable' : 'ok',
    );
    const live = await take(life, 'bar');
    await take(life, 'shop');
    const record = await moved(cluster, 'bar', 'b');
    life.line.reconnect();
    await expect(life.store.reconcile(o)).rejects.toMatchObject({ code: 'unavailable' });
    expect(life.store.apart).toBeDefined();
    const forsaken = [live.id];
    expect(await cluster.record('bar', life.store)).toEqual({ ...record, forsaken });
    await expect(life.ledger.begin(live, o)).rejects.toMatchObject({ code: 'lease_lost' });
    await expect(life.ledger.pause('bar', o)).rejects.toMatchObject({ code: 'unavailable' });
  });
});

describe('a reconciliation that is disturbed', () => {
  it.each([
    ['kept', async () => undefined],
    ['merged', async (cluster: Cluster) => cluster.ledgerB.pause('shop', o)],
    ['closed', async (cluster: Cluster) => moved(cluster, 'shop', 'b')],
  ] as const)('tells nothing twice when an answer is lost: %s', async (outcome, meddle) => {
    const told = async (script: object, between = async (_life: Life): Promise<unknown> => undefined) => {
      const cluster = new Cluster();
      const life = await apartWith(cluster, script);
      for (let i = 0; i < 3; i += 1) {
        await back(life, 'shop', `c1/000${i}`);
        await cluster.clock.advance(1_000);
      }
      await meddle(cluster);
      life.line.reconnect();
      for (let tries = 0; ; tries += 1) {
        try {
          expect(await life.store.reconcile(o)).toMatchObject([{ task: 'shop', outcome, runs: 3 }]);
          return { everything: await cluster.everything(), tries };
        } catch (caught) {
          if (tries > 0) throw caught;
          expect(caught).toMatchObject({ code: 'unavailable' });
          await between(life);
        }
      }
    };
    const plain = await told({});
    expect(plain.tries).toBe(0);
    const lost = await told({ transact: ['lost'] });
    expect(lost).toEqual({ everything: plain.everything, tries: 1 });
  });

  it('goes on with what the node did between a lost answer and the next attempt', async () => {
    const cluster = new Cluster();
    const life = await apartWith(cluster, { transact: ['lost'] });
    await back(life, 'shop', 'c1/0001');
    await cluster.ledgerB.pause('shop', o);
    life.line.reconnect();
    await expect(life.store.reconcile(o)).rejects.toMatchObject({ code: 'unavailable' });
    await cluster.clock.advance(1_000);
    const second = await back(life, 'shop', 'c1/0002');
    // Somebody builds on what has arrived.
    await cluster.ledgerB.resume('shop', (record) => record.settledMs, o);
    await life.store.reconcile(o);
    const record = await cluster.record('shop');
    expect(record).toMatchObject({ runsCount: 2, lastGood: { run: second.id, backup: 'c1/0002' } });
    expect(record.pausedSinceMs).toBeUndefined();
    expect((await cluster.runs('shop')).map(({ state }) => state)).toEqual(['succeeded', 'succeeded']);
    expect(await cluster.decisions('shop')).toHaveLength(2);
  });

  it('does not take back what it has merged, when the answer to that was lost and the node went on', async () => {
    const cluster = new Cluster();
    const life = await apartWith(cluster, { transact: ['lost'] });
    await back(life, 'shop', 'c1/0001');
    await cluster.ledgerB.pause('shop', o);
    const { pausedSinceMs } = await cluster.record('shop');
    life.line.reconnect();
    await expect(life.store.reconcile(o)).rejects.toMatchObject({ code: 'unavailable' });
    const second = await back(life, 'shop', 'c1/0002');
    expect(await life.store.reconcile(o)).toMatchObject([{ outcome: 'merged', runs: 2 }]);
    const record = await cluster.record('shop');
    expect(record).toMatchObject({ pausedSinceMs, runsCount: 2, lastGood: { run: second.id } });
  });

  it('decides anew when the task is moved while it is being told', async () => {
    const cluster = new Cluster();
    let meddled = 0;
    const life = await apartWith(cluster, (verb: string, what: string) => {
      if (verb === 'transact' && what.includes('runs/shop') && meddled++ === 0)
        void moved(cluster, 'shop', 'b');
      return 'ok';
    });
    await back(life, 'shop', 'c1/0001');
    life.line.reconnect();
    // The transaction is held up until the other node has written.
    const transact = life.line.transact.bind(life.line);
    life.line.transact = async (...args) => {
      await new Promise((resolve) => setImmediate(resolve));
      return transact(...args);
    };
    expect(await life.store.reconcile(o)).toMatchObject([{ outcome: 'closed', runs: 1 }]);
    expect(await cluster.runs('shop')).toMatchObject([{ state: 'interrupted', made: { backup: 'c1/0001' } }]);
  });

  it('is done in so many transactions as the store takes operations, and one that fails is made again', async () => {
    const cluster = new Cluster();
    const life = await apartWith(cluster, { transact: ['ok', 'unavailable', 'lost', 'ok', 'lost'] });
    for (let i = 0; i < 150; i += 1) {
      await back(life, 'shop', `c1/${i}`);
      await cluster.clock.advance(1_000);
    }
    const expected = (await life.store.list(keys.runsOf('shop'), o)).entries.map(({ value }) => value);
    life.line.reconnect();
    let failures = 0;
    while (life.store.apart) await life.store.reconcile(o).catch(() => (failures += 1));
    expect(failures).toBe(3);
    const runs = (await cluster.b.list(keys.runsOf('shop'), o)).entries.map(({ value }) => value);
    expect(runs).toEqual(expected);
    expect(await cluster.record('shop')).toMatchObject({ runsCount: 150, lastGood: { backup: 'c1/149' } });
  });

  it('trims history in the cluster as it was trimmed apart', async () => {
    const cluster = new Cluster();
    const life = await apartWith(cluster);
    for (let i = 0; i < 3; i += 1) {
      await back(life, 'shop', `c1/${i}`);
      await cluster.clock.advance(1_000);
    }
    await life.ledger.trimHistory('shop', { signal, keep: 1 });
    life.line.reconnect();
    await life.store.reconcile(o);
    expect(await cluster.runs('shop')).toMatchObject([{ made: { backup: 'c1/2' } }]);
  });
});
