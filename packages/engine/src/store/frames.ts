import { promisify } from 'node:util';
import { constants, type ZstdOptions, zstdCompress, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { HoldfastError } from '@holdfast/core';

/**
 * A frame holds at most this many bytes of lines: small enough that a worker's buffers stay small and one row can be
 * fetched cheaply, large enough that zstd's one-shot call reaches its full speed and ratio.
 */
export const frameBytesMax = 4 * 1024 * 1024;

/**
 * Level 1, whose match finder is the quickest, with twice its table and matches from 6 bytes on: on rows of text that
 * stores 2 to 7 % less than level 1 as it comes, for 5 to 10 % more time; level 2 takes a quarter more.
 */
const params = {
  [constants.ZSTD_c_compressionLevel]: 1,
  [constants.ZSTD_c_hashLog]: 15,
  [constants.ZSTD_c_minMatch]: 6,
  [constants.ZSTD_c_checksumFlag]: 0,
};

/**
 * Rows mostly shrink to less than this part, in one piece of output; what does not is joined from several. Room for
 * the worst case each time would make the garbage collector run every few frames.
 */
const expectedPart = 0.4;
const outputBytesMin = 4096;

const optionsFor = (bytes: Uint8Array): ZstdOptions => ({
  chunkSize: Math.max(outputBytesMin, Math.ceil(bytes.length * expectedPart)),
  params,
});

export function compressFrame(bytes: Uint8Array): Uint8Array {
  return zstdCompressSync(bytes, optionsFor(bytes));
}

const compressAside = promisify<Uint8Array, ZstdOptions, Uint8Array>(zstdCompress);

/** The same in another thread. The bytes must stay as they are until then. */
export function compressFrameAside(bytes: Uint8Array): Promise<Uint8Array> {
  return compressAside(bytes, optionsFor(bytes));
}

/** Rows of text seldom shrink to less than a thirtieth; what does is put together from several pieces. */
const expectedRatioMax = 32;

/** @throws HoldfastError corrupt `unreadable frame` */
export function decompressFrame(frame: Uint8Array): Uint8Array {
  // Memory for a whole frame each time would be most of the work of reading many small chunks.
  const chunkSize = Math.min(frameBytesMax, Math.max(4096, frame.length * expectedRatioMax));
  try {
    return zstdDecompressSync(frame, { chunkSize, maxOutputLength: frameBytesMax });
  } catch (error) {
    throw new HoldfastError('corrupt', `unreadable frame: ${(error as Error).message}`, { cause: error });
  }
}

/** Far above the pieces of memory that Node's small buffers share. */
const releasedBytesMin = 256 * 1024;

/**
 * Gives a frame's memory back now. The garbage collector is told of such memory, but lets tens of megabytes of it
 * gather in every thread. The bytes are gone; small ones share their memory with others and are left alone.
 */
export function release({ buffer }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength >= releasedBytesMin) buffer.transfer(0);
}
