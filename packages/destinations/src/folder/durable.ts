import { dirname } from 'node:path';
import { systemCode } from './errors.ts';
import type { Files, OpenFile } from './files.ts';
import { exists } from './publish.ts';

const blockBytes = 1_048_576;
/** Blocks from here on are written as they are; smaller ones are gathered first. */
const wholeBytesMin = 262_144;
/**
 * Systems take gigabytes into memory that a network needs minutes for. Synced piece by piece, no sync takes long enough
 * to be taken for a file system that hangs: 0.2 MiB/s are enough with the usual limit.
 */
const unsyncedBytesMax = 64 * 1_048_576;
const folderMode = 0o750;
/** Backups hold what the database holds: nothing for everybody. */
export const fileMode = 0o640;

/** Makes a name in a folder outlive a crash. Some network file systems cannot, and say so. */
export async function syncFolder(files: Files, path: string): Promise<void> {
  const handle = await files.open(path, 'r');
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
export async function makeFolder(files: Files, path: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await makeMissing(files, path);
    } catch (error) {
      if (systemCode(error) !== 'ENOENT' || attempt === makeAttemptsMax) throw error;
    }
  }
}

async function makeMissing(files: Files, path: string): Promise<void> {
  if (await exists(files, path)) return;
  const parent = dirname(path);
  if (parent !== path) await makeMissing(files, parent);
  try {
    await files.mkdir(path, folderMode);
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error;
  }
  await syncFolder(files, parent);
}

/** Writes blocks one after the other in large pieces. A block is done with before the next one is asked for. */
export class BlockWriter {
  readonly #file: OpenFile;
  #unsynced = 0;
  #gathered: Buffer | undefined;
  #used = 0;

  constructor(file: OpenFile) {
    this.#file = file;
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
    await this.#file.write(bytes);
    this.#unsynced += bytes.length;
    if (this.#unsynced < unsyncedBytesMax) return;
    this.#unsynced = 0;
    await this.#file.datasync();
  }
}
