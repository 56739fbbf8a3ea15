import { type ClusterStore, HoldfastError, type Session } from '@holdfast/core';
import { describe, expect, test } from 'vitest';
import {
  type ClusterStoreHarness,
  keysOf,
  never,
  type OpenClusterStore,
  put,
  Recorder,
  readValue,
  revisionOf,
  until,
} from './cluster-store-harness.ts';

const signal = never;

/** Who is alive, and what goes with who is not. */
export function describeSessions(open: OpenClusterStore): void {
  describe('sessions', () => {
    test('a session is kept alive for as long as its process is', async () => {
      await using harness = await open();
      const [a, b] = [await harness.handle(), await harness.handle()];
      const session = await a.openSession({ signal, ttlMs: harness.ttlMs });
      expect(session.ttlMs).toBe(harness.ttlMs);
      await putUnder(a, session, ['s/1']);
      for (let i = 0; i < 4; i += 1) {
        await harness.pass(harness.ttlMs);
        expect(session.signal.aborted).toBe(false);
        expect(await readValue(b, 's/1')).toBe('alive');
      }
      await putUnder(a, session, ['s/2']);
      expect(await keysOf(b, 's/')).toEqual(['s/1', 's/2']);
    });

    test('entries of a silent session go for all others, at one revision, and its owner knows no later', async () => {
      await using harness = await open();
      const [a, b, c] = [await harness.handle(), await harness.handle(), await harness.handle()];
      const session = await a.openSession({ signal, ttlMs: harness.ttlMs });
      await putUnder(a, session, ['s/1', 's/2', 't/3']);
      await put(a, 's/stays', 'x');
      await using seen = new Recorder(c, '', await revisionOf(c));
      await harness.cutOff(a);
      await until(harness, 'the entries went', async () => {
        const there = await keysOf(b);
        if (there.length === 1) return true;
        expect(there).toHaveLength(4);
        return false;
      });
      expect(session.signal.aborted).toBe(true);
      expect(session.signal.reason).toMatchObject({ code: 'lease_lost' });
      await until(harness, 'the watch saw them go', () => seen.changes.length > 0);
      const { revision } = await b.list('', { signal });
      expect(seen.changes).toEqual([{ revision, puts: [], deletes: expect.any(Array) }]);
      expect([...seen.deletes].sort()).toEqual(['s/1', 's/2', 't/3']);
      expect(await keysOf(b)).toEqual(['s/stays']);
    });

    test('a session that is disposed ends at once, for all to see', async () => {
      await using harness = await open();
      const [a, b] = [await harness.handle(), await harness.handle()];
      const session = await a.openSession({ signal, ttlMs: harness.ttlMs });
      const since = await putUnder(a, session, ['s/1', 's/2']);
      await using seen = new Recorder(b, 's/', since);
      expect(session.signal.aborted).toBe(false);
      await session[Symbol.asyncDispose]();
      expect(session.signal.reason).toMatchObject({ code: 'lease_lost' });
      expect(await keysOf(b)).toEqual([]);
      expect(await revisionOf(b)).toBeGreaterThan(since);
      await until(harness, 'the watch saw it', () => seen.changes.length > 0);
      expect(seen.changes).toHaveLength(1);
      expect([...seen.deletes].sort()).toEqual(['s/1', 's/2']);
      await session[Symbol.asyncDispose]();
    });

    test('a put under a session that has ended rejects with lease_lost, and nothing of its transaction is made', async () => {
      await using harness = await open();
      const [a, b] = [await harness.handle(), await harness.handle()];
      const disposed = await a.openSession({ signal, ttlMs: harness.ttlMs });
      await disposed[Symbol.asyncDispose]();
      const silent = await b.openSession({ signal, ttlMs: harness.ttlMs });
      await putUnder(b, silent, ['s/silent']);
      await harness.cutOff(b);
      await until(harness, 'the silent session ended', async () => (await keysOf(a, 's/')).length === 0);
      for (const session of [disposed, silent, foreign(disposed), foreign(silent)]) {
        const late = a.transact(
          {
            puts: [
              { key: 'other', value: 'x' },
              { key: 's/late', value: 'alive', session },
            ],
          },
          { signal },
        );
        await expect(late).rejects.toMatchObject({ code: 'lease_lost' });
      }
      expect(await keysOf(a)).toEqual([]);
    });

    test('a put without a session takes the entry out of the one that it was in', async () => {
      await using harness = await open();
      const [a, b] = [await harness.handle(), await harness.handle()];
      const session = await a.openSession({ signal, ttlMs: harness.ttlMs });
      await putUnder(a, session, ['s/1', 's/2', 's/3']);
      await put(b, 's/2', 'for good');
      await b.transact({ deletes: ['s/3'] }, { signal });
      await put(b, 's/3', 'new');
      await session[Symbol.asyncDispose]();
      expect(await keysOf(b)).toEqual(['s/2', 's/3']);
      expect(await readValue(b, 's/2')).toBe('for good');
    });

    test('a put under another session moves the entry there; sessions end one by one', async () => {
      await using harness = await open();
      const [a, b] = [await harness.handle(), await harness.handle()];
      const [first, second, third] = [
        await a.openSession({ signal, ttlMs: harness.ttlMs }),
        await a.openSession({ signal, ttlMs: harness.ttlMs }),
        await b.openSession({ signal, ttlMs: harness.ttlMs }),
      ] as const;
      expect(new Set([first.id, second.id, third.id]).size).toBe(3);
      await putUnder(a, first, ['s/first', 's/moves']);
      await putUnder(a, second, ['s/second', 's/moves']);
      await putUnder(b, third, ['s/third']);
      await first[Symbol.asyncDispose]();
      expect(await keysOf(b)).toEqual(['s/moves', 's/second', 's/third']);
      expect([second.signal.aborted, third.signal.aborted]).toEqual([false, false]);
      await second[Symbol.asyncDispose]();
      expect(await keysOf(b)).toEqual(['s/third']);
    });

    test('a silent session takes nothing from others', async () => {
      await using harness = await open();
      const [a, b] = [await harness.handle(), await harness.handle()];
      const silent = await a.openSession({ signal, ttlMs: harness.ttlMs });
      const alive = await b.openSession({ signal, ttlMs: harness.ttlMs });
      await putUnder(a, silent, ['s/silent']);
      await putUnder(b, alive, ['s/alive']);
      await harness.cutOff(a);
      await until(harness, 'the silent one ended', async () => !(await keysOf(b)).includes('s/silent'));
      await harness.pass(2 * harness.ttlMs);
      expect(await keysOf(b)).toEqual(['s/alive']);
      expect(alive.signal.aborted).toBe(false);
    });

    test('the signal of its opening ends nothing after the session was opened', async () => {
      await using harness = await open();
      const [a, b] = [await harness.handle(), await harness.handle()];
      const opening = new AbortController();
      const session = await a.openSession({ signal: opening.signal, ttlMs: harness.ttlMs });
      await putUnder(a, session, ['s/1']);
      opening.abort();
      await harness.pass(2 * harness.ttlMs);
      expect(session.signal.aborted).toBe(false);
      expect(await keysOf(b)).toEqual(['s/1']);
    });

    test('a handle that is disposed ends its sessions and its watches', async () => {
      await using harness = await open();
      const [a, b] = [await harness.handle(), await harness.handle()];
      const session = await a.openSession({ signal, ttlMs: harness.ttlMs });
      await putUnder(a, session, ['s/1']);
      await using watching = new Recorder(a, 's/', await revisionOf(a));
      await harness.pass(100);
      await a[Symbol.asyncDispose]();
      expect(session.signal.reason).toMatchObject({ code: 'lease_lost' });
      expect(await keysOf(b)).toEqual([]);
      await until(harness, 'the watch ended', () => watching.error !== undefined);
      expect(HoldfastError.from(watching.error).code).toBe('cancelled');
      await expect(a.get('s/1', { signal })).rejects.toMatchObject({ code: 'cancelled' });
      await putAgain(harness, b);
    });
  });
}

function putUnder(store: ClusterStore, session: Session, keys: readonly string[]): Promise<number> {
  return store.transact({ puts: keys.map((key) => ({ key, value: 'alive', session })) }, { signal });
}

/** The same session in the hands of one who does not know yet that it has ended: the store has to find out. */
function foreign(session: Session): Session {
  const { id, ttlMs } = session;
  return { id, ttlMs, signal: never, [Symbol.asyncDispose]: async () => {} };
}

/** The store as such is as good as before. */
async function putAgain(harness: ClusterStoreHarness, store: ClusterStore): Promise<void> {
  const session = await store.openSession({ signal, ttlMs: harness.ttlMs });
  await putUnder(store, session, ['s/1']);
  expect(await keysOf(store)).toEqual(['s/1']);
}
