import { DatabaseSync } from 'node:sqlite';
import { type Clock, HoldfastError, type Sig } from '@holdfast/core';

const busy = 5;
const retryMs = 20;
const waitMaxMs = 30_000;

/**
 * A lock of the operating system on a file: it ends with its process, however that ends, so that nobody ever has to
 * remove a stale one. Node has no call for it, but SQLite takes one (fcntl) in `BEGIN EXCLUSIVE`; nothing is ever
 * written. POSIX ends such locks when the process closes any handle of the file, so nobody else may open it; SQLite
 * keeps several handles of its own apart.
 */
export class FileLock implements Disposable {
  readonly #database: DatabaseSync;

  private constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** Undefined when another process, or another lock of this one, has it. */
  static tryTake(path: string): FileLock | undefined {
    let database: DatabaseSync | undefined;
    try {
      database = new DatabaseSync(path, { timeout: 0 });
      // Without a journal file nothing is written, so that the lock is to be had on a full disk, too.
      database.exec('PRAGMA journal_mode = memory');
      database.exec('BEGIN EXCLUSIVE');
      return new FileLock(database);
    } catch (error) {
      database?.close();
      // The low byte is the code, the rest says more.
      if (((error as { errcode?: number }).errcode ?? 0) % 256 === busy) return undefined;
      throw new HoldfastError('unavailable', `could not lock ${path}: ${(error as Error).message}`, {
        cause: error,
        hint: 'the staging folder must be on a file system with locks, and writable: a local disk is best',
      });
    }
  }

  /** Waits for a lock that others hold for moments only. */
  static async take(path: string, clock: Clock, o: Sig): Promise<FileLock> {
    for (let waitedMs = 0; ; waitedMs += retryMs) {
      const lock = FileLock.tryTake(path);
      if (lock) return lock;
      if (waitedMs >= waitMaxMs) {
        throw new HoldfastError('timeout', `${path} has been locked for ${waitMaxMs / 1000} seconds`, {
          hint: `see which process holds it: fuser ${path}`,
        });
      }
      await clock.sleep(retryMs, o.signal);
    }
  }

  [Symbol.dispose](): void {
    if (this.#database.isOpen) this.#database.close();
  }
}
