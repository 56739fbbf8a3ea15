import type { Destination } from '@holdfast/core';
import { describe, expect, test } from 'vitest';
import { bodyOf, collect } from './destination-bodies.ts';
import { listedKeys, never, type OpenEmpty, reopen } from './destination-handles.ts';

const signal = never;

/** Opens a place that was opened before, as one that held `expectedId` when it was last used. */
export type OpenExpecting = (place: Destination, expectedId: string) => Promise<Destination>;

/** Names that no key has a part of. */
const reserved = ['.holdfast-repository', '.holdfast-x', 'a/.holdfast-tmp-1', '.holdfast-folder/inside'];

/** Which repository a place holds, and the names that say so. */
export function describeRepository(open: OpenEmpty, expecting: OpenExpecting | undefined): void {
  describe('repository', () => {
    test('reserved names are no keys, for every verb', async () => {
      await using place = await open();
      await place.prepare({ signal });
      const refused = { code: 'config_invalid' };
      for (const key of reserved) {
        const writing = place.write(key, bodyOf(Buffer.from('x')), { signal });
        await expect(writing, key).rejects.toMatchObject(refused);
        await expect(collect(place.read(key, { signal })), key).rejects.toMatchObject(refused);
        await expect(place.stat(key, { signal }), key).rejects.toMatchObject(refused);
        await expect(place.delete(key, { signal }), key).rejects.toMatchObject(refused);
      }
    });

    test('what the place keeps for itself is never listed', async () => {
      await using place = await open();
      await place.prepare({ signal });
      await place.write('a/b', bodyOf(Buffer.from('x')), { signal });
      for (const prefix of ['', '.', '.holdfast-', 'a/.holdfast-']) {
        expect(await listedKeys(place, prefix)).toEqual(prefix === '' ? ['a/b'] : []);
      }
    });

    test('which repository it is stays the same, for every handle', async () => {
      await using place = await open();
      await place.prepare({ signal });
      const id = place.repositoryId;
      await place.write('a', bodyOf(Buffer.from('x')), { signal });
      await place.prepare({ signal });
      expect(place.repositoryId).toBe(id);
      await using other = await reopen(place);
      await other.prepare({ signal });
      expect(other.repositoryId).toBe(id);
      await place.delete('a', { signal });
      await place.prepare({ signal });
      expect(place.repositoryId).toBe(id);
    });

    test('handles that prepare an empty place at the same time agree on which repository it is', async () => {
      await using place = await open();
      await using other = await reopen(place);
      await Promise.all([place.prepare({ signal }), other.prepare({ signal })]);
      expect(other.repositoryId).toBe(place.repositoryId);
    });

    if (!expecting) return;

    test('a place that is expected to hold what it holds is taken', async () => {
      await using place = await open();
      await place.prepare({ signal });
      const id = place.repositoryId as string;
      await using later = await expecting(place, id);
      await later.prepare({ signal });
      expect(later.repositoryId).toBe(id);
    });

    test('one that holds another repository than is expected is refused, and not written to', async () => {
      await using place = await open();
      await place.prepare({ signal });
      await using later = await expecting(place, 'another');
      await expect(later.prepare({ signal })).rejects.toMatchObject({
        code: 'precondition_failed',
        message: expect.stringContaining(place.repositoryId as string),
      });
      expect(await listedKeys(place)).toEqual([]);
    });
  });
}
