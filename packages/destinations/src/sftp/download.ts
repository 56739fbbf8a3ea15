import { HoldfastError, type Sig, throwIfAborted } from '@holdfast/core';
import { read } from './calls.ts';
import type { Lease } from './pool.ts';

/** Asked for and not yet given away. */
const aheadBytesMax = 4 * 1024 * 1024;

export interface DownloadOptions extends Sig {
  readonly lease: Lease;
  readonly handle: Buffer;
  readonly path: string;
  readonly start: number;
  readonly length: number;
}

/** A range of an open file, many requests at a time, in order. A block is valid until the next one is asked for. */
export async function* download(o: DownloadOptions): AsyncGenerator<Uint8Array> {
  const { lease, handle, start, length, signal } = o;
  const blockBytes = lease.connection.readBytesMax;
  const end = start + length;
  const ahead: Promise<Buffer>[] = [];
  const free: Buffer[] = [];
  let at = start;
  try {
    while (at < end || ahead.length > 0) {
      throwIfAborted(signal);
      while (at < end && ahead.length * blockBytes < aheadBytesMax) {
        const room = (free.pop() ?? Buffer.allocUnsafeSlow(blockBytes)).subarray(
          0,
          Math.min(blockBytes, end - at),
        );
        const asked = fill(o, { lease, handle, room, at });
        asked.catch(() => undefined);
        ahead.push(asked);
        at += room.length;
      }
      const block = await (ahead.shift() as Promise<Buffer>);
      throwIfAborted(signal);
      yield block;
      if (block.length === blockBytes) free.push(block);
    }
  } finally {
    // Until they have answered, the buffers are not ours, nor may the file be closed.
    await Promise.allSettled(ahead);
  }
}

interface Fill {
  readonly lease: Lease;
  readonly handle: Buffer;
  readonly room: Buffer;
  readonly at: number;
}

/** A server may give less than it was asked for. */
async function fill(o: DownloadOptions, { lease, handle, room, at }: Fill): Promise<Buffer> {
  for (let filled = 0; filled < room.length; ) {
    const bytes = await read(lease, handle, { block: room.subarray(filled), at: at + filled });
    if (bytes === 0) {
      throw new HoldfastError('corrupt', `${o.path} ended at byte ${at + filled} while it was read`, {
        hint: 'something else changes files in this folder: find out what',
      });
    }
    filled += bytes;
  }
  return room;
}
