import { DatabaseSync } from 'node:sqlite';
import { HoldfastError, SystemClock } from '@holdfast/core';
import { FakeClock, temporaryFolder } from '@holdfast/testing';
import { expect, test } from 'vitest';
import { openEmbeddedStore } from './index.ts';
import { WorkerLink } from './worker-link.ts';

const { signal } = new AbortController();

test('when the thread dies, calls on their way, waiting and to come are unavailable', async () => {
  const link = await WorkerLink.open({
    clock: new FakeClock(),
    database: { path: 'none' },
    entry: new URL('./worker-crash.fixture.ts', import.meta.url),
    signal,
  });
  await using _link = link;
  expect(await link.call('get', ['k'], { signal })).toBeUndefined();
  const calls = [1, 2, 3].map(() => link.call('get', ['k'], { signal }));
  const unavailable = { code: 'unavailable', hint: expect.stringContaining('again') };
  await Promise.all(calls.map((call) => expect(call).rejects.toMatchObject(unavailable)));
  await expect(link.call('get', ['k'], { signal })).rejects.toMatchObject({ code: 'unavailable' });
});

test('a file that cannot be opened is told, with its hint, and no thread stays', async () => {
  await using folder = await temporaryFolder('embedded');
  const opening = openEmbeddedStore(
    { path: folder.join('no/folder/store'), clock: new FakeClock() },
    { signal },
  );
  await expect(opening).rejects.toMatchObject({
    code: 'config_invalid',
    hint: expect.stringContaining('folder'),
  });
  const aborted = openEmbeddedStore(
    { path: folder.join('store'), clock: new FakeClock() },
    { signal: AbortSignal.abort(new HoldfastError('cancelled', 'no longer wanted')) },
  );
  await expect(aborted).rejects.toMatchObject({ code: 'cancelled' });
});

test('calls that wait for a locked file, or behind one that does, are given up at once when aborted', async () => {
  await using folder = await temporaryFolder('embedded');
  const path = folder.join('store');
  await using store = await openEmbeddedStore({ path, clock: new SystemClock() }, { signal });
  const holder = new DatabaseSync(path);
  holder.exec('BEGIN IMMEDIATE');
  const abort = new AbortController();
  const reason = new HoldfastError('cancelled', 'enough');
  const calls = ['1', '2', '3'].map((key) =>
    store.transact({ puts: [{ key, value: 'x' }] }, { signal: abort.signal }),
  );
  for (let i = 0; i < 5; i += 1) await new Promise((resolve) => setImmediate(resolve));
  abort.abort(reason);
  await Promise.all(calls.map((call) => expect(call).rejects.toBe(reason)));
  holder.exec('ROLLBACK');
  holder.close();
  expect((await store.list('', { signal })).entries).toEqual([]);
});
