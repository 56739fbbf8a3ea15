import type { ChunkPlan, ReadResult, Sig } from '@holdfast/core';
import type { Frozen, FrozenDatabase } from './freeze.ts';
import { memberName } from './image-build.ts';
import { PageFile } from './page-file.ts';
import { tarEnd, tarHeader, tarPadding } from './tar.ts';

export const imagePath = '/image';

export function imagePlan(frozen: Frozen): ChunkPlan {
  const estimatedBytes = frozen.databases.reduce((sum, one) => sum + imageBytes(one), 0);
  return {
    path: imagePath,
    kind: 'image',
    columns: [],
    estimatedBytes,
    local: true,
    compare: false,
    how: null,
  };
}

function imageBytes(database: FrozenDatabase): number {
  return database.image.pageCount * database.image.pageSize;
}

const blockPages = 64;

/**
 * The databases as a tar archive, one member each, page by page from the frozen transaction: what the backup API
 * would copy into a temporary file, without the file, and without beginning anew whenever somebody writes.
 */
export async function* imageBlocks(
  frozen: Frozen,
  nowMs: number,
  o: Sig,
): AsyncGenerator<Uint8Array, ReadResult, void> {
  for (const database of frozen.databases) {
    const { image } = database;
    const sizeBytes = imageBytes(database);
    yield tarHeader(memberName(database.name), sizeBytes, nowMs);
    if (sizeBytes > 0) {
      const file = new PageFile(image, new ArrayBuffer(PageFile.roomBytes), 0);
      const block = Buffer.alloc(blockPages * image.pageSize);
      for (let page = 1; page <= image.pageCount; ) {
        o.signal.throwIfAborted();
        const count = Math.min(blockPages, image.pageCount - page + 1);
        for (let i = 0; i < count; i++) {
          const at = file.page(page + i);
          block.set(file.bytes.subarray(at, at + image.pageSize), i * image.pageSize);
        }
        page += count;
        yield block.subarray(0, count * image.pageSize);
      }
    }
    yield tarPadding(sizeBytes);
  }
  yield tarEnd();
  return { rows: 0 };
}
