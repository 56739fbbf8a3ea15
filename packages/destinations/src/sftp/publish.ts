import { randomBytes } from 'node:crypto';
import { HoldfastError } from '@holdfast/core';
import { reservedPrefix } from '../repository.ts';
import { hardlink, lstat, posixRename, rename, rmdir, unlink } from './calls.ts';
import { status, statusOf } from './errors.ts';
import type { Lease } from './pool.ts';

/** Of a file that is finished. */
export interface Names {
  readonly temporary: string;
  /** In which it lies alone, and which goes when it is gone; one with other files in it stays. */
  readonly folder?: string | undefined;
  /** The final one. */
  readonly path: string;
}

/**
 * Gives a finished temporary file its final name.
 *
 * `hardlink@openssh.com` fails when the name is there, in one step on the server, so that one of several writers wins.
 * Without it a name is looked for and then renamed to: OpenSSH itself refuses to rename over a file, other servers may
 * not, and then only the writers of this process exclude one another.
 */
export class Publisher {
  /** Final names that this process is about to give. */
  readonly #taken = new Map<string, Promise<unknown>>();
  /** Undefined until the server was asked. */
  #links: boolean | undefined;

  /** Whether the server decides who was first. Not promised before it is known. */
  get atomic(): boolean {
    return this.#links === true;
  }

  /** What the server says of itself. */
  learn(lease: Lease): void {
    this.#links ??= lease.connection.extensions.hardlink;
  }

  /** Says whether it did; in either case the temporary name is gone. */
  async publishNew(lease: Lease, names: Names): Promise<boolean> {
    const { temporary, path } = names;
    this.learn(lease);
    if (this.#links) {
      try {
        await hardlink(lease, temporary, path);
        // It is stored: that its other name stays for a day harms nobody.
        await leaving(lease, names, unlink(lease, temporary)).catch(() => undefined);
        return true;
      } catch (error) {
        const code = statusOf(error);
        if (code === undefined || code === status.noSuchFile) throw error;
        if (await lstat(lease, path)) {
          await unlink(lease, temporary);
          return false;
        }
        // There are file systems without second names.
      }
    }
    const act = (): Promise<boolean> => lookAndRename(lease, temporary, path);
    const published = await leaving(lease, names, this.#alone(path, act));
    this.#links = false;
    return published;
  }

  /** Replaces what has the name, in one step where the server can. */
  async replace(lease: Lease, names: Names): Promise<void> {
    const { temporary, path } = names;
    const moved = lease.connection.extensions.posixRename
      ? posixRename(lease, temporary, path)
      : this.#alone(path, () => moveAside(lease, temporary, path));
    await leaving(lease, names, moved);
  }

  /** One after the other. */
  async #alone<T>(path: string, act: () => Promise<T>): Promise<T> {
    const before = this.#taken.get(path) ?? Promise.resolve();
    const mine = before.then(act, act);
    this.#taken.set(path, mine);
    try {
      return await mine;
    } finally {
      if (this.#taken.get(path) === mine) this.#taken.delete(path);
    }
  }
}

/**
 * Asks for the folder to go in the same breath as for the file that is in it; it stays as long as the file does. A
 * server that works in another order is asked once more.
 */
async function leaving<T>(lease: Lease, { folder }: Names, going: Promise<T>): Promise<T> {
  if (folder === undefined) return going;
  const [gone, left] = await Promise.allSettled([going, rmdir(lease, folder)]);
  if (gone.status === 'rejected') throw gone.reason;
  // Stored or not, this changes nothing of it.
  if (left.status === 'rejected') await rmdir(lease, folder).catch(() => undefined);
  return gone.value;
}

async function lookAndRename(lease: Lease, temporary: string, path: string): Promise<boolean> {
  if (await lstat(lease, path)) {
    await unlink(lease, temporary);
    return false;
  }
  try {
    await rename(lease, temporary, path);
    return true;
  } catch (error) {
    if (statusOf(error) !== status.failure || !(await lstat(lease, path))) throw error;
    await unlink(lease, temporary);
    return false;
  }
}

/**
 * For a moment the object is not there under its name; who dies in that moment leaves it beside, under a name that is
 * never swept.
 */
async function moveAside(lease: Lease, temporary: string, path: string): Promise<void> {
  const found = await lstat(lease, path);
  if (!found) return rename(lease, temporary, path);
  if (!found.isFile()) throw notAFile(path);
  const cut = path.lastIndexOf('/') + 1;
  const aside = `${path.slice(0, cut)}${reservedPrefix}old-${randomBytes(8).toString('hex')}`;
  await rename(lease, path, aside);
  try {
    await rename(lease, temporary, path);
  } catch (error) {
    await rename(lease, aside, path);
    throw error;
  }
  await unlink(lease, aside);
}

function notAFile(path: string): HoldfastError {
  return new HoldfastError('precondition_failed', `${path} is no file, and cannot be replaced by one`, {
    hint: `look at ${path} on the server; move away what is not Holdfast's`,
  });
}
