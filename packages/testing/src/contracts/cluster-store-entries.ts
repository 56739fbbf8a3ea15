import { HoldfastError } from '@holdfast/core';
import { describe, expect, test } from 'vitest';
import { keysOf, never, type OpenClusterStore, put, readValue, revisionOf } from './cluster-store-harness.ts';

const signal = never;

/** What is read, and what transactions do to it. */
export function describeEntries(open: OpenClusterStore): void {
  describe('entries', () => {
    test('what a transaction put is read by every handle as soon as it was answered', async () => {
      await using harness = await open();
      const [a, b] = [await harness.handle(), await harness.handle()];
      expect(await a.get('k', { signal })).toBeUndefined();
      expect((await b.list('', { signal })).entries).toEqual([]);
      for (let i = 0; i < 20; i += 1) {
        const [writer, reader] = i % 2 === 0 ? [a, b] : [b, a];
        const revision = await put(writer, 'k', `${i}`);
        const entry = { key: 'k', value: `${i}`, revision };
        expect(await reader.get('k', { signal })).toEqual(entry);
        expect(await reader.list('k', { signal })).toEqual({ entries: [entry], revision });
      }
      await a.transact({ deletes: ['k'] }, { signal });
      expect(await b.get('k', { signal })).toBeUndefined();
      expect(await keysOf(b)).toEqual([]);
    });

    test('a transaction makes all its changes, at one revision', async () => {
      await using harness = await open();
      const [a, b] = [await harness.handle(), await harness.handle()];
      const first = await put(a, 'old', 'x');
      const revision = await a.transact(
        {
          checks: [
            { key: 'old', revision: first },
            { key: 'new', revision: 'absent' },
          ],
          puts: [
            { key: 'new', value: '1' },
            { key: 'newer', value: '2' },
          ],
          deletes: ['old'],
        },
        { signal },
      );
      expect(await b.list('', { signal })).toEqual({
        entries: [
          { key: 'new', value: '1', revision },
          { key: 'newer', value: '2', revision },
        ],
        revision,
      });
    });

    test('a transaction of which one check does not hold rejects with conflict and makes none of its changes', async () => {
      await using harness = await open();
      const [a, b] = [await harness.handle(), await harness.handle()];
      const there = await put(a, 'there', 'x');
      const before = await b.list('', { signal });
      const holds = { key: 'there', revision: there };
      for (const wrong of [
        { key: 'there', revision: there + 1 },
        { key: 'there', revision: 'absent' as const },
        { key: 'missing', revision: there },
      ]) {
        const changes = { puts: [{ key: 'new', value: '1' }], deletes: ['there'] };
        for (const checks of [[wrong], [holds, wrong], [wrong, holds]]) {
          const lost = a.transact({ checks, ...changes }, { signal });
          await expect(lost).rejects.toMatchObject({ code: 'conflict' });
        }
        await expect(a.transact({ checks: [wrong] }, { signal })).rejects.toMatchObject({ code: 'conflict' });
      }
      expect(await b.list('', { signal })).toEqual(before);
    });

    test('a transaction that changes nothing resolves with the current revision', async () => {
      await using harness = await open();
      const [a, b] = [await harness.handle(), await harness.handle()];
      const revision = await put(a, 'k', 'x');
      expect(await b.transact({}, { signal })).toBe(revision);
      expect(await b.transact({ deletes: ['missing'] }, { signal })).toBe(revision);
      expect(await b.transact({ checks: [{ key: 'k', revision }] }, { signal })).toBe(revision);
      expect(await revisionOf(a)).toBe(revision);
    });

    test('revisions grow with each change, whichever key and handle, also when the value stays the same', async () => {
      await using harness = await open();
      const handles = [await harness.handle(), await harness.handle()];
      let last = await revisionOf(handles[0] as never);
      for (const key of ['b', 'a', 'a', 'b', 'a']) {
        for (const handle of handles) {
          const revision = await put(handle, key, 'same');
          expect(revision).toBeGreaterThan(last);
          expect(await handle.get(key, { signal })).toEqual({ key, value: 'same', revision });
          last = revision;
        }
      }
    });

    test('a check on an entry that was deleted and put again, with the same value, does not hold', async () => {
      await using harness = await open();
      const [a, b] = [await harness.handle(), await harness.handle()];
      const seen = await put(a, 'k', 'x');
      const deleted = await b.transact({ deletes: ['k'] }, { signal });
      expect(deleted).toBeGreaterThan(seen);
      const again = await put(b, 'k', 'x');
      expect(again).toBeGreaterThan(deleted);
      for (const revision of [seen, deleted, 'absent' as const]) {
        const late = a.transact({ checks: [{ key: 'k', revision }], deletes: ['k'] }, { signal });
        await expect(late).rejects.toMatchObject({ code: 'conflict' });
      }
      const right = { checks: [{ key: 'k', revision: again }], deletes: ['k'] };
      await a.transact(right, { signal });
      await a.transact({ checks: [{ key: 'k', revision: 'absent' }] }, { signal });
      await expect(a.transact(right, { signal })).rejects.toMatchObject({ code: 'conflict' });
    });

    test('a list has the keys with its prefix and no others, in the order of their bytes', async () => {
      await using harness = await open();
      const store = await harness.handle();
      const keys = [
        'a',
        'a!',
        'a/',
        'a/%',
        'a/b/c',
        'a/x',
        'a/é',
        'a/\uFFFD',
        'a/😀',
        'a0',
        'a_x',
        'b',
        '😀',
      ];
      for (const key of [...keys].reverse()) await put(store, key, key);
      expect(await keysOf(store)).toEqual(keys);
      expect(await keysOf(store, 'a/')).toEqual(keys.filter((key) => key.startsWith('a/')));
      for (const prefix of ['a', 'a/%', 'a_', 'a/b', '😀', 'A', 'c', 'a/\uFFFD']) {
        expect(await keysOf(store, prefix), prefix).toEqual(keys.filter((key) => key.startsWith(prefix)));
      }
    });

    test('a list has the first or the last so many keys, in the order of keys', async () => {
      await using harness = await open();
      const store = await harness.handle();
      const keys = ['k/1', 'k/2', 'k/3', 'k/4'];
      for (const key of ['j', ...keys, 'l']) await put(store, key, key);
      const listed = async (limit: { first?: number; last?: number }): Promise<string[]> =>
        (await store.list('k/', { signal, ...limit })).entries.map(({ key }) => key);
      expect(await listed({ first: 2 })).toEqual(['k/1', 'k/2']);
      expect(await listed({ last: 2 })).toEqual(['k/3', 'k/4']);
      expect(await listed({ first: 9 })).toEqual(keys);
      expect(await listed({ last: 9 })).toEqual(keys);
      expect(await listed({ first: 0 })).toEqual([]);
      expect(await listed({ last: 0 })).toEqual([]);
    });

    test('values and keys come back as they were, whatever their characters', async () => {
      await using harness = await open();
      const [a, b] = [await harness.handle(), await harness.handle()];
      const values = [
        '',
        ' ',
        "'; DROP TABLE entry --",
        '\r\n\t',
        'e\u0301 é',
        '\uFEFFbom',
        '👩‍👩‍👧‍👦 🏴‍☠️ \u{10FFFF}',
        'עברית',
        '{"a":"\\u0000"}',
      ];
      for (const [index, value] of values.entries()) {
        const key = value === '' ? 'empty' : value;
        await put(a, key, value);
        expect(await readValue(b, key), `${index}`).toBe(value);
        expect(await keysOf(b, key)).toContain(key);
      }
      expect(await keysOf(b)).toHaveLength(values.length);
    });

    test('with a signal that is aborted already, no call does anything, and rejects with its reason', async () => {
      await using harness = await open();
      const [a, b] = [await harness.handle(), await harness.handle()];
      await put(a, 'k', 'as it was');
      const before = await b.list('', { signal });
      const reason = new HoldfastError('lease_lost', 'another node is responsible now');
      const o = { signal: AbortSignal.abort(reason) };
      await expect(a.transact({ puts: [{ key: 'k', value: 'new' }] }, o)).rejects.toBe(reason);
      await expect(a.transact({ deletes: ['k'] }, o)).rejects.toBe(reason);
      await expect(a.get('k', o)).rejects.toBe(reason);
      await expect(a.list('', o)).rejects.toBe(reason);
      await expect(a.openSession({ ...o, ttlMs: harness.ttlMs })).rejects.toBe(reason);
      const watch = a.watch('', { ...o, since: 0 })[Symbol.asyncIterator]();
      await expect(watch.next()).rejects.toBe(reason);
      expect(await b.list('', { signal })).toEqual(before);
    });

    test('an abort at any moment of a transaction leaves it whole or absent, and for good', async () => {
      await using harness = await open();
      const [a, b] = [await harness.handle(), await harness.handle()];
      const reason = new HoldfastError('cancelled', 'enough');
      for (let turns = 0; turns < 16; turns += 1) {
        const controller = new AbortController();
        const keys = [`abort/${turns}/1`, `abort/${turns}/2`];
        const outcome = a
          .transact({ puts: keys.map((key) => ({ key, value: 'x' })) }, { signal: controller.signal })
          .then(() => 'made', HoldfastError.from);
        for (let i = 0; i < turns; i += 1) await new Promise((resolve) => setImmediate(resolve));
        controller.abort(reason);
        const known = await outcome;
        const found = await keysOf(b, `abort/${turns}/`);
        if (known === 'made') expect(found).toEqual(keys);
        else if (known === reason) expect(found).toEqual([]);
        else {
          expect(known).toMatchObject({ code: 'unavailable' });
          expect([0, 2]).toContain(found.length);
        }
      }
      const before = await b.list('', { signal });
      await harness.pass(200);
      expect(await b.list('', { signal })).toEqual(before);
    });
  });
}
