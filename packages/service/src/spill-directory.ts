import { mkdir, readdir, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { type ErrorCode, HoldfastError } from '@holdfast/core';
import { makeFolders } from '@holdfast/uploader';

export interface SpillDirectory extends AsyncDisposable {
  readonly path: string;
}

/**
 * A folder for this process alone, below `root`, gone when disposed. Folders of processes that were killed are
 * removed here too: their names hold host and process, and a folder of another host (a shared volume) is let be.
 */
export async function openSpillDirectory(root: string): Promise<SpillDirectory> {
  const prefix = `spill-${hostname()}-`;
  const path = join(root, `${prefix}${process.pid}`);
  try {
    await makeFolders(root, 0o700);
    for (const name of await readdir(root)) {
      if (!name.startsWith(prefix)) continue;
      const pid = Number(name.slice(prefix.length));
      // Our own number on an existing folder is that of a dead process: numbers are used again.
      if (pid === process.pid || !isAlive(pid)) await rm(join(root, name), { recursive: true, force: true });
    }
    await mkdir(path, { mode: 0o700 });
  } catch (cause) {
    throw unusable(root, cause);
  }
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

const meanings: Readonly<Record<string, ErrorCode>> = {
  EACCES: 'permission_denied',
  EPERM: 'permission_denied',
  EEXIST: 'config_invalid',
  ENOTDIR: 'config_invalid',
  ENOENT: 'config_invalid',
  ENOSPC: 'exhausted',
  EDQUOT: 'exhausted',
  EIO: 'unavailable',
  EROFS: 'unavailable',
};

function unusable(root: string, cause: unknown): HoldfastError {
  const system = (cause as NodeJS.ErrnoException).code ?? 'an unknown error';
  const code = meanings[system] ?? 'precondition_failed';
  return new HoldfastError(code, `the staging folder ${root} cannot be used: ${system}`, {
    hint: 'name a folder that this user may write to with --staging',
    cause,
  });
}

function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Not permitted means that it is there.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
