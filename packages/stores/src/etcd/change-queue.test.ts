import type { Change } from '@holdfast/core';
import { expect, test } from 'vitest';
import { ChangeQueue } from './change-queue.ts';

const { signal } = new AbortController();
const change = (revision: number, value = ''): Change => ({
  revision,
  puts: [{ key: 'k', value, revision }],
  deletes: [],
});

test('changes come in order, those that were put before an error too, and then the error', async () => {
  const queue = new ChangeQueue({ changesMax: 10, bytesMax: 1_000 });
  queue.put(change(1));
  queue.put(change(2));
  const error = new Error('the end');
  queue.fail(error);
  expect((await queue.take(signal)).revision).toBe(1);
  expect((await queue.take(signal)).revision).toBe(2);
  await expect(queue.take(signal)).rejects.toBe(error);
});

test('a taker waits for the next change, or for the abort', async () => {
  const queue = new ChangeQueue({ changesMax: 10, bytesMax: 1_000 });
  const taken = queue.take(signal);
  queue.put(change(1));
  expect((await taken).revision).toBe(1);
  const abort = new AbortController();
  const waiting = queue.take(abort.signal);
  abort.abort(new Error('enough'));
  await expect(waiting).rejects.toMatchObject({ code: 'cancelled' });
  queue.put(change(2));
  await expect(queue.take(abort.signal)).rejects.toMatchObject({ code: 'cancelled' });
});

test('it is full by number or by bytes, and tells when everything was taken', async () => {
  const queue = new ChangeQueue({ changesMax: 2, bytesMax: 100 });
  queue.put(change(1));
  expect(queue.isFull).toBe(false);
  queue.put(change(2, 'x'.repeat(100)));
  expect(queue.isFull).toBe(true);
  let drained = false;
  const draining = queue.drained(signal).then(() => {
    drained = true;
  });
  await queue.take(signal);
  await Promise.resolve();
  expect(drained).toBe(false);
  await queue.take(signal);
  await draining;
  expect(queue.isFull).toBe(false);
});
