import { HoldfastError } from '@holdfast/core';
import { describe, expect, test } from 'vitest';
import { describeClusterStore } from '../contracts/cluster-store.ts';
import { never, put, readValue } from '../contracts/cluster-store-harness.ts';
import { failingStore } from './failing-store.ts';
import { FakeClock } from './fake-clock.ts';
import { memoryHarness } from './memory-cluster-store.fixture.ts';
import { MemoryClusterStore } from './memory-cluster-store.ts';

const signal = never;

describeClusterStore('failing, but nothing is scripted', async () =>
  memoryHarness((store) => failingStore(store)),
);

describe('a failing store', () => {
  const open = (): MemoryClusterStore => new MemoryClusterStore({ clock: new FakeClock() });

  test('fails before anything has happened, or after everything has', async () => {
    const inner = open();
    const store = failingStore(inner, { transact: ['ok', 'unavailable', 'lost'] });
    await put(store, '1', 'x');
    await expect(put(store, '2', 'x')).rejects.toMatchObject({ code: 'unavailable' });
    await expect(put(store, '3', 'x')).rejects.toMatchObject({ code: 'unavailable' });
    await put(store, '4', 'x');
    expect(await Promise.all(['1', '2', '3', '4'].map((key) => readValue(inner, key)))).toEqual([
      'x',
      undefined,
      'x',
      'x',
    ]);
    expect(store.calls).toEqual(['transact 1', 'transact 2', 'transact 3', 'transact 4']);
  });

  test('hangs until the signal aborts', async () => {
    const store = failingStore(open(), { get: ['hang'] });
    const abort = new AbortController();
    const hanging = store.get('k', { signal: abort.signal });
    const reason = new HoldfastError('timeout', 'long enough');
    abort.abort(reason);
    await expect(hanging).rejects.toBe(reason);
  });

  test('a function may decide on each call', async () => {
    const store = failingStore(open(), (verb, what) => (verb === 'get' && what === 'bad' ? 'timeout' : 'ok'));
    await expect(store.get('bad', { signal })).rejects.toMatchObject({ code: 'timeout' });
    expect(await store.get('good', { signal })).toBeUndefined();
  });
});
