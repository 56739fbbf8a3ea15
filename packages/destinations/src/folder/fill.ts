import type { WriteOptions } from '@holdfast/core';
import { CheckedBody } from '../checked-body.ts';
import { BlockWriter } from './durable.ts';
import type { OpenFile } from './files.ts';

/** Writes a body into a new file, checks what was said of it, syncs and closes. Returns the size. */
export async function fill(
  file: OpenFile,
  body: AsyncIterable<Uint8Array>,
  o: WriteOptions & { readonly key: string },
): Promise<number> {
  const checked = new CheckedBody(body, o);
  try {
    const writer = new BlockWriter(file);
    for await (const block of checked) await writer.write(block);
    await writer.flush();
    await file.sync();
  } finally {
    await file.close();
  }
  return checked.bytes;
}
