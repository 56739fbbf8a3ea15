import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { HoldfastError } from '@holdfast/core';

/**
 * A frame holds at most this many bytes of lines: small enough that a worker's buffers stay small and one row can be
 * fetched cheaply, large enough that zstd's one-shot call reaches its full speed and ratio.
 */
export const frameBytesMax = 4 * 1024 * 1024;

/** Level 1 kept the server busy in trials; higher levels make our side the slower one and save a tenth. */
const level = 1;

/** zstd's worst case (ZSTD_COMPRESSBOUND): one output chunk, no list of small ones joined at the end. */
const bound = (bytes: number): number => bytes + (bytes >> 8) + 1024;

export function compressFrame(bytes: Uint8Array): Uint8Array {
  return zstdCompressSync(bytes, {
    chunkSize: bound(bytes.length),
    params: { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 0 },
  });
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
