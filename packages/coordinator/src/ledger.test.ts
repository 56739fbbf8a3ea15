import type { ErrorRecord } from '@holdfast/core';
import { FakeClock, MemoryClusterStore } from '@holdfast/testing';
import { describe, expect, it } from 'vitest';
import { type Known, noObjects } from './entries.ts';
import { keys, timeOfRun } from './keys.ts';
import { Ledger } from './ledger.ts';
import type { Message, RunResult, TaskRecord } from './records.ts';

const { signal } = new AbortController();
const silent = (): readonly Message[] => [];
const refused: ErrorRecord = { code: 'source_failed', message: 'pg_dump ended with 1' };

function openLedger(): { ledger: Ledger; store: MemoryClusterStore; clock: FakeClock } {
  const clock = new FakeClock();
  const store = new MemoryClusterStore({ clock });
  return { ledger: new Ledger({ store, clock }), store, clock };
}

async function knownTask(ledger: Ledger, task = 'shop'): Promise<Known<TaskRecord>> {
  await ledger.adoptTask(task, 'a', { signal });
  const known = await ledger.task(task, { signal });
  if (!known) throw new Error('the task has no record');
  return known;
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
    const { ledger, clock } = openLedger();
    const known = await knownTask(ledger);
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
    const { ledger } = openLedger();
    const { run, known } = await ledger.take(await knownTask(ledger), start, { signal });
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
    const { ledger, clock } = openLedger();
    const taken = await ledger.take(await knownTask(ledger), start, { signal });
    await clock.advance(1000);
    const begun = await ledger.begin(taken.run, { signal });
    await clock.advance(5000);
    const { record, run } = await ledger.finish(begun, { state: 'succeeded', made: made() }, silent, {
      signal,
    });
    expect(run.endedAtMs).toBe(clock.now());
    expect(record).toMatchObject({
      hasFull: true,
      lastGood: { backup: 'c/0000', asOfMs: begun.startedAtMs },
      lastGoodFull: { backup: 'c/0000' },
    });
    expect(Object.keys(record.lastGoodAt)).toEqual(['near']);
    expect(record.running).toBeUndefined();
  });

  it.each(['failed', 'cancelled', 'interrupted'] as const)(
    'that is %s changes no freshness',
    async (state) => {
      const { ledger } = openLedger();
      const good = await ledger.take(await knownTask(ledger), start, { signal });
      await ledger.finish(
        await ledger.begin(good.run, { signal }),
        { state: 'succeeded', made: made() },
        silent,
        { signal },
      );
      const before = await knownTask(ledger);
      const next = await ledger.take(before, start, { signal });
      const { record } = await ledger.finish(next.run, { state, error: refused }, silent, { signal });
      for (const field of ['hasFull', 'lastGood', 'lastGoodFull', 'lastGoodAt'] as const)
        expect(record[field]).toEqual(before.value[field]);
      expect(record.lastAttempt?.state).toBe(state);
      expect(record.failingSinceMs !== undefined).toBe(state === 'failed');
    },
  );

  it('ends once: a second end, and one of an old generation, are refused', async () => {
    const { ledger } = openLedger();
    const { run } = await ledger.take(await knownTask(ledger), start, { signal });
    await ledger.finish(run, { state: 'failed', error: refused }, silent, { signal });
    await expect(
      ledger.finish(run, { state: 'succeeded', made: made() }, silent, { signal }),
    ).rejects.toMatchObject({ code: 'lease_lost' });
    const again = await ledger.take(await knownTask(ledger), start, { signal });
    await ledger.moveTask('shop', 'b', { signal });
    await expect(
      ledger.finish(again.run, { state: 'succeeded', made: made() }, silent, { signal }),
    ).rejects.toMatchObject({ code: 'lease_lost' });
  });

  it('writes what it has to tell in the same transaction', async () => {
    const { ledger } = openLedger();
    const { run } = await ledger.take(await knownTask(ledger), start, { signal });
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
    const { ledger } = openLedger();
    await knownTask(ledger);
    for (const attempt of [1, 2, 3]) {
      await ledger.take(await knownTask(ledger), { ...start, trigger: 'owed' }, { signal });
      const [lost] = await ledger.interruptLost(({ node }) => node === 'a', { signal });
      expect(lost).toMatchObject({ state: 'interrupted' });
      const { owed, running } = (await knownTask(ledger)).value;
      expect(running).toBeUndefined();
      expect(owed?.resumes).toBe(attempt < 3 ? lost?.id : undefined);
    }
    expect(await ledger.interruptLost(() => true, { signal })).toEqual([]);
  });

  it('by hand during a run is that run, moves no schedule and leaves what is owed', async () => {
    const { ledger } = openLedger();
    await knownTask(ledger);
    await ledger.delay('shop', 99, () => 'full', { signal });
    const byHand = { scope: 'full', trigger: 'manual', reason: 'asked for' } as const;
    const first = await ledger.startByHand('shop', () => byHand, { signal });
    const before = await knownTask(ledger);
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

describe('a task', () => {
  it('keeps its record for a while when it is removed, and counts anew when it is declared again', async () => {
    const { ledger, clock } = openLedger();
    await knownTask(ledger);
    await ledger.abandonTask('shop', { signal });
    await clock.advance(60_000);
    const record = await ledger.adoptTask('shop', 'a', { signal });
    expect(record.removedAtMs).toBeUndefined();
    expect(record.settledMs).toEqual({ full: clock.now(), incremental: clock.now() });
    expect(record.generation).toBe(1);
  });

  it('that moves has a new generation, and no full that its new node could continue', async () => {
    const { ledger } = openLedger();
    await knownTask(ledger);
    await ledger.amend('shop', (record) => ({ record: { ...record, hasFull: true } }), { signal });
    expect(await ledger.moveTask('shop', 'b', { signal })).toMatchObject({
      node: 'b',
      generation: 2,
      hasFull: false,
    });
    expect(await ledger.moveTask('shop', 'b', { signal })).toMatchObject({ generation: 2 });
  });

  it('has a history as long as it is told, the oldest runs leave first', async () => {
    const { ledger, clock } = openLedger();
    await knownTask(ledger);
    for (let n = 0; n < 130; n++) {
      const { run } = await ledger.take(await knownTask(ledger), start, { signal });
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
    const { ledger } = openLedger();
    const objects = { ...noObjects, sources: { s: { type: 'sqlite' } } };
    const revision = await ledger.replaceObjects(objects, 0, { signal });
    expect(await ledger.objects({ signal })).toEqual({ value: objects, revision });
    await expect(ledger.replaceObjects(noObjects, 0, { signal })).rejects.toMatchObject({ code: 'conflict' });
    await ledger.replaceObjects(noObjects, revision, { signal });
  });

  it('are refused when they are too many for a store', async () => {
    const { ledger } = openLedger();
    const objects = { ...noObjects, sources: { s: { type: 'x'.repeat(1_100_000) } } };
    await expect(ledger.replaceObjects(objects, 0, { signal })).rejects.toMatchObject({
      code: 'config_invalid',
      reason: 'too much is declared for one cluster',
    });
  });
});

it('a store that a newer build has written is left alone', async () => {
  const { ledger, store } = openLedger();
  await ledger.prepare({ signal });
  await ledger.prepare({ signal });
  await store.transact({ puts: [{ key: keys.format, value: '2' }] }, { signal });
  await expect(ledger.prepare({ signal })).rejects.toMatchObject({ code: 'unsupported' });
});
