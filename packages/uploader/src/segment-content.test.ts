import { readFile, writeFile } from 'node:fs/promises';
import type { SegmentEntry } from '@holdfast/core';
import { collect, seededBytes, sha256Of, temporaryFolder } from '@holdfast/testing';
import { expect, onTestFinished, test } from 'vitest';
import { StagedSegments } from './segment-content.ts';

const mebibyte = 1_048_576;

async function staged(bytes: number): Promise<{
  segments: StagedSegments;
  segment: SegmentEntry;
  path: string;
  content: Uint8Array;
}> {
  const folder = await temporaryFolder('segments');
  onTestFinished(() => folder[Symbol.asyncDispose]());
  const content = seededBytes(bytes, 1);
  const path = folder.join('s');
  await writeFile(path, content);
  const segments = new StagedSegments(folder.path, ({ name }) => folder.join(name));
  onTestFinished(() => segments[Symbol.asyncDispose]());
  return { segments, segment: { name: 's', bytes, sha256: sha256Of(content) }, path, content };
}

test('readers that are about as quick share what is read: the same block, not a copy', async () => {
  const { segments, segment } = await staged(5 * mebibyte + 7);
  const [a, b] = [segments.body(segment), segments.body(segment)].map((body) => body[Symbol.asyncIterator]());
  for (let block = 0; block < 6; block += 1) {
    const [first, second] = await Promise.all([a?.next(), b?.next()]);
    expect(first?.value).toBe(second?.value);
  }
  expect((await a?.next())?.done).toBe(true);
  expect((await b?.next())?.done).toBe(true);
});

test('who falls far behind reads for itself, and gets the same bytes', async () => {
  const { segments, segment, content } = await staged(40 * mebibyte);
  const slow = segments.body(segment)[Symbol.asyncIterator]();
  const parts = [Uint8Array.from((await slow.next()).value as Uint8Array)];
  expect(sha256Of(await collect(segments.body(segment)))).toBe(segment.sha256);
  for (let step = await slow.next(); !step.done; step = await slow.next())
    parts.push(Uint8Array.from(step.value));
  expect(sha256Of(Buffer.concat(parts))).toBe(sha256Of(content));
});

test.each([0, 1, mebibyte - 1, mebibyte, mebibyte + 1])(
  'a segment of %d bytes is read whole',
  async (bytes) => {
    const { segments, segment, content } = await staged(bytes);
    expect(Buffer.compare(await collect(segments.body(segment)), content)).toBe(0);
  },
);

test('a damaged file rejects before its last bytes are given away, to every reader', async () => {
  const { segments, segment, path } = await staged(3 * mebibyte);
  const bytes = await readFile(path);
  bytes[5] = (bytes[5] ?? 0) ^ 1;
  await writeFile(path, bytes);
  for (let reader = 0; reader < 2; reader += 1)
    await expect(collect(segments.body(segment))).rejects.toMatchObject({ code: 'corrupt' });
});

test('a file that changes between two readings is noticed by the second', async () => {
  const { segments, segment, path } = await staged(3 * mebibyte);
  await collect(segments.body(segment));
  const bytes = await readFile(path);
  bytes[2 * mebibyte] = (bytes[2 * mebibyte] ?? 0) ^ 1;
  await writeFile(path, bytes);
  await expect(collect(segments.body(segment))).rejects.toMatchObject({ code: 'corrupt' });
});

test('a reader that gives up leaves the file usable for the next', async () => {
  const { segments, segment } = await staged(3 * mebibyte);
  for await (const _ of segments.body(segment)) break;
  expect(sha256Of(await collect(segments.body(segment)))).toBe(segment.sha256);
});
