import { type Destination, HoldfastError } from '@holdfast/core';
import { describe, expect, test } from 'vitest';
import { bodyOf, collect, gatedBody, seededBytes, sha256Of } from './destination-bodies.ts';
import { listedKeys, never, type OpenEmpty, reopen } from './destination-handles.ts';

const signal = never;
const mebibyte = 1_048_576;

/** What a place does with aborts, wrong bodies and missing objects: nothing stored changes. */
export function describeFailures(open: OpenEmpty): void {
  describe('failures', () => {
    for (const existing of [false, true]) {
      const before = existing ? 'an existing object stays as it was' : 'nothing is stored';

      test(`an abort in the middle of a body: ${before}`, async () => {
        await using place = await openWith(open, existing);
        const controller = new AbortController();
        const body = gatedBody(seededBytes(6 * mebibyte, 1), seededBytes(mebibyte, 2));
        const writing = place.write('k', body, { signal: controller.signal });
        await body.reached;
        controller.abort();
        // The body hangs for ever: an abort has to end the wait for it, too.
        await expect(writing).rejects.toMatchObject({ code: 'cancelled' });
        await body.returned;
        body.open();
        await expectUnchanged(place, existing);
      });

      test(`a body that throws: ${before}`, async () => {
        await using place = await openWith(open, existing);
        const failure = new HoldfastError('source_failed', 'the dump ended early');
        const body = (async function* () {
          yield seededBytes(6 * mebibyte, 1);
          throw failure;
        })();
        await expect(place.write('k', body, { signal })).rejects.toBe(failure);
        await expectUnchanged(place, existing);
      });

      test(`a body of another length than was said: ${before}`, async () => {
        await using place = await openWith(open, existing);
        for (const size of [0, 999, mebibyte, 6 * mebibyte]) {
          for (const sizeBytes of [size - 1, size + 1]) {
            if (sizeBytes < 0) continue;
            const writing = place.write('k', bodyOf(seededBytes(size, 1)), { signal, sizeBytes });
            await expect(writing, `${size} for ${sizeBytes}`).rejects.toMatchObject({ code: 'corrupt' });
          }
        }
        await expectUnchanged(place, existing);
      });

      test(`a body with another SHA-256 than was said: ${before}`, async () => {
        await using place = await openWith(open, existing);
        for (const size of [0, 999, 6 * mebibyte]) {
          const bytes = seededBytes(size, 1);
          const sha256 = sha256Of(Buffer.concat([bytes, Buffer.of(1)]));
          const writing = place.write('k', bodyOf(bytes), { signal, sizeBytes: size, sha256 });
          await expect(writing).rejects.toMatchObject({ code: 'corrupt' });
        }
        await expectUnchanged(place, existing);
      });
    }

    test('the error of an abort is the reason that the signal was given', async () => {
      await using place = await open();
      const reason = new HoldfastError('lease_lost', 'another node is responsible now');
      const controller = new AbortController();
      const body = gatedBody(seededBytes(1000, 1), seededBytes(1000, 2));
      const writing = place.write('k', body, { signal: controller.signal });
      await body.reached;
      controller.abort(reason);
      await expect(writing).rejects.toBe(reason);
    });

    test('with a signal that is aborted already, no call does anything', async () => {
      await using place = await openWith(open, true);
      const o = { signal: AbortSignal.abort() };
      const cancelled = { code: 'cancelled' };
      await expect(place.write('k', bodyOf(Buffer.from('new')), o)).rejects.toMatchObject(cancelled);
      await expect(place.delete('k', o)).rejects.toMatchObject(cancelled);
      await expect(place.stat('k', o)).rejects.toMatchObject(cancelled);
      await expect(place.prepare(o)).rejects.toMatchObject(cancelled);
      await expect(collect(place.read('k', o))).rejects.toMatchObject(cancelled);
      await expect(place.list('', o)[Symbol.asyncIterator]().next()).rejects.toMatchObject(cancelled);
      await expectUnchanged(place, true);
    });

    test('an abort at any moment of a write leaves the object whole or absent, and rejects only if absent', async () => {
      await using place = await open();
      const bytes = seededBytes(300_000, 3);
      for (let steps = 0; steps < 24; steps += 1) {
        const controller = new AbortController();
        const key = `abort/${steps}`;
        const writing = place.write(key, bodyOf(bytes), { signal: controller.signal, ifAbsent: true });
        const outcome = writing.then(
          () => 'stored',
          (error: unknown) => error,
        );
        for (let i = 0; i < steps; i += 1) await new Promise((resolve) => setImmediate(resolve));
        controller.abort();
        const rejected = (await outcome) !== 'stored';
        expect(await place.stat(key, { signal })).toEqual(
          rejected ? undefined : expect.objectContaining({ bytes: bytes.length }),
        );
        if (rejected) expect(await outcome).toMatchObject({ code: 'cancelled' });
      }
    });

    test('a read that is given up, or aborted, leaves the place usable', async () => {
      await using place = await open();
      const bytes = seededBytes(5 * mebibyte, 1);
      await place.write('k', bodyOf(bytes), { signal });
      for (let i = 0; i < 20; i += 1) {
        for await (const block of place.read('k', { signal })) {
          expect(block.length).toBeGreaterThan(0);
          break;
        }
      }
      const controller = new AbortController();
      const aborted = (async () => {
        for await (const _ of place.read('k', { signal: controller.signal })) controller.abort();
      })();
      await expect(aborted).rejects.toMatchObject({ code: 'cancelled' });
      expect(sha256Of(await collect(place.read('k', { signal })))).toBe(sha256Of(bytes));
    });

    test('a missing object is not_found from read, undefined from stat, nothing to delete', async () => {
      await using place = await open();
      for (const key of ['missing', 'no/such/folder/missing']) {
        await expect(collect(place.read(key, { signal }))).rejects.toMatchObject({ code: 'not_found' });
        const ranged = collect(place.read(key, { signal, range: { start: 0, length: 1 } }));
        await expect(ranged).rejects.toMatchObject({ code: 'not_found' });
        expect(await place.stat(key, { signal })).toBeUndefined();
        await place.delete(key, { signal });
      }
      expect(await listedKeys(place)).toEqual([]);
    });
  });
}

async function openWith(open: OpenEmpty, existing: boolean): Promise<Destination> {
  const place = await open();
  if (existing) await place.write('k', bodyOf(Buffer.from('as it was')), { signal });
  return place;
}

async function expectUnchanged(place: Destination, existing: boolean): Promise<void> {
  // Through another handle as well: what one handle remembers is not what is stored.
  await using other = await reopen(place);
  for (const handle of [place, other]) {
    expect(await listedKeys(handle)).toEqual(existing ? ['k'] : []);
    if (existing) expect((await collect(handle.read('k', { signal }))).toString()).toBe('as it was');
    else expect(await handle.stat('k', { signal })).toBeUndefined();
  }
}
