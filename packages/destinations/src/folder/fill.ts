import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { HoldfastError, type WriteOptions } from '@holdfast/core';
import { blocksOf } from '../abort.ts';
import { BlockWriter } from './durable.ts';

/** Writes a body into a new file, checks what was said of it, syncs and closes. Returns the size. */
export async function fill(
  handle: FileHandle,
  body: AsyncIterable<Uint8Array>,
  o: WriteOptions & { readonly key: string },
): Promise<number> {
  const hash = o.sha256 === undefined ? undefined : createHash('sha256');
  let bytes = 0;
  try {
    const writer = new BlockWriter(handle);
    for await (const block of blocksOf(body, o.signal)) {
      bytes += block.length;
      if (o.sizeBytes !== undefined && bytes > o.sizeBytes) {
        throw new HoldfastError('corrupt', `the body of ${o.key} is longer than ${o.sizeBytes} bytes`);
      }
      hash?.update(block);
      await writer.write(block);
    }
    if (o.sizeBytes !== undefined && bytes !== o.sizeBytes) {
      throw new HoldfastError('corrupt', `the body of ${o.key} has ${bytes} bytes instead of ${o.sizeBytes}`);
    }
    if (hash && hash.digest('hex') !== o.sha256) {
      throw new HoldfastError('corrupt', `the body of ${o.key} has another SHA-256 than was said`);
    }
    await writer.flush();
    await handle.sync();
  } finally {
    await handle.close();
  }
  return bytes;
}
