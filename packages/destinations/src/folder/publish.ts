import { link, lstat, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { reservedPrefix } from '../repository.ts';
import { systemCode } from './errors.ts';
import { dayMs, isOrphan, temporaryName } from './temporary.ts';

export type Link = (existing: string, name: string) => Promise<void>;

/** What file systems say that have no second names: exFAT, FAT, some network and user-space ones. */
const noLinks = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EXDEV'];

/**
 * Gives a finished temporary file its final name, unless that is taken. `link` fails when the name is there, in one
 * step at the file system (at the server, on a network path), so that one of several writers wins.
 */
export class Publisher {
  readonly #link: Link;
  #links = true;

  constructor(options: { readonly link?: Link | undefined } = {}) {
    this.#link = options.link ?? link;
  }

  /** False once the file system was seen to have no second names; then one machine's writers exclude one another. */
  get atomic(): boolean {
    return this.#links;
  }

  /** Says whether it did; in either case the temporary name is gone. */
  async publishNew(temporary: string, path: string): Promise<boolean> {
    if (this.#links) {
      try {
        await this.#link(temporary, path);
        await rm(temporary, { force: true });
        return true;
      } catch (error) {
        const code = systemCode(error) ?? '';
        if (code !== 'EEXIST' && !noLinks.includes(code)) throw error;
        if (code === 'EEXIST') {
          await rm(temporary, { force: true });
          return false;
        }
        this.#links = false;
      }
    }
    return this.#claimAndRename(temporary, path);
  }

  /**
   * A file made with `wx` beside the object says who may rename: rename alone would replace what another writer has
   * just stored. A writer that dies here leaves its claim, which stands until its process is known to be gone, or for a
   * day.
   */
  async #claimAndRename(temporary: string, path: string): Promise<boolean> {
    const claim = join(dirname(path), `${reservedPrefix}claim-${basename(path)}`.slice(0, 255));
    const claimed =
      (await makeClaim(claim)) || ((await isStale(claim, temporary)) && (await takeOver(claim)));
    if (!claimed) {
      await rm(temporary, { force: true });
      return false;
    }
    try {
      if (await exists(path)) {
        await rm(temporary, { force: true });
        return false;
      }
      await rename(temporary, path);
      return true;
    } finally {
      await rm(claim, { force: true });
    }
  }
}

export async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')) return false;
    throw error;
  }
}

async function makeClaim(claim: string): Promise<boolean> {
  try {
    const handle = await open(claim, 'wx');
    await handle.writeFile(temporaryName());
    await handle.close();
    return true;
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false;
    throw error;
  }
}

async function takeOver(claim: string): Promise<boolean> {
  await rm(claim, { force: true });
  return makeClaim(claim);
}

/** Its process is gone, or it is older by a day than what is to be published: both by the file system's clock. */
async function isStale(claim: string, temporary: string): Promise<boolean> {
  try {
    if (isOrphan(await readFile(claim, 'utf8'))) return true;
    return (await stat(temporary)).mtimeMs - (await stat(claim)).mtimeMs > dayMs;
  } catch {
    return false;
  }
}
