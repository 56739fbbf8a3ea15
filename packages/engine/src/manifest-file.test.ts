import { readFileSync } from 'node:fs';
import { HoldfastError, type Manifest } from '@holdfast/core';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { chunkOf, manifestOf } from './manifest.fixture.ts';
import { manifestJsonSchema, readManifest, sha256Of, writeManifest } from './manifest-file.ts';

const sha256 = 'ab'.repeat(32);
const rich = manifestOf(1, {
  previous: { sequence: 0, sha256 },
  gap: { reason: 'the slot é was dropped', since: { position: '0/1', timeMs: 12.5 } },
  segments: [{ name: '0001-incremental-001.ndjson.zst', bytes: 30, sha256 }],
  chunks: [
    chunkOf('/changes/@1', {
      kind: 'changes',
      bytes: 20,
      frames: [12, 8],
      rawBytes: 99,
      rows: 3,
      tables: { '/p.a': 3 },
    }),
    chunkOf('/p.b', { offset: 20, bytes: 10, frames: [10], digest: 'f'.repeat(32) }),
  ],
  replaced: ['/p.b'],
  dropped: ['/p.c'],
  state: { slot: 'a', nested: [1, null, { b: true }] },
  durationsMs: { open: 1, read: 2 },
});

function reading(bytes: Uint8Array): string {
  try {
    readManifest(bytes, 'k');
    return 'ok';
  } catch (error) {
    return HoldfastError.from(error).code;
  }
}

/** A file as another build might have written it: sealed, whatever it says. */
function sealed(value: unknown): Uint8Array {
  return writeManifest(value as Manifest);
}

describe('a manifest file', () => {
  test.each([
    ['a full', manifestOf(0, { state: null })],
    ['an incremental', rich],
  ])('%s is read as it was written', (_, manifest) => {
    const bytes = writeManifest(manifest);
    expect(readManifest(bytes, 'k')).toEqual(manifest);
    expect(bytes.at(-1)).toBe(10);
    expect(JSON.parse(Buffer.from(bytes).toString('utf8'))).toMatchObject({ format: 1, task: 'shop' });
  });

  test('its last member is the SHA-256 of all bytes before it, as `head -c` and `sha256sum` see it', () => {
    const text = Buffer.from(writeManifest(rich)).toString('utf8');
    const [before, seal] = [text.slice(0, text.lastIndexOf(',"sha256":"')), text.slice(-67, -3)];
    expect(seal).toBe(sha256Of(Buffer.from(before)));
  });

  test('every flipped bit is found', () => {
    const bytes = writeManifest(rich);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = Uint8Array.from(bytes);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      if (reading(flipped) !== 'corrupt') expect.fail(`bit ${bit} went unnoticed`);
    }
  });

  test('cut at any byte, longer, or empty, it is not believed', () => {
    const bytes = writeManifest(rich);
    for (let length = 0; length < bytes.length; length++) {
      if (reading(bytes.subarray(0, length)) !== 'corrupt') expect.fail(`${length} bytes were believed`);
    }
    expect(reading(Buffer.concat([bytes, Buffer.of(10)]))).toBe('corrupt');
    expect(reading(Buffer.concat([bytes, bytes]))).toBe('corrupt');
  });

  test('of a newer format it is refused as such', () => {
    expect(reading(sealed({ ...rich, format: 2, news: true }))).toBe('unsupported');
    expect(reading(sealed({ ...rich, format: 0 }))).toBe('corrupt');
    expect(reading(sealed({ ...rich, format: '1' }))).toBe('corrupt');
  });

  test.each([
    ['an unknown field', { more: 1 }],
    ['a negative count', { sequence: -1 }],
    ['a task without a name', { task: '' }],
    ['a scope that does not exist', { scope: 'half' }],
    ['a chunk beyond its segments', { chunks: [chunkOf('/p.a', { segment: 1 })] }],
    ['a gap between chunks', { chunks: [rich.chunks[0], { ...rich.chunks[1], offset: 21 }] }],
    ['chunks that overlap', { chunks: [rich.chunks[0], { ...rich.chunks[1], offset: 19 }] }],
    ['chunks that do not fill their segment', { chunks: [rich.chunks[0]] }],
    ['frames that do not add up', { chunks: [{ ...rich.chunks[0], frames: [12] }, rich.chunks[1]] }],
  ])('%s is not believed, though the seal fits', (_, over) => {
    expect(reading(sealed({ ...rich, ...over }))).toBe('corrupt');
  });

  test.each(['null', '[]', '"x"', '1'])('%s is not a manifest', (text) => {
    const body = Buffer.from(text.slice(0, -1));
    expect(reading(Buffer.concat([body, Buffer.from(`,"sha256":"${sha256Of(body)}"}\n`)]))).toBe('corrupt');
  });
});

describe('the JSON Schema', () => {
  test('is the one in the documentation', () => {
    const file = new URL('../../../docs/manifest.schema.json', import.meta.url);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(manifestJsonSchema());
  });

  test('accepts what is written, and refuses what is not', () => {
    const schema = z.fromJSONSchema(manifestJsonSchema() as Parameters<typeof z.fromJSONSchema>[0]);
    const file = (manifest: Manifest): unknown =>
      JSON.parse(Buffer.from(writeManifest(manifest)).toString('utf8'));
    expect(schema.safeParse(file(rich)).error).toBeUndefined();
    expect(schema.safeParse(file(manifestOf(0, { state: null }))).error).toBeUndefined();
    expect(schema.safeParse({ ...(file(rich) as object), more: 1 }).success).toBe(false);
    expect(schema.safeParse(rich).success).toBe(false);
  });
});
