import { basename, dirname, join } from 'node:path';
import { reservedPrefix } from '../repository.ts';
import { systemCode } from './errors.ts';
import type { Files } from './files.ts';
import { dayMs, isOrphan, temporaryName } from './temporary.ts';

/** What file systems say that have no second names: exFAT, FAT, some network and user-space ones. */
const noLinks = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EXDEV'];

/**
 * Gives a finished temporary file its final name, unless that is taken. `link` fails when the name is there, in one
 * step at the file system (at the server, on a network path), so that one of several writers wins.
 */
export class Publisher {
  #links = true;
  #linked = false;

  /** False once the file system was seen to have no second names; then one machine's writers exclude one another. */
  get atomic(): boolean {
    return this.#links;
  }

  /** Says whether it did; in either case the temporary name is gone. */
  async publishNew(files: Files, temporary: string, path: string): Promise<boolean> {
    if (this.#links) {
      try {
        await files.link(temporary, path);
        this.#linked = true;
        await files.discard(temporary);
        return true;
      } catch (error) {
        const code = systemCode(error) ?? '';
        // Some file systems in user space say no more than EIO; where links have worked, it is what it says.
        const cannot = noLinks.includes(code) || (code === 'EIO' && !this.#linked);
        if (code !== 'EEXIST' && !cannot) throw error;
        if (code === 'EEXIST') {
          await files.discard(temporary);
          return false;
        }
        this.#links = false;
      }
    }
    return this.#claimAndRename(files, temporary, path);
  }

  /**
   * A file made with `wx` beside the object says who may rename: rename alone would replace what another writer has
   * just stored. A writer that dies here leaves its claim, which stands until its process is known to be gone, or for a
   * day.
   */
  async #claimAndRename(files: Files, temporary: string, path: string): Promise<boolean> {
    const claim = join(dirname(path), `${reservedPrefix}claim-${basename(path)}`.slice(0, 255));
    const claimed =
      (await makeClaim(files, claim)) ||
      ((await isStale(files, claim, temporary)) && (await takeOver(files, claim)));
    if (!claimed) {
      await files.discard(temporary);
      return false;
    }
    try {
      if (await exists(files, path)) {
        await files.discard(temporary);
        return false;
      }
      await files.rename(temporary, path);
      return true;
    } finally {
      await files.discard(claim);
    }
  }
}

export async function exists(files: Files, path: string): Promise<boolean> {
  try {
    await files.lstat(path);
    return true;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')) return false;
    throw error;
  }
}

async function makeClaim(files: Files, claim: string): Promise<boolean> {
  try {
    const handle = await files.open(claim, 'wx');
    await handle.write(Buffer.from(temporaryName()));
    await handle.close();
    return true;
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false;
    throw error;
  }
}

async function takeOver(files: Files, claim: string): Promise<boolean> {
  await files.remove(claim);
  return makeClaim(files, claim);
}

/** Its process is gone, or it is older by a day than what is to be published: both by the file system's clock. */
async function isStale(files: Files, claim: string, temporary: string): Promise<boolean> {
  try {
    if (isOrphan(await files.text(claim))) return true;
    return (await files.stat(temporary)).mtimeMs - (await files.stat(claim)).mtimeMs > dayMs;
  } catch {
    return false;
  }
}
