import { HoldfastError } from '@holdfast/core';
import { lstat, mkdir, rmdir, stat } from './calls.ts';
import { status, statusOf } from './errors.ts';
import type { Lease } from './pool.ts';

/** A folder above that another process removes meanwhile, because it was empty, is made again this often. */
const attemptsMax = 5;

/** The destination's folder, and names below it. */
export class RemoteRoot {
  /** As the server understands it. */
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  join(...names: readonly string[]): string {
    if (names.length === 0) return this.path;
    return `${this.path === '/' ? '' : this.path}/${names.join('/')}`;
  }

  /** Folders that lead elsewhere are refused rather than followed: a key names what is below the root. */
  async assertNoLinks(lease: Lease, folders: readonly string[]): Promise<void> {
    const paths = folders.map((_, i) => this.join(...folders.slice(0, i + 1)));
    const found = await Promise.all(paths.map((path) => lstat(lease, path)));
    const link = paths.find((_, i) => found[i]?.isSymbolicLink());
    if (link !== undefined) throw symbolicLink(link);
  }

  /** Makes a folder below the root and what is missing above it, but not the root. */
  async makeFolder(lease: Lease, folders: readonly string[]): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#makeMissing(lease, folders);
      } catch (error) {
        if (statusOf(error) !== status.noSuchFile || attempt === attemptsMax) throw error;
      }
    }
  }

  /** A folder whose last object is gone goes too. */
  async leave(lease: Lease, folders: readonly string[]): Promise<void> {
    for (let depth = folders.length; depth > 0; depth -= 1) {
      try {
        await rmdir(lease, this.join(...folders.slice(0, depth)));
      } catch {
        return;
      }
    }
  }

  /** Makes the root itself, below the nearest folder that is there. */
  async makeRoot(lease: Lease): Promise<void> {
    const names = this.path.split('/').filter((name) => name !== '');
    const start = this.path.startsWith('/') ? '/' : '';
    const missing: string[] = [];
    for (let depth = names.length; depth > 0; depth -= 1) {
      const path = start + names.slice(0, depth).join('/');
      if (await stat(lease, path)) break;
      missing.unshift(path);
    }
    for (const path of missing) await makeOne(lease, path, stat);
  }

  async #makeMissing(lease: Lease, folders: readonly string[]): Promise<void> {
    if (folders.length === 0) return;
    const path = this.join(...folders);
    try {
      await makeOne(lease, path, lstat);
    } catch (error) {
      if (statusOf(error) !== status.noSuchFile || folders.length === 1) throw error;
      await this.#makeMissing(lease, folders.slice(0, -1));
      await makeOne(lease, path, lstat);
    }
  }
}

/** That it is there already is success: another writer may have been first. */
async function makeOne(lease: Lease, path: string, look: typeof lstat): Promise<void> {
  try {
    await mkdir(lease, path);
  } catch (error) {
    if (statusOf(error) === status.noSuchFile) throw error;
    const found = await look(lease, path);
    if (found?.isDirectory()) return;
    if (found?.isSymbolicLink()) throw symbolicLink(path);
    if (!found) throw error;
    throw new HoldfastError('precondition_failed', `${path} is a file where a folder should be`, {
      cause: error,
      hint: `look at ${path} on the server; move away what is not Holdfast's`,
    });
  }
}

export function symbolicLink(path: string): HoldfastError {
  return new HoldfastError(
    'precondition_failed',
    `${path} is a symbolic link, and might lead out of the folder`,
    {
      hint: 'below a destination there are real folders and files only: replace the link, or name where it leads as the destination',
    },
  );
}
