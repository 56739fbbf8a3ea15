import type { ErrorRecord } from '@holdfast/core';
import { FakeClock, failingStore, MemoryClusterStore } from '@holdfast/testing';
import { describe, expect, it } from 'vitest';
import { type Known, noObjects } from './entries.ts';
import { keys, runId, timeOfRun } from './keys.ts';
import { Ledger } from './ledger.ts';
import type { Message, RunResult, TaskRecord } from './records.ts';
import { moveTask, newTask } from './transitions.ts';

const { signal } = new AbortController();
const silent = (): readonly Message[] => [];
const refused: ErrorRecord = { code: 'source_failed', message: 'pg_dump ended with 1' };

function openLedger(): { ledger: Ledger; store: MemoryClusterStore; clock: FakeClock } {
  const clock = new FakeClock();
  const store = new MemoryClusterStore({ clock });
  return { ledger: new Ledger({ store, clock }), store, clock };
}

/** The task's record, which is made if there is none. */
async function knownTask(o: {
  ledger: Ledger;
  store: MemoryClusterStore;
  clock: FakeClock;
}): Promise<Known<TaskRecord>> {
  const key = keys.task('shop');
  if (!(await o.store.get(key, { signal }))) await write(o.store, newTask('shop', 'a', o.clock.now()));
  const known = await o.ledger.task('shop', { signal });
  if (!known) throw new Error('the task has no record');
  return known;
}

async function write(store: MemoryClusterStore, record: TaskRecord): Promise<void> {
  await store.transact(
    { puts: [{ key: keys.task(record.task), value: JSON.stringify(record) }] },
    { signal },
  );
}

const start = { scope: 'full', trigger: 'schedule', reason: 'due' } as const;

function made(over: Partial<RunResult> = {}): RunResult {
  return {
    outcome: 'stored',
    scope: 'full',
    backup: 'c/0000',
    reason: 'first',
    rows: 1,
    changes: 0,
    rawBytes: 10,
    storedBytes: 5,
    segments: 1,
    notices: [],
    destinations: [
      { name: 'near', stored: true },
      { name: 'far', stored: false, error: { code: 'unavailable', message: 'down' } },
    ],
    ...over,
  };
}

describe('an occurrence', () => {
  it('is taken by one of many that try at once', async () => {
    const open = openLedger();
    const { ledger, clock } = open;
    const known = await knownTask(open);
    const settledMs = { full: clock.now(), incremental: clock.now() };
    const tries = await Promise.allSettled(
      Array.from({ length: 10 }, () => ledger.take(known, { ...start, settledMs }, { signal })),
    );
    expect(tries.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const codes = tries.flatMap((one) => (one.status === 'rejected' ? [one.reason.code] : []));
    expect(codes).toEqual(Array(9).fill('conflict'));
    expect(await ledger.history('shop', { signal, last: 10 })).toHaveLength(1);
  });

  it('that is skipped is in history, moves the cursor and leaves the running run alone', async () => {
    const open = openLedger();
    const { ledger } = open;
    const { run, known } = await ledger.take(await knownTask(open), start, { signal });
    const owed = { scope: 'full', atMs: 5, reason: 'the full was skipped' } as const;
    const settledMs = { full: 7, incremental: 8 };
    await ledger.skipOccurrence(
      known,
      { scope: 'full', reason: 'still running', settledMs, occurrenceMs: 7, owed },
      { signal },
    );
    const record = (await ledger.task('shop', { signal }))?.value;
    expect(record).toMatchObject({ running: { run: run.id }, settledMs, owed });
    const [newest] = await ledger.history('shop', { signal, last: 1 });
    expect(newest).toMatchObject({ state: 'skipped', reason: 'still running' });
  });
});

describe('a run', () => {
  it('that succeeds makes the task fresh, at the destinations that hold the backup', async () => {
    const open = openLedger();
    const { ledger, clock } = open;
    const taken = await ledger.take(await knownTask(open), start, { signal });
    await clock.advance(1000);
    const begun = await ledger.begin(taken.run, { signal });
    await clock.advance(5000);
    const { record, run } = await ledger.finish(begun, { state: 'succeeded', made: made() }, silent, {
      signal,
    });
    expect(run.endedAtMs).toBe(clock.now());
    expect(record).toMatchObject({
      owner: { node: 'a', generation: 1, chain: 'c' },
      newest: { node: 'a', generation: 1, chain: 'c' },
      lastGood: { backup: 'c/0000', asOfMs: begun.startedAtMs },
      lastGoodFull: { backup: 'c/0000' },
    });
    expect(Object.keys(record.lastGoodAt)).toEqual(['near']);
    expect(record.running).toBeUndefined();
  });

  it.each(['failed', 'cancelled', 'interrupted'] as const)(
    'that is %s changes no freshness',
    async (state) => {
      const open = openLedger();
      const { ledger } = open;
      const good = await ledger.take(await knownTask(open), start, { signal });
      await ledger.finish(
        await ledger.begin(good.run, { signal }),
        { state: 'succeeded', made: made() },
        silent,
        { signal },
      );
      const before = await knownTask(open);
      const next = await ledger.take(before, start, { signal });
      const { record } = await ledger.finish(next.run, { state, error: refused }, silent, { signal });
      for (const field of ['owner', 'newest', 'lastGood', 'lastGoodFull', 'lastGoodAt'] as const)
        expect(record[field]).toEqual(before.value[field]);
      expect(record.lastAttempt?.state).toBe(state);
      expect(record.failingSinceMs !== undefined).toBe(state === 'failed');
    },
  );

  it('ends once: a second end, and one of an old generation, are refused', async () => {
    const open = openLedger();
    const { ledger } = open;
    const { run } = await ledger.take(await knownTask(open), start, { signal });
    await ledger.finish(run, { state: 'failed', error: refused }, silent, { signal });
    await expect(
      ledger.finish(run, { state: 'succeeded', made: made() }, silent, { signal }),
    ).rejects.toMatchObject({ code: 'lease_lost' });
    const again = await ledger.take(await knownTask(open), start, { signal });
    await write(open.store, moveTask(again.known.value, 'b', { reason: 'moved' }));
    await expect(
      ledger.finish(again.run, { state: 'succeeded', made: made() }, silent, { signal }),
    ).rejects.toMatchObject({ code: 'lease_lost' });
  });

  it('writes what it has to tell in the same transaction', async () => {
    const open = openLedger();
    const { ledger } = open;
    const { run } = await ledger.take(await knownTask(open), start, { signal });
    const message: Message = {
      id: 'm1',
      event: 'failure',
      task: 'shop',
      atMs: 0,
      to: 'ops',
      text: 'it failed',
      node: 'a',
    };
    await ledger.finish(run, { state: 'failed', error: refused }, () => [message], { signal });
    expect((await ledger.messages({ signal })).map(({ value }) => value)).toEqual([message]);
    await ledger.deleteMessage('m1', { signal });
    expect(await ledger.messages({ signal })).toEqual([]);
  });

  it('of a process that is gone is interrupted and owed, three times in a row at most', async () => {
    const open = openLedger();
    const { ledger } = open;
    for (const attempt of [1, 2, 3]) {
      const { run } = await ledger.take(await knownTask(open), { ...start, trigger: 'owed' }, { signal });
      expect(await ledger.interrupt(run, 'went away', { signal })).toMatchObject({ state: 'interrupted' });
      const { owed, running } = (await knownTask(open)).value;
      expect(running).toBeUndefined();
      expect(owed?.resumes).toBe(attempt < 3 ? run.id : undefined);
    }
  });

  it('overwrites no run of history that has the same id', async () => {
    const open = openLedger();
    const { ledger, store, clock } = open;
    const known = await knownTask(open);
    const key = keys.run(runId('shop', clock.now()));
    await store.transact({ puts: [{ key, value: '"of a node apart"' }] }, { signal });
    await expect(ledger.take(known, start, { signal })).rejects.toMatchObject({ code: 'conflict' });
    await clock.advance(1);
    await ledger.take(known, start, { signal });
    expect((await store.get(key, { signal }))?.value).toBe('"of a node apart"');
  });

  it('that is made on request on another node takes no ownership, and gives none', async () => {
    const open = openLedger();
    const { ledger } = open;
    const first = await ledger.take(await knownTask(open), start, { signal });
    await ledger.finish(first.run, { state: 'succeeded', made: made() }, silent, { signal });
    const byHand = { ...start, node: 'b', trigger: 'manual' } as const;
    const { run } = await ledger.take(await knownTask(open), byHand, { signal });
    const outcome = { state: 'succeeded', made: made({ backup: 'd/0000' }) } as const;
    const { record } = await ledger.finish(run, outcome, silent, { signal });
    expect(record).toMatchObject({
      owner: { chain: 'c' },
      newest: { chain: 'c' },
      lastGood: { backup: 'd/0000' },
    });
  });

  it('by hand during a run is that run, moves no schedule and leaves what is owed', async () => {
    const open = openLedger();
    const { ledger } = open;
    await knownTask(open);
    await ledger.delay('shop', 99, () => 'full', { signal });
    const byHand = { scope: 'full', trigger: 'manual', reason: 'asked for' } as const;
    const first = await ledger.startByHand('shop', () => byHand, { signal });
    const before = await knownTask(open);
    expect(before.value).toMatchObject({ delayedUntilMs: 99, owed: { scope: 'full', atMs: 99 } });
    expect(await ledger.startByHand('shop', () => byHand, { signal })).toEqual({
      run: first.run,
      already: true,
    });
    await expect(ledger.startByHand('nope', () => byHand, { signal })).rejects.toMatchObject({
      code: 'not_found',
    });
  });
});

describe('by hand, while the store changes its leader', () => {
  const byHand = { scope: 'full', trigger: 'manual', reason: 'asked for' } as const;

  it.each(['lost', 'unavailable'] as const)('there is one run all the same (%s)', async (step) => {
    const open = openLedger();
    await knownTask(open);
    const store = failingStore(open.store, { transact: [step] });
    const ledger = new Ledger({ store, clock: open.clock });
    const { run, already } = await ledger.startByHand('shop', () => byHand, { signal });
    expect(already).toBe(false);
    expect(await open.ledger.history('shop', { signal, last: 9 })).toEqual([run]);
  });

  it('it is told when the store does not come back', async () => {
    const open = openLedger();
    await knownTask(open);
    const store = failingStore(open.store, (verb) => (verb === 'transact' ? 'unavailable' : 'ok'));
    const ledger = new Ledger({ store, clock: open.clock });
    await expect(ledger.startByHand('shop', () => byHand, { signal })).rejects.toMatchObject({
      code: 'unavailable',
    });
    expect(await open.ledger.history('shop', { signal, last: 9 })).toEqual([]);
  });
});

describe('a task', () => {
  it('keeps its record for a while when it is removed, and counts anew when it is declared again', async () => {
    const open = openLedger();
    const { ledger, clock } = open;
    await knownTask(open);
    await ledger.abandonTask('shop', { signal });
    await clock.advance(60_000);
    const record = await ledger.reviveTask('shop', { schedule: 'new', disabled: false }, { signal });
    expect(record.removedAtMs).toBeUndefined();
    expect(record.settledMs).toEqual({ full: clock.now(), incremental: clock.now() });
    expect(record).toMatchObject({ generation: 1, schedule: 'new' });
  });

  it('keeps what is settled when it is declared again by a node whose clock is behind', async () => {
    const open = openLedger();
    const { ledger, clock } = open;
    await knownTask(open);
    const settledMs = { full: clock.now() + 60_000, incremental: clock.now() - 60_000 };
    await ledger.amend('shop', (record) => ({ record: { ...record, settledMs } }), { signal });
    await ledger.abandonTask('shop', { signal });
    const record = await ledger.reviveTask('shop', {}, { signal });
    expect(record.settledMs).toEqual({ full: settledMs.full, incremental: clock.now() });
  });

  it('has a history as long as it is told, the oldest runs leave first', async () => {
    const open = openLedger();
    const { ledger, clock } = open;
    await knownTask(open);
    for (let n = 0; n < 130; n++) {
      const { run } = await ledger.take(await knownTask(open), start, { signal });
      await ledger.finish(run, { state: 'failed', error: refused }, silent, { signal });
      await clock.advance(1000);
    }
    expect(await ledger.trimHistory('shop', { signal, keep: 20 })).toHaveLength(110);
    const left = await ledger.history('shop', { signal, last: 100 });
    expect(left).toHaveLength(20);
    expect(left.map(({ id }) => timeOfRun(id))).toEqual(
      left.map(({ id }) => timeOfRun(id)).sort((a, b) => b - a),
    );
    const known = await ledger.task('shop', { signal });
    if (known) await ledger.forgetTask(known, { signal });
    expect(await ledger.task('shop', { signal })).toBeUndefined();
    expect(await ledger.history('shop', { signal, last: 100 })).toEqual([]);
  });
});

describe('the declared objects', () => {
  it('are replaced whole, and only by who knows what they are', async () => {
    const open = openLedger();
    const { ledger } = open;
    const objects = { ...noObjects, sources: { s: { type: 'sqlite' } } };
    const revision = await ledger.replaceObjects(objects, 0, { signal });
    expect(await ledger.objects({ signal })).toEqual({ value: objects, revision });
    await expect(ledger.replaceObjects(noObjects, 0, { signal })).rejects.toMatchObject({ code: 'conflict' });
    await ledger.replaceObjects(noObjects, revision, { signal });
  });

  it('are refused when they are too many for a store', async () => {
    const open = openLedger();
    const { ledger } = open;
    const objects = { ...noObjects, sources: { s: { type: 'x'.repeat(1_100_000) } } };
    await expect(ledger.replaceObjects(objects, 0, { signal })).rejects.toMatchObject({
      code: 'config_invalid',
      reason: 'too much is declared for one cluster',
    });
  });
});

it('a store that a newer build has written is left alone', async () => {
  const open = openLedger();
  const { ledger, store } = open;
  await ledger.prepare({ signal });
  await ledger.prepare({ signal });
  await store.transact({ puts: [{ key: keys.format, value: '2' }] }, { signal });
  await expect(ledger.prepare({ signal })).rejects.toMatchObject({ code: 'unsupported' });
});
