import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type Clock, type Finding, HoldfastError, type Sig } from '@holdfast/core';
import type { DatabaseFile } from './connection.ts';
import { resultOf, translate } from './errors.ts';

/** Files that SQLite keeps beside a database. One without its database would be taken for that of the new one. */
export const sideSuffixes = ['-wal', '-shm', '-journal'] as const;

/** What stands in the way of a new database at this path. Changes nothing. */
export function targetProblems(file: DatabaseFile): Finding[] {
  const problem = (message: string, hint: string): Finding => ({
    check: `target ${file.path}`,
    ok: false,
    severity: 'error',
    code: 'precondition_failed',
    message,
    hint,
  });
  const found: Finding[] = [];
  const stat = statSync(file.path, { throwIfNoEntry: false });
  if (stat?.isDirectory()) {
    return [problem(`${file.path} is a folder`, 'name a file that does not exist yet')];
  }
  if (stat !== undefined && !isEmptyDatabase(file.path, stat.size)) {
    found.push(
      problem(
        `${file.path} exists and is not an empty database`,
        'restore to a path that does not exist; Holdfast overwrites nothing',
      ),
    );
  }
  for (const suffix of sideSuffixes) {
    if (existsSync(file.path + suffix)) {
      found.push(
        problem(`${file.path}${suffix} exists`, 'it belongs to a database that was here: move it away first'),
      );
    }
  }
  return found;
}

function isEmptyDatabase(path: string, size: number): boolean {
  if (size === 0) return true;
  // An empty database is a page or two; do not open what is larger.
  if (size > 262_144 || sideSuffixes.some((suffix) => existsSync(path + suffix))) return false;
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path, { readOnly: true });
    if ((db.prepare('PRAGMA journal_mode').get() as { journal_mode: string }).journal_mode === 'wal')
      return false;
    return db.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get() === undefined;
  } catch (caught) {
    if (resultOf(caught) !== undefined) return false;
    throw caught;
  } finally {
    db?.close();
  }
}

/** Makes the folder and those above it; returns what it made, outermost first, so that a failure can remove it. */
export function makeFolders(folder: string): string[] {
  const made: string[] = [];
  for (let at = folder; !existsSync(at); at = dirname(at)) made.unshift(at);
  try {
    for (const missing of made) makeOne(missing);
  } catch (caught) {
    throw translate(caught, `cannot make ${folder}`);
  }
  return made;
}

/** One by one: Node's own recursive `mkdir` never ends on file systems such as /proc. */
function makeOne(folder: string): void {
  try {
    mkdirSync(folder);
  } catch (caught) {
    if ((caught as NodeJS.ErrnoException).code !== 'EEXIST') throw caught;
  }
}

export function removeFolders(made: readonly string[]): void {
  for (const folder of [...made].reverse()) {
    try {
      rmdirSync(folder);
    } catch (caught) {
      const code = (caught as NodeJS.ErrnoException).code;
      // Someone else uses it by now.
      if (code === 'ENOTEMPTY' || code === 'EEXIST' || code === 'ENOENT') return;
      throw translate(caught, `cannot remove ${folder}`);
    }
  }
}

/**
 * Keeps a second restore away from a target. An exclusive transaction on a file beside it: the system ends it with
 * the process, however that ends, which a file that merely exists would not.
 */
export class TargetLock implements Disposable {
  readonly #path: string;
  readonly #db: DatabaseSync;

  private constructor(path: string, db: DatabaseSync) {
    this.#path = path;
    this.#db = db;
  }

  /** Waits for another restore to end. @throws HoldfastError conflict when it does not in time */
  static async wait(
    target: string,
    o: Sig & { readonly clock: Clock; readonly timeoutMs: number },
  ): Promise<TargetLock> {
    const start = o.clock.elapsed();
    for (;;) {
      try {
        return TargetLock.take(target);
      } catch (caught) {
        const waits = caught instanceof HoldfastError && caught.code === 'conflict';
        if (!waits || o.clock.elapsed() - start >= o.timeoutMs) throw caught;
      }
      await o.clock.sleep(Math.min(200, o.timeoutMs), o.signal);
    }
  }

  /** @throws HoldfastError conflict when another restore holds it */
  static take(target: string): TargetLock {
    const path = join(dirname(target), `.${basename(target)}.holdfast-lock`);
    for (let attempt = 0; attempt < 10; attempt++) {
      let db: DatabaseSync | undefined;
      try {
        closeSync(openSync(path, 'a'));
        const inode = statSync(path).ino;
        db = new DatabaseSync(path, { timeout: 0 });
        db.exec('PRAGMA journal_mode=MEMORY; BEGIN EXCLUSIVE');
        // Whoever had it before removed the file: a lock on what has no name keeps nobody away.
        if (statSync(path, { throwIfNoEntry: false })?.ino === inode) return new TargetLock(path, db);
        db.close();
      } catch (caught) {
        db?.close();
        if (resultOf(caught) === 5) {
          throw new HoldfastError(
            'conflict',
            `another restore into ${target} is running (it holds ${path})`,
            {
              hint: 'wait for it to end, or restore to another path',
            },
          );
        }
        throw translate(caught, `cannot lock ${target}`);
      }
    }
    throw new HoldfastError('conflict', `cannot lock ${target}: ${path} comes and goes`);
  }

  [Symbol.dispose](): void {
    rmSync(this.#path, { force: true });
    this.#db.close();
  }
}

export function buildPath(target: string, id: string): string {
  return join(dirname(target), `.${basename(target)}.holdfast-${id.replace(/[^A-Za-z0-9_-]/g, '_')}`);
}

/** What dead restores left. Only under the lock. */
export function removeLeftovers(target: string): void {
  const folder = dirname(target);
  const prefix = `.${basename(target)}.holdfast-`;
  for (const name of readdirSync(folder)) {
    if (name.startsWith(prefix) && !name.startsWith(`${prefix}lock`))
      rmSync(join(folder, name), { force: true });
  }
}

export function syncFile(path: string): void {
  const fd = openSync(path, 'r+');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Gives a finished file its name, durably. An empty database that was there is replaced, anything else is not. */
export function publishFile(built: string, file: DatabaseFile): void {
  const problem = targetProblems(file)[0];
  if (problem) throw new HoldfastError('precondition_failed', problem.message, { hint: problem.hint });
  if (existsSync(file.path)) {
    renameSync(built, file.path);
  } else {
    // Unlike a rename, a link fails when someone made the file since we looked.
    linkSync(built, file.path);
    rmSync(built);
  }
  const folder = openSync(dirname(file.path), 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
