import { type ClusterStore, HoldfastError } from '@holdfast/core';
import { describe, expect, test } from 'vitest';
import {
  type ClusterStoreHarness,
  never,
  type OpenClusterStore,
  put,
  readValue,
  revisionOf,
} from './cluster-store-harness.ts';

const signal = never;
const contenders = 4;

/** What several handles at once may count on. */
export function describeRaces(open: OpenClusterStore): void {
  describe('races', () => {
    test('of many increments by compare-and-set through several handles none is lost', async () => {
      await using harness = await open();
      const handles = await open4(harness);
      const each = 15;
      const revisions = await Promise.all(handles.map((handle) => increment(handle, 'counter', each)));
      expect(await readValue(handles[0] as ClusterStore, 'counter')).toBe(`${contenders * each}`);
      // Each increment has a revision of its own, and nothing else was changed.
      const all = revisions.flat();
      expect(new Set(all).size).toBe(contenders * each);
      expect(await revisionOf(handles[1] as ClusterStore)).toBe(Math.max(...all));
    });

    test('of several that create one key exactly one does, and all read what it put', async () => {
      await using harness = await open();
      const handles = await open4(harness);
      for (let round = 0; round < 10; round += 1) {
        const key = `lock/${round}`;
        const checks = [{ key, revision: 'absent' as const }];
        const outcomes = await Promise.all(
          handles.map((handle, index) =>
            handle.transact({ checks, puts: [{ key, value: `${index}` }] }, { signal }).then(
              () => 'created',
              (error) => HoldfastError.from(error).code,
            ),
          ),
        );
        expect(outcomes.filter((outcome) => outcome === 'created')).toHaveLength(1);
        expect(outcomes.filter((outcome) => outcome === 'conflict')).toHaveLength(contenders - 1);
        const winner = `${outcomes.indexOf('created')}`;
        for (const handle of handles) expect(await readValue(handle, key)).toBe(winner);
      }
    });

    test('a list never shows half a transaction', async () => {
      await using harness = await open();
      const [a, b] = [await harness.handle(), await harness.handle()];
      const accounts = ['1', '2', '3'].map((name) => `account/${name}`);
      for (const key of accounts) await put(a, key, '100');
      let done = false;
      const writing = transfer(a, accounts, 40).finally(() => {
        done = true;
      });
      let lastRevision = 0;
      while (!done) {
        const { entries, revision } = await b.list('account/', { signal });
        expect(entries.reduce((sum, { value }) => sum + Number(value), 0)).toBe(300);
        expect(revision).toBeGreaterThanOrEqual(Math.max(lastRevision, ...entries.map((e) => e.revision)));
        lastRevision = revision;
      }
      await writing;
    });
  });
}

async function open4(harness: ClusterStoreHarness): Promise<ClusterStore[]> {
  return Promise.all(Array.from({ length: contenders }, () => harness.handle()));
}

/** As everybody does it: read, try, and after a conflict read again. */
async function increment(store: ClusterStore, key: string, times: number): Promise<number[]> {
  const revisions: number[] = [];
  while (revisions.length < times) {
    const entry = await store.get(key, { signal });
    const checks = [{ key, revision: entry?.revision ?? ('absent' as const) }];
    const puts = [{ key, value: `${Number(entry?.value ?? 0) + 1}` }];
    try {
      revisions.push(await store.transact({ checks, puts }, { signal }));
    } catch (error) {
      if (HoldfastError.from(error).code !== 'conflict') throw error;
    }
  }
  return revisions;
}

async function transfer(store: ClusterStore, accounts: readonly string[], times: number): Promise<void> {
  for (let i = 0; i < times; i += 1) {
    const [from, to] = [accounts[i % 3] as string, accounts[(i + 1) % 3] as string];
    const amounts = [await readValue(store, from), await readValue(store, to)].map(Number);
    const puts = [
      { key: from, value: `${(amounts[0] as number) - 7}` },
      { key: to, value: `${(amounts[1] as number) + 7}` },
    ];
    await store.transact({ puts }, { signal });
  }
}
