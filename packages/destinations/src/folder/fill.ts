import type { FileHandle } from 'node:fs/promises';
import type { WriteOptions } from '@holdfast/core';
import { CheckedBody } from '../checked-body.ts';
import { BlockWriter } from './durable.ts';

/** Writes a body into a new file, checks what was said of it, syncs and closes. Returns the size. */
export async function fill(
  handle: FileHandle,
  body: AsyncIterable<Uint8Array>,
  o: WriteOptions & { readonly key: string },
): Promise<number> {
  const checked = new CheckedBody(body, o);
  try {
    const writer = new BlockWriter(handle);
    for await (const block of checked) await writer.write(block);
    await writer.flush();
    await handle.sync();
  } finally {
    await handle.close();
  }
  return checked.bytes;
}
