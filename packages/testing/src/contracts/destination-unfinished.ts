import { type Destination, HoldfastError, type WriteOptions } from '@holdfast/core';
import { describe, expect, test } from 'vitest';
import { bodyOf, collect, gatedBody, seededBytes, sha256Of } from './destination-bodies.ts';
import { listedKeys, never, type OpenEmpty, reopen } from './destination-handles.ts';

const signal = never;
const key = 'task/chain/large';

/** What a write that may be gone on with leaves behind: nothing that anybody sees, or that gets into another object. */
export function describeUnfinished(open: OpenEmpty, largeBytes: number): void {
  const size = largeBytes + 11;
  const sentBytes = Math.floor(largeBytes * 0.9);
  const first = seededBytes(size, 1);
  const second = seededBytes(size, 2);
  describe('unfinished writes', () => {
    for (const [how, breakOff] of [
      ['whose body breaks', breakBody],
      ['that is aborted', abortWrite],
    ] as const) {
      test(`a resumable write ${how} is not seen, and the next one stores the whole`, async () => {
        await using place = await open();
        await breakOff(place, first, sentBytes);
        await using other = await reopen(place);
        for (const handle of [place, other]) await expectUnseen(handle);
        // As a process that starts anew does it.
        expect(await write(other, first)).toMatchObject({ key, bytes: size });
        await expectStored(place, first);
      });
    }

    test('a resumable write that breaks off several times ends whole', async () => {
      await using place = await open();
      for (const bytes of [100_000, Math.floor(size / 3), sentBytes, 0]) {
        await breakBody(place, first, bytes);
        await expectUnseen(place);
      }
      await write(place, first);
      await expectStored(place, first);
    });

    test('what another content of the same size has left does not get into the object', async () => {
      await using place = await open();
      await breakBody(place, first, sentBytes);
      await write(place, second);
      await expectStored(place, second);
    });

    test('nor does what was left of another size', async () => {
      await using place = await open();
      await breakBody(place, first, sentBytes);
      const shorter = first.subarray(0, Math.floor(size / 2));
      await write(place, shorter);
      await expectStored(place, shorter);
    });

    test('nor do bytes that were other than was said of them', async () => {
      await using place = await open();
      const broken = place.write(key, brokenBody(second, sentBytes), promised(first));
      await expect(broken).rejects.toMatchObject({ code: 'unavailable' });
      await write(place, first);
      await expectStored(place, first);
    });

    test('a resumable write of other bytes than was said is corrupt, and the right ones can follow', async () => {
      await using place = await open();
      const wrong = place.write(key, bodyOf(second), promised(first));
      await expect(wrong).rejects.toMatchObject({ code: 'corrupt' });
      await expectUnseen(place);
      await write(place, first);
      await expectStored(place, first);
    });

    test('an object stays as it was while a resumable write of its key is unfinished', async () => {
      await using place = await open();
      await place.write(key, bodyOf(Buffer.from('as it was')), { signal });
      await breakBody(place, first, sentBytes);
      expect((await collect(place.read(key, { signal }))).toString()).toBe('as it was');
      await write(place, first);
      await expectStored(place, first);
    });

    test('delete takes away what an unfinished write has left, too', async () => {
      await using place = await open();
      await breakBody(place, first, sentBytes);
      await place.delete(key, { signal });
      await expectUnseen(place);
      await write(place, first);
      await expectStored(place, first);
      await place.delete(key, { signal });
      await expectUnseen(place);
    });

    test('a write that is not resumable makes its own object, whatever was left', async () => {
      await using place = await open();
      await breakBody(place, first, sentBytes);
      await place.write(key, bodyOf(second), { signal, ifAbsent: true, sizeBytes: size });
      await expectStored(place, second);
    });

    test('of a resumable write with ifAbsent, whoever comes second is told of the conflict', async () => {
      await using place = await open();
      await breakBody(place, first, sentBytes, { ifAbsent: true });
      await place.write(key, bodyOf(Buffer.from('of another writer')), { signal, ifAbsent: true });
      await expect(write(place, first, { ifAbsent: true })).rejects.toMatchObject({ code: 'conflict' });
      expect((await collect(place.read(key, { signal }))).toString()).toBe('of another writer');
      await place.delete(key, { signal });
      await write(place, first, { ifAbsent: true });
      await expectStored(place, first);
    });

    for (const [what, theirs] of [
      ['the same content', first],
      ['different contents', second],
    ] as const) {
      test(`resumable writers of ${what} at the same time make no mixture`, async () => {
        await using place = await open();
        await using other = await reopen(place);
        await breakBody(place, first, sentBytes);
        const outcomes = await Promise.allSettled([write(place, first), write(other, theirs)]);
        for (const outcome of outcomes) {
          if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ name: 'HoldfastError' });
        }
        if (outcomes.some(({ status }) => status === 'fulfilled')) {
          const stored = sha256Of(await collect(other.read(key, { signal })));
          expect([sha256Of(first), sha256Of(theirs)]).toContain(stored);
        } else await expectUnseen(other);
        await write(place, first);
        await expectStored(other, first);
      });
    }

    test('resumable without a checksum, or of no bytes at all, is a write like others', async () => {
      await using place = await open();
      const small = first.subarray(0, 5000);
      await place.write(key, bodyOf(small), { signal, resumable: true });
      await expectStored(place, small);
      await write(place, first.subarray(0, 0));
      await expectStored(place, first.subarray(0, 0));
    });

    test('what must be readable at once is', async () => {
      await using place = await open();
      const small = first.subarray(0, 5000);
      await place.write('hot', bodyOf(small), { signal, hot: true, ifAbsent: true });
      expect(sha256Of(await collect(place.read('hot', { signal })))).toBe(sha256Of(small));
      expect((await place.stat('hot', { signal }))?.access).toBeUndefined();
    });
  });
}

function promised(bytes: Uint8Array, o: Partial<WriteOptions> = {}): WriteOptions {
  return { signal, resumable: true, sizeBytes: bytes.length, sha256: sha256Of(bytes), ...o };
}

function write(place: Destination, bytes: Uint8Array, o: Partial<WriteOptions> = {}): Promise<unknown> {
  return place.write(key, bodyOf(bytes), promised(bytes, o));
}

/** Ends with an error that may pass, after some bytes; can be read only once, so that nobody tries again by himself. */
async function* brokenBody(bytes: Uint8Array, sent: number): AsyncGenerator<Uint8Array> {
  yield* bodyOf(bytes.subarray(0, sent));
  throw new HoldfastError('unavailable', 'the line was cut');
}

async function breakBody(
  place: Destination,
  bytes: Uint8Array,
  ...[sent, o]: [sent: number, o?: Partial<WriteOptions>]
): Promise<void> {
  const writing = place.write(key, brokenBody(bytes, sent), promised(bytes, o));
  await expect(writing).rejects.toMatchObject({ code: 'unavailable' });
}

async function abortWrite(place: Destination, bytes: Uint8Array, sent: number): Promise<void> {
  const controller = new AbortController();
  const body = gatedBody(bytes.subarray(0, sent), bytes.subarray(sent));
  const writing = place.write(key, body, promised(bytes, { signal: controller.signal }));
  await body.reached;
  controller.abort();
  await expect(writing).rejects.toMatchObject({ code: 'cancelled' });
  await body.returned;
}

async function expectUnseen(place: Destination): Promise<void> {
  expect(await place.stat(key, { signal })).toBeUndefined();
  expect(await listedKeys(place)).toEqual([]);
  await expect(collect(place.read(key, { signal }))).rejects.toMatchObject({ code: 'not_found' });
}

async function expectStored(place: Destination, bytes: Uint8Array): Promise<void> {
  expect(await place.stat(key, { signal })).toMatchObject({ key, bytes: bytes.length });
  expect(await listedKeys(place)).toEqual([key]);
  expect(sha256Of(await collect(place.read(key, { signal })))).toBe(sha256Of(bytes));
}
