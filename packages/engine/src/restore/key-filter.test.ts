import { expect, test } from 'vitest';
import { hashBegin, hashOf, hashStep, KeyFilter } from './key-filter.ts';

test('a hash is that of FNV-1a', () => {
  // From the reference's test vectors.
  expect([hashOf(''), hashOf('a'), hashOf('foobar')].map((hash) => hash >>> 0)).toEqual([
    0x811c9dc5, 0xe40c292c, 0xbf9cf968,
  ]);
});

test('by steps over the bytes it is that of the text', () => {
  const text = '"é🦭",17,';
  let hash = hashBegin;
  for (const byte of Buffer.from(text)) hash = hashStep(hash, byte);
  expect(hash).toBe(hashOf(text));
});

test('a filter holds what was added, all of it, and hardly anything else', () => {
  const keys = 50_000;
  const filter = new KeyFilter(keys);
  for (let n = 0; n < keys; n++) filter.add(hashOf(`"${n}",`));
  let missed = 0;
  let strangers = 0;
  for (let n = 0; n < keys; n++) if (!filter.mayHold(hashOf(`"${n}",`))) missed++;
  for (let n = keys; n < 20 * keys; n++) if (filter.mayHold(hashOf(`"${n}",`))) strangers++;
  expect(missed).toBe(0);
  // 50,000 of 2^32 hashes are taken: of 950,000 strangers, 11 meet one.
  expect(strangers).toBeLessThan(100);
});

test.each([0, 1, 2, 1024])('a filter for %i keys takes as many', (keys) => {
  const filter = new KeyFilter(keys);
  expect(filter.mayHold(hashOf('x'))).toBe(false);
  for (let n = 0; n < keys; n++) filter.add(n);
  for (let n = 0; n < keys; n++) expect(filter.mayHold(n)).toBe(true);
});
