import type { Destination } from '@holdfast/core';
import { describe, expect, test } from 'vitest';
import { bodyOf, collect } from './destination-bodies.ts';
import { listed, listedKeys, never, type OpenEmpty } from './destination-handles.ts';

const signal = never;

/** Names that every place has to keep. */
const plainNames = [
  '20261120T140000Z-node-a-g3/0000-full.manifest.json',
  'with blank/in the middle',
  'dots..inside/a.b.c',
  "signs +&%#@=~()[],;!$^-_'/100%25 %2F",
  'UPPER/lower and upper',
  'größe/日本語/ключ/🐙',
  `long/${'x'.repeat(200)}`,
  'a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p',
];

/** Names that a place may refuse, but must not bend. */
const oddNames = [
  'back\\slash',
  'star*',
  'question?',
  'quote"',
  'colon:name',
  'pipe|',
  '<angle>',
  'tab\tname',
  'line\nbreak',
  'trailing dot.',
  'trailing blank ',
  ' leading blank',
  '.hidden',
  '~home',
  '-dash',
  'CON',
  'nul.txt',
  'a\u0308 decomposed',
  `too-long-for-some/${'y'.repeat(256)}`,
  `deep/${'z/'.repeat(400)}end`,
];

const notKeys = ['', '/', '/a', 'a/', 'a//b', '.', '..', './a', 'a/.', '../a', 'a/../b', 'a/./b', 'a/..'];

/** Names and lists. */
export function describeKeys(open: OpenEmpty): void {
  describe('keys', () => {
    test('plain names are kept exactly', async () => {
      await using place = await open();
      for (const key of plainNames) await put(place, key, key);
      expect(await listedKeys(place)).toEqual([...plainNames].sort());
      for (const key of plainNames) expect(await text(place, key)).toBe(key);
      for (const key of plainNames) await place.delete(key, { signal });
      expect(await listedKeys(place)).toEqual([]);
    });

    test('an odd name is kept exactly or refused as config_invalid, never bent', async () => {
      await using place = await open();
      const kept: string[] = [];
      for (const key of oddNames) {
        try {
          await put(place, key, key);
          kept.push(key);
        } catch (error) {
          expect(error, JSON.stringify(key)).toMatchObject({ code: 'config_invalid' });
        }
      }
      expect(await listedKeys(place)).toEqual([...kept].sort());
      for (const key of kept) expect(await text(place, key)).toBe(key);
    });

    test('what is not a key is refused by every verb and changes nothing', async () => {
      await using place = await open();
      await put(place, 'a/b', 'there');
      const refused = { code: 'config_invalid' };
      for (const key of notKeys) {
        const about = JSON.stringify(key);
        await expect(put(place, key, 'x'), about).rejects.toMatchObject(refused);
        await expect(text(place, key), about).rejects.toMatchObject(refused);
        await expect(place.stat(key, { signal }), about).rejects.toMatchObject(refused);
        await expect(place.delete(key, { signal }), about).rejects.toMatchObject(refused);
      }
      expect(await listedKeys(place)).toEqual(['a/b']);
    });

    test('a list yields each object whose key begins with the prefix, once, with its size', async () => {
      await using place = await open();
      const keys = ['t/chain/1', 't/chain/2', 't/chain-2/1', 't/other', 't2/chain/1', 'top'];
      for (const key of keys) await put(place, key, key);
      expect(await listedKeys(place)).toEqual([...keys].sort());
      expect(await listedKeys(place, 't/')).toEqual(['t/chain-2/1', 't/chain/1', 't/chain/2', 't/other']);
      expect(await listedKeys(place, 't/chain/')).toEqual(['t/chain/1', 't/chain/2']);
      expect(await listedKeys(place, 't/chain')).toEqual(['t/chain-2/1', 't/chain/1', 't/chain/2']);
      expect(await listedKeys(place, 't/chain/1')).toEqual(['t/chain/1']);
      expect(await listedKeys(place, 'nothing/')).toEqual([]);
      expect(await listedKeys(place, 'top/')).toEqual([]);
      for (const info of await listed(place)) expect(info.bytes).toBe(info.key.length);
    });

    test('a list of 2500 objects is complete, each of them once', { timeout: 300_000 }, async () => {
      await using place = await open();
      const keys = Array.from({ length: 2500 }, (_, i) => `many/${String(i).padStart(5, '0')}`);
      for (let at = 0; at < keys.length; at += 25) {
        await Promise.all(keys.slice(at, at + 25).map((key) => put(place, key, '')));
      }
      await put(place, 'another/one', '');
      expect(await listedKeys(place, 'many/')).toEqual(keys);
    });

    test('a list can be given up half way, and objects can be deleted while it goes on', async () => {
      await using place = await open();
      for (let i = 0; i < 30; i += 1) await put(place, `l/${i}`, '');
      for await (const info of place.list('l/', { signal })) {
        expect(info.key.startsWith('l/')).toBe(true);
        break;
      }
      for await (const info of place.list('l/', { signal })) await place.delete(info.key, { signal });
      expect(await listedKeys(place, 'l/')).toEqual([]);
    });

    test('a folder is no object', async () => {
      await using place = await open();
      await put(place, 'f/inside', 'x');
      expect(await place.stat('f', { signal })).toBeUndefined();
      await expect(text(place, 'f')).rejects.toMatchObject({ code: 'not_found' });
      await place.delete('f', { signal });
      expect(await text(place, 'f/inside')).toBe('x');
    });
  });
}

async function put(place: Destination, key: string, content: string): Promise<void> {
  await place.write(key, bodyOf(Buffer.from(content)), { signal });
}

async function text(place: Destination, key: string): Promise<string> {
  return (await collect(place.read(key, { signal }))).toString();
}
