import type { Destination } from '@holdfast/core';
import { describe, expect, test } from 'vitest';
import { bodyOf, collect, gatedBody, seededBytes, sha256Of } from './destination-bodies.ts';
import { listed, listedKeys, never, type OpenEmpty, reopen } from './destination-handles.ts';

const signal = never;
const mebibyte = 1_048_576;

/** What a place does while nothing goes wrong. */
export function describeObjects(open: OpenEmpty): void {
  describe('objects', () => {
    for (const size of [0, 1, 65_536, mebibyte - 1, mebibyte, 5 * mebibyte + 3]) {
      test(`an object of ${size} bytes reads back as it was written`, async () => {
        await using place = await open();
        const bytes = seededBytes(size, size + 1);
        const info = await place.write('task/chain/object', bodyOf(bytes, 100_003), {
          signal,
          sizeBytes: size,
          sha256: sha256Of(bytes),
        });
        expect(info).toMatchObject({ key: 'task/chain/object', bytes: size });
        expect(sha256Of(await read(place, 'task/chain/object'))).toBe(sha256Of(bytes));
      });
    }

    test('a large object in odd blocks reads back whole, through another handle too', async () => {
      await using place = await open();
      const bytes = seededBytes(21 * mebibyte + 7, 9);
      await place.write('large', bodyOf(bytes, 1_500_001), { signal, sha256: sha256Of(bytes) });
      await using other = await reopen(place);
      expect(sha256Of(await read(other, 'large'))).toBe(sha256Of(bytes));
    });

    test('what was written is seen by read, stat and list, at once', async () => {
      await using place = await open();
      for (let i = 0; i < 10; i += 1) {
        const key = `seen/${i}`;
        await put(place, key, `content ${i}`);
        expect(await text(place, key)).toBe(`content ${i}`);
        expect(await place.stat(key, { signal })).toMatchObject({ key, bytes: 9 });
        expect(await listedKeys(place, 'seen/')).toContain(key);
      }
    });

    test('what was deleted is no longer seen by read, stat and list, at once', async () => {
      await using place = await open();
      for (const key of ['gone/a', 'gone/b', 'kept']) await put(place, key, key);
      await place.delete('gone/a', { signal });
      expect(await place.stat('gone/a', { signal })).toBeUndefined();
      await expect(text(place, 'gone/a')).rejects.toMatchObject({ code: 'not_found' });
      expect(await listedKeys(place)).toEqual(['gone/b', 'kept']);
      await put(place, 'gone/a', 'again');
      expect(await text(place, 'gone/a')).toBe('again');
    });

    test('a write without ifAbsent replaces the whole object', async () => {
      await using place = await open();
      await put(place, 'k', 'the first and longer content');
      await put(place, 'k', 'second');
      expect(await text(place, 'k')).toBe('second');
      expect((await listed(place)).map((info) => info.bytes)).toEqual([6]);
    });

    test('an unfinished write is seen by nobody', async () => {
      await using place = await open();
      await using other = await reopen(place);
      const body = gatedBody(seededBytes(6 * mebibyte, 1), seededBytes(10, 2));
      const writing = place.write('slow/object', body, { signal, ifAbsent: true });
      await body.reached;
      for (const handle of [place, other]) {
        expect(await handle.stat('slow/object', { signal })).toBeUndefined();
        expect(await listedKeys(handle)).toEqual([]);
        await expect(text(handle, 'slow/object')).rejects.toMatchObject({ code: 'not_found' });
      }
      body.open();
      await writing;
      expect(await other.stat('slow/object', { signal })).toMatchObject({ bytes: 6 * mebibyte + 10 });
    });

    test('who reads while an object is replaced gets the old one or the new one, or an error', async () => {
      await using place = await open();
      await using other = await reopen(place);
      const versions = [seededBytes(4 * mebibyte, 1), seededBytes(4 * mebibyte, 2)];
      await place.write('k', bodyOf(versions[0] as Uint8Array), { signal });
      const hashes = versions.map(sha256Of);
      const iterator = other.read('k', { signal })[Symbol.asyncIterator]();
      const blocks: Uint8Array[] = [];
      const first = await iterator.next();
      if (!first.done) blocks.push(Uint8Array.from(first.value));
      await place.write('k', bodyOf(versions[1] as Uint8Array), { signal });
      try {
        for (let step = await iterator.next(); !step.done; step = await iterator.next())
          blocks.push(Uint8Array.from(step.value));
      } catch (error) {
        expect(error).toMatchObject({ name: 'HoldfastError' });
        return;
      }
      expect(hashes).toContain(sha256Of(Buffer.concat(blocks)));
    });

    test('many writers and readers of different keys do not disturb one another', async () => {
      await using place = await open();
      await Promise.all(
        Array.from({ length: 8 }, async (_, i) => {
          const bytes = seededBytes(mebibyte + i, i);
          await place.write(`p/${i}`, bodyOf(bytes), { signal, ifAbsent: true, sizeBytes: bytes.length });
          expect(sha256Of(await read(place, `p/${i}`))).toBe(sha256Of(bytes));
        }),
      );
      expect(await listed(place, 'p/')).toHaveLength(8);
    });

    test('with ifAbsent the second writer is told of the conflict and changes nothing', async () => {
      await using place = await open();
      await put(place, 'once', 'first');
      const second = place.write('once', bodyOf(Buffer.from('second')), { signal, ifAbsent: true });
      await expect(second).rejects.toMatchObject({ code: 'conflict' });
      expect(await text(place, 'once')).toBe('first');
      expect(await listedKeys(place)).toEqual(['once']);
    });

    test('of many writers with ifAbsent exactly one wins', async () => {
      await using place = await open();
      await using other = await reopen(place);
      // Whoever does not leave the decision to the place itself promises it for one handle only.
      const handles = place.features.conditionalWrite ? [place, other] : [place];
      for (let round = 0; round < 3; round += 1) {
        const bodies = Array.from({ length: 12 }, (_, i) => seededBytes(200_000 + i, round * 100 + i));
        const outcomes = await Promise.allSettled(
          bodies.map((bytes, i) =>
            (handles[i % handles.length] as Destination).write(`race/${round}`, bodyOf(bytes), {
              signal,
              ifAbsent: true,
              sizeBytes: bytes.length,
            }),
          ),
        );
        const winners = outcomes.flatMap((outcome, i) => (outcome.status === 'fulfilled' ? [i] : []));
        expect(winners).toHaveLength(1);
        for (const outcome of outcomes) {
          if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'conflict' });
        }
        const winner = bodies[winners[0] as number] as Uint8Array;
        expect(sha256Of(await read(other, `race/${round}`))).toBe(sha256Of(winner));
      }
      expect(await listed(place)).toHaveLength(3);
    });

    test('a range reads exactly its bytes', async () => {
      await using place = await open();
      const bytes = seededBytes(3 * mebibyte + 5, 4);
      await place.write('r', bodyOf(bytes), { signal });
      const end = bytes.length;
      for (const [start, length] of [
        [0, 1],
        [0, end],
        [1_000_000, 1_200_001],
        [end - 1, 1],
        [17, 0],
        [end, 0],
      ] as const) {
        const part = await collect(place.read('r', { signal, range: { start, length } }));
        expect(sha256Of(part)).toBe(sha256Of(bytes.subarray(start, start + length)));
      }
    });

    test("a range past the object's end is out_of_range", async () => {
      await using place = await open();
      await put(place, 'r', '0123456789');
      for (const range of [
        { start: 0, length: 11 },
        { start: 9, length: 2 },
        { start: 11, length: 1 },
        { start: 11, length: 0 },
      ]) {
        const part = collect(place.read('r', { signal, range }));
        await expect(part, JSON.stringify(range)).rejects.toMatchObject({ code: 'out_of_range' });
      }
    });

    test('prepare resolves with warnings in words, leaves nothing behind, and may be repeated', async () => {
      await using place = await open();
      await put(place, 'there', 'before');
      for (let i = 0; i < 2; i += 1) {
        const warnings = await place.prepare({ signal, neverOn: [] });
        expect(warnings.every((warning) => typeof warning === 'string')).toBe(true);
      }
      expect(await listedKeys(place)).toEqual(['there']);
    });
  });
}

async function put(place: Destination, key: string, content: string): Promise<void> {
  await place.write(key, bodyOf(Buffer.from(content)), { signal });
}

function read(place: Destination, key: string): Promise<Buffer> {
  return collect(place.read(key, { signal }));
}

async function text(place: Destination, key: string): Promise<string> {
  return (await read(place, key)).toString();
}
