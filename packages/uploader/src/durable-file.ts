import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { systemCode } from './errors.ts';

const fileMode = 0o600;
const readBytes = 1_048_576;

/** Writes a file that is there whole or not at all, whatever kills this process: temporary name, sync, rename, sync. */
export async function writeDurably(path: string, content: string | Uint8Array): Promise<void> {
  const temporary = `${path}.tmp-${process.pid}-${randomBytes(4).toString('hex')}`;
  try {
    const handle = await open(temporary, 'wx', fileMode);
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
  await syncFolder(dirname(path));
}

/**
 * Makes a folder and what is missing above it. Not by Node's own recursive `mkdir`, which never ends where a file
 * system lets nothing be made in a folder that is there, and says ENOENT, as /proc does.
 */
export async function makeFolders(path: string, mode: number): Promise<void> {
  const make = async (): Promise<void> => {
    try {
      await mkdir(path, { mode });
    } catch (error) {
      if (systemCode(error) !== 'EEXIST' || !(await stat(path)).isDirectory()) throw error;
    }
  };
  try {
    await make();
  } catch (error) {
    const parent = dirname(path);
    if (systemCode(error) !== 'ENOENT' || parent === path) throw error;
    await makeFolders(parent, mode);
    await make();
  }
}

export async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** The value in a JSON file; undefined when there is no such file, or it holds something else. */
export async function readJson(path: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')) return undefined;
    throw error;
  }
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A file as a body that can be read any number of times, as retries need it. */
export function fileBody(path: string): AsyncIterable<Uint8Array> {
  return {
    async *[Symbol.asyncIterator]() {
      const handle = await open(path, 'r');
      try {
        for (;;) {
          // A new block each time: who takes them may keep several under way.
          const block = Buffer.allocUnsafeSlow(readBytes);
          const { bytesRead } = await handle.read(block, 0, readBytes, null);
          if (bytesRead === 0) return;
          yield bytesRead === readBytes ? block : block.subarray(0, bytesRead);
        }
      } finally {
        await handle.close();
      }
    },
  };
}
