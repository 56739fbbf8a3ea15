import { expect, test } from 'vitest';
import { describeDestination } from '../contracts/destination.ts';
import { bodyOf, collect } from '../contracts/destination-bodies.ts';
import { never } from '../contracts/destination-handles.ts';
import { failing } from './failing.ts';
import { MemoryDestination } from './memory-destination.ts';

describeDestination('failing, with nothing to fail', async () => failing(new MemoryDestination()), {
  largeBytes: 1_000_000,
});

const signal = never;
const body = bodyOf(Buffer.from('0123456789'));

test('steps are taken in order, and then all is well', async () => {
  const place = failing(new MemoryDestination(), { write: ['unavailable', 'ok', 'exhausted'] });
  await expect(place.write('a', body, { signal })).rejects.toMatchObject({ code: 'unavailable' });
  await place.write('a', body, { signal });
  await expect(place.write('b', body, { signal })).rejects.toMatchObject({ code: 'exhausted' });
  await place.write('b', body, { signal });
  expect(place.calls).toEqual(['write a', 'write a', 'write b', 'write b']);
});

test('short claims success for half of the bytes', async () => {
  const place = failing(new MemoryDestination(), { write: ['short'], read: ['ok', 'short'] });
  expect(await place.write('a', body, { signal, sizeBytes: 10 })).toMatchObject({ bytes: 10 });
  expect((await collect(place.read('a', { signal }))).toString()).toBe('01234');
  expect((await collect(place.read('a', { signal }))).toString()).toBe('01');
});

test('lost does everything and then fails', async () => {
  const place = failing(new MemoryDestination(), { write: ['lost'] });
  await expect(place.write('a', body, { signal })).rejects.toMatchObject({ code: 'unavailable' });
  expect(await place.stat('a', { signal })).toMatchObject({ bytes: 10 });
});

test('hang ends with its signal, with nothing done', async () => {
  const place = failing(new MemoryDestination(), { write: ['hang'] });
  const controller = new AbortController();
  const writing = place.write('a', body, { signal: controller.signal });
  controller.abort();
  await expect(writing).rejects.toMatchObject({ code: 'cancelled' });
  expect(await place.stat('a', { signal })).toBeUndefined();
});
