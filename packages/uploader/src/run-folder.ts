import { createHash, randomBytes } from 'node:crypto';
import { readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { HoldfastError, isChainName, namePattern, type SegmentEntry, type StagedRun } from '@holdfast/core';
import { makeFolders, readJson, syncFolder, writeDurably } from './durable-file.ts';
import { systemCode } from './errors.ts';
import { FileLock } from './file-lock.ts';

const runFile = 'run.json';
const lockFile = 'run.lock';
const sealFile = 'sealed.json';
const lateFile = 'late.json';
const folderMode = 0o700;
const newPrefix = '.new-';
const removedPrefix = '.removed-';

/** What `run.json` says. */
export interface RunRecord {
  readonly format: 1;
  readonly run: StagedRun;
  /** Descriptions, in the order of the task. */
  readonly destinations: readonly string[];
}

/** What `sealed.json` says: the run is complete here, and only has to be pushed. */
export interface Seal {
  readonly manifest: string;
  readonly sha256: string;
  readonly segments: readonly SegmentEntry[];
}

/** What `late.json` says: the backup exists, and its files stay here for destinations that do not hold it yet. */
export interface Late {
  /** Descriptions. */
  readonly destinations: readonly string[];
  readonly sinceMs: number;
}

/** `<root>/<task>/<chain>-<sequence>`: the folder of one run, and the lock that its process holds. */
export class RunFolder {
  readonly path: string;
  readonly record: RunRecord;
  #lock: FileLock | undefined;

  private constructor(path: string, record: RunRecord, lock?: FileLock) {
    this.path = path;
    this.record = record;
    this.#lock = lock;
  }

  /** @throws HoldfastError conflict when a run of this name is there */
  static async create(root: string, record: RunRecord): Promise<RunFolder> {
    const { task, chain, sequence } = record.run;
    if (!namePattern.test(task) || !isChainName(chain) || !Number.isSafeInteger(sequence) || sequence < 0) {
      throw new HoldfastError('config_invalid', `no run can be named ${task}/${chain}/${sequence}`, {
        hint: 'tasks and nodes are named with small letters, digits and -',
      });
    }
    const parent = join(root, task);
    const path = join(parent, runFolderName(chain, sequence));
    // Made under another name and locked before it is seen, so that nobody takes a run that begins for a dead one.
    const making = join(parent, newPrefix + randomBytes(6).toString('hex'));
    await makeFolders(making, folderMode);
    const lock = FileLock.tryTake(join(making, lockFile));
    if (!lock) throw new HoldfastError('internal', `the lock of the new folder ${making} is taken`);
    try {
      await writeDurably(join(making, runFile), JSON.stringify(record));
      await rename(making, path);
      await syncFolder(parent);
      await syncFolder(root);
    } catch (error) {
      lock[Symbol.dispose]();
      await rm(making, { recursive: true, force: true }).catch(() => undefined);
      if (!['ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes(systemCode(error) ?? '')) throw error;
      throw new HoldfastError('conflict', `staging already has ${path}`, {
        cause: error,
        hint: 'another run of this name is going on, or was interrupted and is to be recovered first',
      });
    }
    return new RunFolder(path, record, lock);
  }

  /** The run in a folder of staging; undefined for what is no run of ours. */
  static async open(path: string): Promise<RunFolder | undefined> {
    const record = (await readJson(join(path, runFile))) as Partial<RunRecord> | undefined;
    if (record?.format !== 1 || !record.run || !Array.isArray(record.destinations)) return undefined;
    return new RunFolder(path, record as RunRecord);
  }

  /** Whether a process is at work in it, this one included. The caller has the lock of the whole area. */
  isLive(): boolean {
    if (this.#lock) return true;
    const probe = FileLock.tryTake(join(this.path, lockFile));
    probe?.[Symbol.dispose]();
    return probe === undefined;
  }

  /** Takes up a run that was interrupted. */
  hold(): void {
    if (this.#lock) return;
    const lock = FileLock.tryTake(join(this.path, lockFile));
    if (!lock) {
      throw new HoldfastError('conflict', `another process has taken up the run in ${this.path}`, {
        hint: 'wait for it to end',
      });
    }
    this.#lock = lock;
  }

  release(): void {
    this.#lock?.[Symbol.dispose]();
    this.#lock = undefined;
  }

  /** The manifest first: the seal says that everything else is there. */
  async seal(seal: Seal, manifest: Uint8Array): Promise<void> {
    await writeDurably(join(this.path, seal.manifest), manifest);
    await writeDurably(join(this.path, sealFile), JSON.stringify(seal));
  }

  async readSeal(): Promise<{ readonly seal: Seal; readonly manifest: Uint8Array } | undefined> {
    const seal = (await readJson(join(this.path, sealFile))) as Seal | undefined;
    if (typeof seal?.manifest !== 'string' || !Array.isArray(seal.segments)) return undefined;
    const manifest = await readFile(join(this.path, seal.manifest)).catch(() => undefined);
    if (!manifest || createHash('sha256').update(manifest).digest('hex') !== seal.sha256) return undefined;
    return { seal, manifest };
  }

  /** The run is committed; without its seal it is only kept, and not taken up any more. */
  async keepFor(destinations: readonly string[], nowMs: number): Promise<void> {
    const sinceMs = (await this.readLate())?.sinceMs ?? nowMs;
    const late: Late = { destinations, sinceMs };
    await writeDurably(join(this.path, lateFile), JSON.stringify(late));
  }

  async keepForNobody(): Promise<void> {
    await rm(join(this.path, lateFile), { force: true });
  }

  async readLate(): Promise<Late | undefined> {
    const late = (await readJson(join(this.path, lateFile))) as Late | undefined;
    return Array.isArray(late?.destinations) ? late : undefined;
  }

  /** From here on the run is not resumed, whatever happens. */
  async breakSeal(): Promise<void> {
    await rm(join(this.path, sealFile), { force: true });
    await syncFolder(this.path);
  }

  /** How many bytes lie in it. */
  async usedBytes(): Promise<number> {
    let bytes = 0;
    for (const name of await readdir(this.path).catch(() => [])) {
      bytes += (await stat(join(this.path, name)).catch(() => undefined))?.size ?? 0;
    }
    return bytes;
  }

  /** Keeps only what says which objects are still to be deleted elsewhere. */
  async removeContent(): Promise<void> {
    for (const name of await readdir(this.path)) {
      if (name === runFile || name === lockFile || name === journalFile) continue;
      await rm(join(this.path, name), { recursive: true, force: true });
    }
  }

  /** Renamed first: a crash half way leaves nothing that looks like a run. */
  async remove(): Promise<void> {
    const parent = dirname(this.path);
    const going = join(parent, removedPrefix + randomBytes(6).toString('hex'));
    await rename(this.path, going);
    await syncFolder(parent);
    await rm(going, { recursive: true, force: true });
    this.release();
  }
}

export function runFolderName(chain: string, sequence: number): string {
  return `${chain}-${String(sequence).padStart(4, '0')}`;
}

export const journalFile = 'journal.ndjson';
export const reservationFile = 'reservation.json';

/** Removes what a crash left of making or removing a run's folder. */
export async function removeRemains(parent: string, name: string): Promise<void> {
  const path = join(parent, name);
  if (name.startsWith(newPrefix)) {
    const lock = FileLock.tryTake(join(path, lockFile));
    if (!lock) return;
    try {
      // It may have become a run between the listing and the lock.
      await rm(path, { recursive: true, force: true });
    } finally {
      lock[Symbol.dispose]();
    }
  } else if (name.startsWith(removedPrefix)) {
    await rm(path, { recursive: true, force: true });
  }
}
