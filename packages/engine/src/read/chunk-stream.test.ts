import { readFileSync } from 'node:fs';
import { type ChunkEntry, RowDigest } from '@holdfast/core';
import { failing, MemoryDestination, type TemporaryFolder, temporaryFolder } from '@holdfast/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { sha256Of } from '../manifest-file.ts';
import { ChunkWriter } from '../store/chunk-writer.ts';
import { compressFrame } from '../store/frames.ts';
import { SegmentWriter } from '../store/segment-writer.ts';
import { never } from '../world.fixture.ts';
import { Damage } from './chunk-stream.ts';
import { openChunk } from './open-chunk.ts';

const rows = new RowDigest();
const writer = new ChunkWriter(() => {});
const destination = new MemoryDestination();
const object = 't/c/s';
let folder: TemporaryFolder;
let entry: ChunkEntry;
let bytes: Buffer;

beforeEach(async () => {
  folder = await temporaryFolder();
  const segment = new SegmentWriter(folder.path, 's');
  writer.begin(segment, { chunk: '/p.a', kind: 'rows', columns: [{ name: 'id', type: 'int8' }] });
  writer.append(Buffer.from(Array.from({ length: 60 }, (_, n) => `["${n}","row ${n * n}"]\n`).join('')));
  entry = { ...writer.end().entry, segment: 0 };
  segment.close();
  bytes = readFileSync(folder.join('s'));
});
afterEach(() => folder[Symbol.asyncDispose]());

/** Reads the chunk; answers the finding, or `ok`. */
async function reading(
  stored: Uint8Array,
  promised: ChunkEntry = entry,
  from = destination,
): Promise<string> {
  destination.objects.set(object, Buffer.from(stored));
  try {
    await using chunk = await openChunk(from, { id: 'x', object, entry: promised }, rows, { signal: never });
    for await (const _ of chunk.blocks);
    return 'ok';
  } catch (error) {
    if (error instanceof Damage) return error.finding;
    return (error as { code?: string }).code ?? String(error);
  }
}

/** A chunk of these lines, whatever they are, in one frame whose checksum fits. */
function made(text: string): { readonly frame: Uint8Array; readonly entry: ChunkEntry } {
  const frame = compressFrame(Buffer.from(text));
  const sizes = { bytes: frame.length, frames: [frame.length], rawBytes: Buffer.byteLength(text) };
  return { frame, entry: { ...entry, ...sizes, sha256: sha256Of(frame) } };
}

describe('a chunk', () => {
  test('that is whole is read to its end', async () => {
    expect(await reading(bytes)).toBe('ok');
  });

  test('with any bit flipped is found by its checksum', async () => {
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const found = await reading(flipped);
      if (found !== 'wrong checksum') expect.fail(`bit ${bit}: ${found}`);
    }
  }, 60_000);

  test('that is cut anywhere is damage', async () => {
    for (let length = 0; length < bytes.length; length += 5)
      expect(await reading(bytes.subarray(0, length))).toBe('corrupt');
  });

  test('that ends while it is read is damage, too', async () => {
    const short = failing(destination, { read: ['short'] });
    expect(await reading(bytes, entry, short as unknown as MemoryDestination)).toBe('corrupt');
  });

  test('whose object is gone is damage', async () => {
    const elsewhere = { id: 'x', object: 't/c/gone', entry };
    await expect(openChunk(destination, elsewhere, rows, { signal: never })).rejects.toMatchObject({
      code: 'corrupt',
    });
  });

  test('whose place cannot be reached is not damage', async () => {
    const away = failing(destination, { read: ['unavailable'] });
    expect(await reading(bytes, entry, away as unknown as MemoryDestination)).toBe('unavailable');
  });
});

describe('a chunk whose checksum fits', () => {
  const header = '{"chunk":"/p.a","kind":"rows","columns":[]}\n';
  const trailer = '{"rows":1,"digest":"x"}\n';

  test.each([
    ['without a trailer', `${header}["1"]\n`, 'row count'],
    ['without a header', `["1"]\n${trailer}`, 'unreadable frame'],
    ['with rows behind its trailer', `${header}${trailer}["1"]\n`, 'unreadable frame'],
    ['with two trailers', `${header}["1"]\n${trailer}${trailer}`, 'row count'],
    ['that ends in the middle of a line', `${header}["1"]\n{"rows":1`, 'row count'],
    ['with a row more', `${header}["1"]\n["2"]\n${trailer}`, 'row count'],
    ['with another row', `${header}["2"]\n${trailer}`, 'row count'],
    ['whose header is no JSON', `{"chunk\n["1"]\n${trailer}`, 'unreadable frame'],
  ])('%s is not believed', async (_, text, finding) => {
    const one = made(`${header}["1"]\n${trailer}`);
    rows.reset();
    rows.append(Buffer.from('["1"]\n'));
    rows.absorb();
    const promised = { rows: 1, digest: rows.digest };
    expect(await reading(one.frame, { ...one.entry, ...promised })).toBe('ok');
    const other = made(text);
    expect(await reading(other.frame, { ...other.entry, ...promised })).toBe(finding);
  });

  test('a frame that holds more than it may is refused before it fills the memory', async () => {
    const bomb = made(`${header}${'["1"]\n'.repeat(2_000_000)}`);
    expect(await reading(bomb.frame, bomb.entry)).toBe('unreadable frame');
  });
});
