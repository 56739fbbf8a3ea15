import type { FileHandle } from 'node:fs/promises';
import { mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { systemCode } from './errors.ts';
import { exists } from './publish.ts';

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

/** A folder above that another process removes meanwhile, because it was empty, is made again this often. */
const makeAttemptsMax = 5;

/**
 * Makes a folder and what is missing above it, each durably known to the one above it. Not by Node's own recursive
 * `mkdir`, which never ends where a file system lets nothing be made in a folder that is there, and says ENOENT: an
 * automounter does so while its server is unknown.
 */
export async function makeFolder(path: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await makeMissing(path);
    } catch (error) {
      if (systemCode(error) !== 'ENOENT' || attempt === makeAttemptsMax) throw error;
    }
  }
}

async function makeMissing(path: string): Promise<void> {
  if (await exists(path)) return;
  const parent = dirname(path);
  if (parent !== path) await makeMissing(parent);
  try {
    await mkdir(path, { mode: folderMode });
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error;
  }
  await syncFolder(parent);
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
