import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { zstdDecompressSync } from 'node:zlib';
import type { ChunkEntry, ChunkPlan, ChunkReader, SegmentEntry } from '@holdfast/core';
import { RowDigest } from '@holdfast/core';
import { MemoryDestination, type TemporaryFolder, temporaryFolder } from '@holdfast/testing';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { linesOf } from '../read/lines.ts';
import { openChunk } from '../read/open-chunk.ts';
import { never } from '../world.fixture.ts';
import { ChunkWriter, type StoredChunk, storeChunk } from './chunk-writer.ts';
import { frameBytesMax } from './frames.ts';
import { SegmentWriter } from './segment-writer.ts';

let folder: TemporaryFolder;
let segments = 0;
let segment: SegmentWriter;
// Their memory serves all tests.
const rows = new RowDigest();
let toldBytes = 0;
const writer = new ChunkWriter((bytes) => {
  toldBytes += bytes;
});
beforeEach(async () => {
  folder = await temporaryFolder();
  segment = new SegmentWriter(folder.path, `segment-${++segments}`);
});
afterEach(() => folder[Symbol.asyncDispose]());

interface Sending {
  readonly kind?: ChunkPlan['kind'];
  readonly said?: number;
  readonly compare?: boolean;
  readonly path?: string;
}

const plan = ({ kind = 'rows', compare = false, path = '/p.a' }: Sending = {}): ChunkPlan => ({
  path,
  kind,
  columns: kind === 'rows' ? [{ name: 'id', type: 'int8' }] : [],
  estimatedBytes: 0,
  local: false,
  compare,
  how: null,
});

/** A reader of these lines, which cuts them into blocks of a size that divides nothing, in a buffer it uses again. */
function readerOf(
  bytes: Buffer,
  said: number,
  blockBytes = 1009,
): ChunkReader & { readonly returned: boolean } {
  let returned = false;
  return {
    get returned() {
      return returned;
    },
    async *read() {
      const buffer = Buffer.alloc(blockBytes);
      try {
        for (let at = 0; at < bytes.length; at += blockBytes) {
          yield buffer.subarray(0, bytes.copy(buffer, 0, at, at + blockBytes));
          buffer.fill(0);
        }
        return { rows: said };
      } finally {
        returned = true;
      }
    },
    async [Symbol.asyncDispose]() {},
  };
}

async function store(text: string, sending: Sending = {}): Promise<StoredChunk> {
  const bytes = Buffer.from(text);
  const reader = readerOf(
    bytes,
    sending.said ?? text.split('\n').length - 1,
    bytes.length > 1e5 ? 65_521 : 17,
  );
  const stored = await storeChunk(plan(sending), reader, writer, () => segment, {
    signal: never,
  });
  if (!stored) throw new Error('nothing was stored');
  return stored;
}

/** Puts the segment at a destination. */
function put(): {
  readonly destination: MemoryDestination;
  readonly closed: SegmentEntry;
  readonly bytes: Buffer;
} {
  const closed = segment.close();
  const bytes = readFileSync(folder.join(closed.name));
  const destination = new MemoryDestination();
  destination.objects.set('t/c/s', bytes);
  return { destination, closed, bytes };
}

async function read(destination: MemoryDestination, entry: Omit<ChunkEntry, 'segment'>): Promise<string[]> {
  const ref = { id: 'x', object: 't/c/s', entry: { ...entry, segment: 0 } };
  await using chunk = await openChunk(destination, ref, rows, { signal: never });
  const lines: string[] = [];
  for await (const line of linesOf(chunk.blocks)) lines.push(line);
  return lines;
}

describe('a stored chunk', () => {
  test('is zstd that prints a header, the rows and a trailer', async () => {
    const { entry } = await store('["1"]\n["2"]\n');
    const { bytes, closed } = put();
    const lines = zstdDecompressSync(bytes).toString('utf8').split('\n');
    expect(lines).toEqual([
      '{"chunk":"/p.a","kind":"rows","columns":[{"name":"id","type":"int8"}]}',
      '["1"]',
      '["2"]',
      `{"rows":2,"digest":"${entry.digest}"}`,
      '',
    ]);
    expect(entry).toMatchObject({ rows: 2, offset: 0, bytes: bytes.length, frames: [bytes.length] });
    expect(entry.rawBytes).toBe(zstdDecompressSync(bytes).length);
    expect(entry.sha256).toBe(createHash('sha256').update(bytes).digest('hex'));
    expect(closed).toEqual({ name: segment.name, bytes: bytes.length, sha256: entry.sha256 });
  });

  test('chunks follow one another without a gap, and each is read by itself', async () => {
    const first = await store('["1"]\n', { path: '/p.a' });
    const none = await store('', { path: '/p.b' });
    const last = await store('["2"]\n["3"]\n', { path: '/p.c' });
    const { destination, bytes } = put();
    expect(none.entry).toMatchObject({ offset: first.entry.bytes, rows: 0 });
    expect(last.entry.offset + last.entry.bytes).toBe(bytes.length);
    expect(await read(destination, first.entry)).toEqual(['["1"]']);
    expect(await read(destination, none.entry)).toEqual([]);
    expect(await read(destination, last.entry)).toEqual(['["2"]', '["3"]']);
  });

  test('rows larger than a frame, and rows that lie across frames, come back as they were', async () => {
    const lines = [
      '["small"]',
      JSON.stringify(['x'.repeat(20_000_000)]),
      '["é"]',
      JSON.stringify(['y'.repeat(frameBytesMax)]),
    ];
    const { entry } = await store(lines.map((line) => `${line}\n`).join(''));
    const { destination } = put();
    expect(entry.rows).toBe(4);
    expect(entry.frames.length).toBe(Math.ceil(entry.rawBytes / frameBytesMax));
    // Compared by length first: a difference in 20 MB is nothing to print.
    const back = await read(destination, entry);
    expect(back.map((line) => line.length)).toEqual(lines.map((line) => line.length));
    expect(back.every((line, index) => line === lines[index])).toBe(true);
  });

  test('any rows come back as they were', async () => {
    const letter = fc.constantFrom('a', '{', '"', '\\', '\n', '\0', 'é', '\u2028', '\uFEFF', '😀', '\uD800');
    const value = fc.oneof(fc.string({ unit: letter, maxLength: 40 }), fc.integer(), fc.constant(null));
    const row = fc.array(value).map((values) => JSON.stringify(values));
    await fc.assert(
      fc.asyncProperty(fc.array(row), async (lines) => {
        segment = new SegmentWriter(folder.path, `segment-${++segments}`);
        const { entry } = await store(lines.map((line) => `${line}\n`).join(''));
        expect(await read(put().destination, entry)).toEqual(lines);
      }),
      { numRuns: 30 },
    );
  });

  test('the digest does not depend on the order of the rows', async () => {
    const one = await store('["1"]\n["2"]\n');
    const other = await store('["2"]\n["1"]\n');
    expect(other.entry.digest).toBe(one.entry.digest);
    expect(other.entry.sha256).not.toBe(one.entry.sha256);
  });

  test('an image is its bytes, in frames', async () => {
    const image = Buffer.alloc(frameBytesMax + 5, 'image {\n');
    const reader = readerOf(image, 0, 65_521);
    const stored = await storeChunk(plan({ kind: 'image', path: '/image' }), reader, writer, () => segment, {
      signal: never,
    });
    const { bytes, destination } = put();
    expect(zstdDecompressSync(bytes).equals(image)).toBe(true);
    expect(stored?.entry).toMatchObject({ rows: 0, digest: '', rawBytes: image.length });
    expect(stored?.entry.frames).toHaveLength(2);
    const ref = { id: 'x', object: 't/c/s', entry: { ...stored?.entry, segment: 0 } as ChunkEntry };
    await using chunk = await openChunk(destination, ref, rows, { signal: never });
    const parts: Buffer[] = [];
    for await (const block of chunk.blocks) parts.push(Buffer.from(block));
    expect(Buffer.concat(parts).equals(image)).toBe(true);
  });
});

describe('what a source says is not believed unseen', () => {
  test.each([0, 1, 3])('%s rows said for two is a failure', async (said) => {
    await expect(store('["1"]\n["2"]\n', { said })).rejects.toMatchObject({ code: 'source_failed' });
  });

  test('a chunk that ends in the middle of a row is a failure', async () => {
    await expect(store('["1"]\n["2"', { said: 1 })).rejects.toMatchObject({ code: 'source_failed' });
    await expect(store('["2"', { said: 0 })).rejects.toMatchObject({ code: 'source_failed' });
  });

  test('an image without a byte is a failure', async () => {
    await expect(store('', { kind: 'image' })).rejects.toMatchObject({ code: 'source_failed' });
  });

  test('a line that is no row does not pass for one', async () => {
    await expect(store('["1"]\n{"rows":1}\n', { said: 2 })).rejects.toMatchObject({ code: 'source_failed' });
  });

  test('a reader is let go after a failure on our side', async () => {
    const reader = readerOf(Buffer.from('["1"]\n'), 1);
    const stop = new AbortController();
    stop.abort();
    const storing = storeChunk(plan(), reader, writer, () => segment, {
      signal: stop.signal,
    });
    await expect(storing).rejects.toThrow();
    expect(reader.returned).toBe(true);
  });
});

describe('a compared chunk', () => {
  const text = '["1"]\n["2"]\n';
  const compare = async (knownDigest: string | undefined, said = 2): Promise<StoredChunk | undefined> =>
    storeChunk(plan({ compare: true }), readerOf(Buffer.from(text), said), writer, () => segment, {
      signal: never,
      knownDigest,
    });

  test('is left out when its rows are the same, in any order', async () => {
    const { entry } = await store('["2"]\n["1"]\n');
    const before = segment.bytes;
    expect(await compare(entry.digest)).toBeUndefined();
    expect(segment.bytes).toBe(before);
  });

  test('is told as bytes that moved, though nothing is written', async () => {
    const { entry } = await store(text);
    toldBytes = 0;
    await compare(entry.digest);
    expect(toldBytes).toBe(text.length);
  });

  test('is written when a row differs, or nothing is known', async () => {
    const { entry } = await store('["2"]\n["3"]\n');
    expect((await compare(entry.digest))?.entry.rows).toBe(2);
    expect((await compare(undefined))?.entry.rows).toBe(2);
  });

  test('is not left out because of rows that a source did not send', async () => {
    const { entry } = await store(text);
    await expect(compare(entry.digest, 3)).rejects.toMatchObject({ code: 'source_failed' });
  });
});

test('a name that is taken in staging is not overwritten', () => {
  expect(() => new SegmentWriter(folder.path, segment.name)).toThrow(/EEXIST/);
});
