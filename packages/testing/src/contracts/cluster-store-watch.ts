import { type ClusterStore, HoldfastError } from '@holdfast/core';
import { describe, expect, test } from 'vitest';
import {
  never,
  type OpenClusterStore,
  put,
  Recorder,
  replay,
  revisionOf,
  until,
} from './cluster-store-harness.ts';

const signal = never;

/** Nothing is missed, nothing comes twice, and everything comes in order. */
export function describeWatch(open: OpenClusterStore): void {
  describe('watch', () => {
    test('a list and the watch since its revision give every change of concurrent writers once and in order', async () => {
      await using harness = await open();
      const [a, b, watcher] = [await harness.handle(), await harness.handle(), await harness.handle()];
      const writing = Promise.all([writePairs(a, 'a', 60), writePairs(b, 'b', 60)]);
      // The list is taken while both write; all writers' revisions are known afterwards.
      await put(watcher, 'elsewhere', 'x');
      const listed = await watcher.list('w/', { signal });
      await using seen = new Recorder(watcher, 'w/', listed.revision);
      const made = (await writing).flat().sort((x, y) => x - y);
      const last = made.at(-1) as number;
      await until(harness, 'the watch saw the last change', () => seen.changes.at(-1)?.revision === last);
      expect(seen.changes.map(({ revision }) => revision)).toEqual(made.filter((r) => r > listed.revision));
      for (const { revision, puts, deletes } of seen.changes) {
        // Both of a pair were put, or both deleted, by one transaction: they come as one change.
        expect([puts.length, deletes.length]).toSatisfy(
          ([p, d]) => (p === 2 && d === 0) || (p === 0 && d === 2),
        );
        for (const entry of puts) expect(entry.revision).toBe(revision);
      }
      const final = await a.list('w/', { signal });
      expect(replay(listed.entries, seen.changes)).toEqual(final.entries);
    });

    test('a watch since an earlier revision begins with what has happened meanwhile, intermediate values too', async () => {
      await using harness = await open();
      const [a, b] = [await harness.handle(), await harness.handle()];
      const since = await put(a, 'w/1', 'before');
      const first = await put(a, 'w/1', 'one');
      const second = await a.transact({ puts: [{ key: 'w/2', value: 'two' }], deletes: ['w/1'] }, { signal });
      const third = await put(b, 'w/1', 'three');
      await using seen = new Recorder(b, 'w/', since);
      await until(harness, 'the watch saw three changes', () => seen.changes.length === 3);
      expect(seen.changes).toEqual([
        { revision: first, puts: [{ key: 'w/1', value: 'one', revision: first }], deletes: [] },
        { revision: second, puts: [{ key: 'w/2', value: 'two', revision: second }], deletes: ['w/1'] },
        { revision: third, puts: [{ key: 'w/1', value: 'three', revision: third }], deletes: [] },
      ]);
    });

    test('a watch sees changes under its prefix only, of its own handle and of others', async () => {
      await using harness = await open();
      const [a, b] = [await harness.handle(), await harness.handle()];
      await using seen = new Recorder(a, 'w/', await revisionOf(a));
      await using other = new Recorder(a, 'x', await revisionOf(a));
      await put(a, 'w/a', '1');
      await put(b, 'w0', '2');
      await put(b, 'w', '3');
      await put(b, 'w/b', '4');
      await a.transact(
        {
          puts: [
            { key: 'w/c', value: '5' },
            { key: 'x', value: '6' },
          ],
          deletes: ['w0'],
        },
        { signal },
      );
      await until(harness, 'both watches saw the last change', () =>
        [seen, other].every(({ puts }) => puts.some(({ value }) => value === '5' || value === '6')),
      );
      expect(seen.puts.map(({ key, value }) => `${key}=${value}`)).toEqual(['w/a=1', 'w/b=4', 'w/c=5']);
      expect(seen.deletes).toEqual([]);
      expect(other.puts.map(({ key }) => key)).toEqual(['x']);
    });

    test('transactions that changed nothing are not seen, deletes of what was there are', async () => {
      await using harness = await open();
      const [a, b] = [await harness.handle(), await harness.handle()];
      const since = await put(a, 'w/1', 'x');
      await using seen = new Recorder(b, 'w/', since);
      await a.transact({ deletes: ['w/missing'] }, { signal });
      await a.transact({ checks: [{ key: 'w/1', revision: since }] }, { signal });
      const conflict = a.transact(
        { checks: [{ key: 'w/1', revision: 'absent' }], deletes: ['w/1'] },
        { signal },
      );
      await expect(conflict).rejects.toMatchObject({ code: 'conflict' });
      const revision = await a.transact({ deletes: ['w/1', 'w/missing'] }, { signal });
      await until(harness, 'the delete is seen', () => seen.deletes.includes('w/1'));
      expect(seen.changes).toEqual([{ revision, puts: [], deletes: ['w/1'] }]);
    });

    test('a slow watcher misses nothing', async () => {
      await using harness = await open();
      const [a, b] = [await harness.handle(), await harness.handle()];
      const abort = new AbortController();
      const watch = b
        .watch('w/', { since: await revisionOf(b), signal: abort.signal })
        [Symbol.asyncIterator]();
      const first = watch.next();
      await put(a, 'w/k', '0');
      let got = false;
      first.then(() => {
        got = true;
      });
      await until(harness, 'the watch saw the first change', () => got);
      for (let i = 1; i <= 300; i += 1) await put(i % 2 === 0 ? a : b, 'w/k', `${i}`);
      await harness.pass(200);
      for (let i = 1; i <= 300; i += 1) {
        const { value } = await watch.next();
        expect(value.puts).toMatchObject([{ value: `${i}` }]);
      }
      abort.abort();
    });

    test('an aborted watch rejects with the reason, while it waits and between two changes', async () => {
      await using harness = await open();
      const [a, b] = [await harness.handle(), await harness.handle()];
      const since = await revisionOf(a);
      const reason = new HoldfastError('cancelled', 'enough');
      await using waiting = new Recorder(b, 'w/', since);
      await harness.pass(100);
      waiting.stop(reason);
      await until(harness, 'the waiting watch ended', () => waiting.error !== undefined);
      expect(waiting.error).toBe(reason);
      for (const value of ['1', '2', '3']) await put(a, 'w/k', value);
      const abort = new AbortController();
      let seen = 0;
      const between = (async () => {
        for await (const _ of b.watch('w/', { since, signal: abort.signal })) {
          seen += 1;
          abort.abort(reason);
        }
      })();
      await expect(between).rejects.toBe(reason);
      expect(seen).toBe(1);
    });

    test('a watch that is given up leaves the handle usable', async () => {
      await using harness = await open();
      const store = await harness.handle();
      const since = await revisionOf(store);
      await put(store, 'w/k', '1');
      for (let i = 0; i < 20; i += 1) {
        for await (const change of store.watch('w/', { since, signal })) {
          expect(change.puts).toHaveLength(1);
          break;
        }
      }
      await put(store, 'w/k', '2');
    });

    test('a watch for changes that are no longer kept rejects with out_of_range; a new list and watch go on', async () => {
      await using harness = await open();
      const [a, b] = [await harness.handle(), await harness.handle()];
      const since = await revisionOf(a);
      await put(a, 'w/k', 'forgotten');
      await harness.forgetChanges();
      await using late = new Recorder(b, 'w/', since);
      await until(harness, 'the late watch ended', () => late.error !== undefined);
      expect(late.error).toMatchObject({ code: 'out_of_range' });
      expect(late.changes).toEqual([]);
      const { entries, revision } = await b.list('w/', { signal });
      expect(entries).toMatchObject([{ key: 'w/k', value: 'forgotten' }]);
      await using again = new Recorder(b, 'w/', revision);
      await put(a, 'w/k', 'new');
      await until(harness, 'the new watch saw the change', () => again.puts.length === 1);
    });

    test('a watch that keeps up goes on when others’ changes are forgotten', async () => {
      await using harness = await open();
      const [a, b] = [await harness.handle(), await harness.handle()];
      await using seen = new Recorder(b, 'w/', await revisionOf(b));
      await harness.pass(200);
      await harness.forgetChanges();
      await harness.pass(200);
      await put(a, 'w/k', 'x');
      await until(harness, 'the watch saw the change', () => seen.puts.length === 1);
      expect(seen.error).toBeUndefined();
    });
  });
}

/** Puts, changes and deletes two keys together, so often; the revisions. */
async function writePairs(store: ClusterStore, name: string, times: number): Promise<number[]> {
  const revisions: number[] = [];
  for (let i = 0; i < times; i += 1) {
    const keys = [`w/${i % 5}/${name}/left`, `w/${i % 5}/${name}/right`];
    const transaction =
      i % 7 === 6 && i >= 7 ? { deletes: keys } : { puts: keys.map((key) => ({ key, value: `${i}` })) };
    revisions.push(await store.transact(transaction, { signal }));
  }
  return revisions;
}
