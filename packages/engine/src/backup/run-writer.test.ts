import { readFileSync } from 'node:fs';
import { type ChangesResult, RowDigest, type RunEvent, type SegmentEntry, type Stage } from '@holdfast/core';
import {
  FakeClock,
  MemoryDatabase,
  MemoryDestination,
  MemorySource,
  seededBytes,
  type TemporaryFolder,
  temporaryFolder,
  texts,
} from '@holdfast/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { linesOf } from '../read/lines.ts';
import { openChunk } from '../read/open-chunk.ts';
import { never } from '../world.fixture.ts';
import { RunWriter } from './run-writer.ts';

let folder: TemporaryFolder;
let pushed: SegmentEntry[];
let events: RunEvent[];
beforeEach(async () => {
  folder = await temporaryFolder();
  pushed = [];
  events = [];
});
afterEach(() => folder[Symbol.asyncDispose]());

function writerOf(segmentBytesTarget: number, workersMax = 2): RunWriter {
  const stage: Pick<Stage, 'directory' | 'push' | 'room'> = {
    directory: folder.path,
    push: (segment) => void pushed.push(segment),
    room: async () => undefined,
  };
  return new RunWriter({
    stage: stage as Stage,
    sequence: 1,
    scope: 'incremental',
    image: false,
    workersMax,
    observer: (event) => events.push(event),
    clock: new FakeClock({ jumps: true }),
    segmentBytesTarget,
  });
}

/** All lines of all parts, read back from the segments, part by part. */
async function readBack(written: ReturnType<RunWriter['finish']>): Promise<string[][]> {
  const destination = new MemoryDestination();
  for (const { name } of written.segments)
    destination.objects.set(`t/${name}`, readFileSync(folder.join(name)));
  const parts: string[][] = [];
  for (const entry of written.chunks) {
    const ref = { id: entry.path, object: `t/${written.segments[entry.segment]?.name}`, entry };
    await using chunk = await openChunk(destination, ref, new RowDigest(), { signal: never });
    const lines: string[] = [];
    for await (const line of linesOf(chunk.blocks)) lines.push(line);
    parts.push(lines);
  }
  return parts;
}

async function* linesIn(
  blocks: readonly string[],
  said: number,
): AsyncGenerator<Uint8Array, ChangesResult, void> {
  for (const block of blocks) yield Buffer.from(block);
  return { rows: said, tables: { '/p.a': said } };
}

/** Hardly compressible, and more than a frame holds, so that a frame is stored soon. */
function noise(seed: number): string {
  return Buffer.from(seededBytes(2_500_000, seed)).toString('hex');
}

describe('changes', () => {
  test('fill one part while the segment has room', async () => {
    await using writer = writerOf(1e9);
    const result = await writer.writeChanges(linesIn(['["begin"]\n["com', 'mit"]\n'], 2), { signal: never });
    expect(result.tables).toEqual({ '/p.a': 2 });
    const written = writer.finish();
    expect(written.chunks).toMatchObject([
      { path: '/changes/@1', kind: 'changes', rows: 2, tables: { '/p.a': 2 } },
    ]);
    expect(await readBack(written)).toEqual([['["begin"]', '["commit"]']]);
  });

  test('without a line write nothing', async () => {
    await using writer = writerOf(1e9);
    await writer.writeChanges(linesIn([], 0), { signal: never });
    expect(writer.empty).toBe(true);
    expect(writer.finish()).toEqual({ segments: [], chunks: [] });
  });

  test.each([
    ['cut in the middle of lines', 0],
    ['whole lines: nothing follows the last cut', 1],
  ])('begin a new part where a segment is full: blocks %s', async (_, whole) => {
    const rows = Array.from({ length: 4 }, (_, n) => JSON.stringify([noise(n + 1)]));
    const text = rows.map((row) => `${row}\n`);
    const blocks = whole ? text : text.flatMap((row) => [row.slice(0, 7), row.slice(7)]);
    await using writer = writerOf(100_000);
    await writer.writeChanges(linesIn(blocks, 4), { signal: never });
    const written = writer.finish();
    expect(written.segments.length).toBeGreaterThan(2);
    expect(written.chunks.map(({ path }) => path)).toEqual(
      written.chunks.map((_, n) => `/changes/@${n + 1}`),
    );
    // Who changed must be known, or a restore would leave the changes out.
    expect(written.chunks.at(-1)?.tables).toEqual({ '/p.a': 4 });
    const lines = (await readBack(written)).flat();
    expect(lines.length).toBe(4);
    expect(lines.every((line, n) => line === rows[n])).toBe(true);
    expect(pushed.map(({ name }) => name)).toEqual(written.segments.map(({ name }) => name));
  });

  test.each([1, 3])('%s lines said for two is a failure', async (said) => {
    await using writer = writerOf(1e9);
    const writing = writer.writeChanges(linesIn(['["a"]\n["b"]\n'], said), { signal: never });
    await expect(writing).rejects.toMatchObject({ code: 'source_failed' });
  });

  test('that end in the middle of a line are a failure', async () => {
    await using writer = writerOf(1e9);
    const writing = writer.writeChanges(linesIn(['["a"]\n["b"'], 1), { signal: never });
    await expect(writing).rejects.toMatchObject({ code: 'source_failed' });
  });
});

/** Of each table that was planned: how many of its chunks were told as done. */
function told(): { planned: number; started: number; done: number; last: RunEvent | undefined } {
  const chunks = events.filter((event) => event.kind === 'chunks');
  return {
    planned: events.flatMap((event) => (event.kind === 'plan' ? event.tables : [])).length,
    started: new Set(chunks.flatMap(({ started }) => started)).size,
    done: new Set(chunks.flatMap(({ done }) => done.map(({ table }) => table))).size,
    last: chunks.at(-1),
  };
}

describe('a view', () => {
  async function write(tables: number, target: number): Promise<ReturnType<RunWriter['finish']>> {
    const database = new MemoryDatabase();
    for (let n = 0; n < tables; n++) {
      database.createTable(`/p.t${n}`, { columns: ['id'], key: ['id'] });
      database.transaction((t) => t.insert(`/p.t${n}`, texts(`row ${n}`)));
    }
    const source = new MemorySource(database);
    await using view = await source.openFull({
      type: 'logical',
      keepChanges: false,
      label: 'l',
      signal: never,
    });
    await using writer = writerOf(target);
    await writer.writeView(view, { signal: never, known: new Map() });
    return writer.finish();
  }

  test('that is small is one segment', async () => {
    const written = await write(20, 1e9);
    expect(written.segments.map(({ name }) => name)).toEqual(['0001-incremental-001.ndjson.zst']);
    expect((await readBack(written)).flat()).toHaveLength(20 + 20);
    expect(told()).toMatchObject({ planned: 20, started: 20, done: 20 });
    expect(told().last).toMatchObject({ tablesDone: 20, chunksDone: 22 });
  });

  test('closes a segment that has reached its size, and begins the next one', async () => {
    const written = await write(20, 1);
    expect(written.segments).toHaveLength(22);
    expect((await readBack(written)).flat()).toHaveLength(20 + 20);
  });

  test('of many chunks is read by threads, each with a segment of its own', async () => {
    const written = await write(300, 1e9);
    expect(written.segments.length).toBeGreaterThan(1);
    expect(written.chunks).toHaveLength(302);
    const rows = (await readBack(written)).flat().filter((line) => line.startsWith('["row'));
    expect(told()).toMatchObject({ planned: 300, started: 300, done: 300 });
    expect(told().last).toMatchObject({ tablesDone: 300, chunksDone: 302 });
    expect(rows.sort()).toEqual(Array.from({ length: 300 }, (_, n) => `["row ${n}"]`).sort());
  }, 60_000);
});
