import { type ChunkHeader, type Destination, HoldfastError, type RowDigest, type Sig } from '@holdfast/core';
import type { StoredChunkRef } from '../restore/content.ts';
import { ChunkStream } from './chunk-stream.ts';
import { SegmentReader } from './segment-reader.ts';

/** One stored chunk, open for reading: its header, and its rows from the first block on. */
export interface OpenChunk extends AsyncDisposable {
  readonly header: ChunkHeader;
  /** To be read once. @throws Damage at its end, or before */
  readonly blocks: AsyncIterable<Uint8Array>;
}

export async function openChunk(
  destination: Destination,
  { entry, object }: StoredChunkRef,
  rows: RowDigest,
  o: Sig,
): Promise<OpenChunk> {
  const segment = new SegmentReader(destination, object, { ...o, start: entry.offset, length: entry.bytes });
  try {
    const stream = new ChunkStream(entry, segment, rows);
    const blocks = stream.blocks();
    // The first block brings the header along; a chunk without rows ends here, and is proved by that.
    const first = await blocks.next();
    return {
      header: stream.header,
      blocks: resume(first, blocks, object),
      [Symbol.asyncDispose]: () => segment[Symbol.asyncDispose](),
    };
  } catch (error) {
    await segment[Symbol.asyncDispose]();
    throw translate(error, object);
  }
}

async function* resume(
  first: IteratorResult<Uint8Array, void>,
  rest: AsyncGenerator<Uint8Array, void, void>,
  object: string,
): AsyncGenerator<Uint8Array, void, void> {
  if (first.done) return;
  yield first.value;
  try {
    yield* rest;
  } catch (error) {
    throw translate(error, object);
  }
}

/** An object that is gone or short is damage of the backup, whatever the destination calls it. */
function translate(error: unknown, object: string): unknown {
  const failure = HoldfastError.from(error);
  if (failure.code !== 'not_found' && failure.code !== 'out_of_range') return error;
  return new HoldfastError(
    'corrupt',
    `object ${object} is not what its manifest promises: ${failure.reason}`,
    {
      cause: error,
      hint: '`holdfast check` lists everything that is wrong at this destination',
    },
  );
}
