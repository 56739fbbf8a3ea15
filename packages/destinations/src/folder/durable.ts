import type { FileHandle } from 'node:fs/promises';
import { mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { systemCode } from './errors.ts';

const blockBytes = 1_048_576;
/** Blocks from here on are written as they are; smaller ones are gathered first. */
const wholeBytesMin = 262_144;
const folderMode = 0o750;
/** Backups hold what the database holds: nothing for everybody. */
export const fileMode = 0o640;

/** Makes a name in a folder outlive a crash. Some network file systems cannot, and say so. */
export async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } catch (error) {
    if (!['EINVAL', 'ENOTSUP', 'EBADF', 'EISDIR'].includes(systemCode(error) ?? '')) throw error;
  } finally {
    await handle.close();
  }
}

/** Makes a folder and what is missing above it, each durably known to the one above it. */
export async function makeFolder(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode: folderMode });
  if (first === undefined) return;
  for (let at = path; at.length >= first.length; at = dirname(at)) await syncFolder(dirname(at));
}

/** Writes blocks one after the other in large pieces. A block is done with before the next one is asked for. */
export class BlockWriter {
  readonly #handle: FileHandle;
  #gathered: Buffer | undefined;
  #used = 0;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  async write(block: Uint8Array): Promise<void> {
    if (block.length + this.#used > blockBytes || block.length >= wholeBytesMin) await this.flush();
    if (block.length >= wholeBytesMin) {
      await this.#writeAll(block);
      return;
    }
    this.#gathered ??= Buffer.allocUnsafeSlow(blockBytes);
    this.#gathered.set(block, this.#used);
    this.#used += block.length;
  }

  async flush(): Promise<void> {
    const used = this.#used;
    this.#used = 0;
    if (this.#gathered && used > 0) await this.#writeAll(this.#gathered.subarray(0, used));
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    // One call may take less than it was given, for instance just before the disk is full.
    for (let at = 0; at < bytes.length; ) {
      const { bytesWritten } = await this.#handle.write(bytes, at, bytes.length - at);
      at += bytesWritten;
    }
  }
}
