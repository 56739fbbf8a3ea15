import { access, constants, readdir, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import {
  type Clock,
  type Destination,
  HoldfastError,
  namePattern,
  type Observer,
  type RecoveredRun,
  type Sig,
  type StagedRun,
  type Staging,
  throwIfAborted,
} from '@holdfast/core';
import { makeFolders, writeDurably } from './durable-file.ts';
import { stagingError } from './errors.ts';
import { FileLock } from './file-lock.ts';
import { Journal } from './journal.ts';
import { KnownDestinations } from './known-destinations.ts';
import { collectLitter } from './litter.ts';
import { reserve } from './reservations.ts';
import { journalFile, RunFolder, type RunRecord, removeRemains } from './run-folder.ts';
import { type RequiredCopies, RunStage, type StageOptions } from './run-stage.ts';
import { TaskLock } from './task-lock.ts';

export interface StagingOptions {
  /** The staging root; made when it is missing. */
  readonly directory: string;
  readonly clock: Clock;
  /** Told of `segment-stored`, `manifest-stored`, `manifest-confirmed` (at the moment), and of notices. */
  readonly observer?: Observer;
  readonly require?: RequiredCopies;
  /** Segments on their way to each destination at once. */
  readonly pushesMax?: number;
  /** What stays free on the disk for everybody else. */
  readonly floorBytes?: number;
  /** How long a failed run may take to remove what it stored. */
  readonly cleanupMaxMs?: number;
}

type Settings = { readonly [Name in keyof StagingOptions]-?: StagingOptions[Name] };

const locksFolder = '.locks';
const folderMode = 0o700;

/** The local staging root: one folder per task, one in it per run. */
export class StagingArea implements Staging {
  readonly root: string;
  readonly knownDestinations: KnownDestinations;
  readonly #o: Settings;

  constructor(options: StagingOptions) {
    this.root = resolve(options.directory);
    this.#o = {
      observer: () => undefined,
      require: 'all',
      pushesMax: 2,
      floorBytes: 64 * 1024 * 1024,
      cleanupMaxMs: 60_000,
      ...options,
    };
    this.knownDestinations = new KnownDestinations(this.root, (act) =>
      this.#exclusively({ signal: new AbortController().signal }, act),
    );
  }

  /**
   * Proves that staging is there and takes writes. Resolves with warnings in words: `neverOn` are folders of the
   * database, with which it should not share a disk.
   */
  async prepare(o: Sig & { readonly neverOn?: readonly string[] }): Promise<readonly string[]> {
    throwIfAborted(o.signal);
    await this.#makeRoot();
    await this.#proveWritable();
    const own = (await stat(this.root)).dev;
    const warnings: string[] = [];
    for (const folder of o.neverOn ?? []) {
      const other = await stat(folder).catch(() => undefined);
      if (other?.dev !== own) continue;
      warnings.push(
        `staging (${this.root}) is on the same disk as the database (${folder}): a backup being built takes room that ` +
          'the database may need; choose another folder (--staging; of a node: staging in holdfast.yaml)',
      );
    }
    return warnings;
  }

  async lock(task: string, destinations: readonly Destination[]): Promise<AsyncDisposable> {
    assertTask(task);
    await this.#makeRoot();
    return TaskLock.take(join(this.root, locksFolder), {
      task,
      destinations: destinations.map(({ description }) => description),
      clock: this.#o.clock,
    });
  }

  async openRun(run: StagedRun, destinations: readonly Destination[], o: Sig): Promise<RunStage> {
    throwIfAborted(o.signal);
    const descriptions = destinations.map(({ description }) => description);
    if (new Set(descriptions).size !== descriptions.length || descriptions.length === 0) {
      throw new HoldfastError(
        'config_invalid',
        `a run needs destinations, each once: ${descriptions.join(', ')}`,
        {
          hint: 'two copies in one place are one copy: name each destination once',
        },
      );
    }
    const { require } = this.#o;
    if (
      require !== 'all' &&
      !(Number.isSafeInteger(require) && require >= 1 && require <= destinations.length)
    ) {
      throw new HoldfastError(
        'config_invalid',
        `a backup cannot be required at ${require} of ${destinations.length} destinations`,
        { hint: `require all of them, or a number from 1 to ${destinations.length}` },
      );
    }
    await this.#makeRoot();
    await this.#proveWritable();
    const record: RunRecord = { format: 1, run, destinations: descriptions };
    const folder = await this.#telling('open a run in', () =>
      this.#exclusively(o, () => RunFolder.create(this.root, record)),
    );
    return this.#openStage(folder, { destinations, among: destinations, signal: o.signal });
  }

  async recover(
    task: string,
    destinations: readonly Destination[],
    o: Sig,
  ): Promise<readonly RecoveredRun[]> {
    throwIfAborted(o.signal);
    assertTask(task);
    await this.#makeRoot();
    const found = await this.#telling('look through', () =>
      this.#exclusively(o, () => this.#interrupted(join(this.root, task))),
    );
    const recovered: RecoveredRun[] = [];
    for (const folder of found) {
      const { run } = folder.record;
      const mine = this.#destinationsOf(folder, destinations);
      if (!mine) continue;
      const sealed = await folder.readSeal();
      if (sealed) {
        const { signal } = o;
        const among = destinations;
        const stage = await this.#openStage(folder, { destinations: mine, among, signal, resumed: sealed });
        recovered.push({ kind: 'sealed', run, manifest: sealed.manifest, stage });
      } else {
        recovered.push({ kind: 'litter', run, collect: (c) => this.#collect(folder, mine, c) });
      }
    }
    return recovered;
  }

  #openStage(
    folder: RunFolder,
    o: Sig & Pick<StageOptions, 'destinations' | 'among' | 'resumed'>,
  ): Promise<RunStage> {
    return RunStage.open({
      ...this.#o,
      ...o,
      root: this.root,
      folder,
      reserve: (bytes, r) => this.#reserve(folder, bytes, r),
    });
  }

  async #reserve(folder: RunFolder, bytes: number, o: Sig): Promise<void> {
    const { floorBytes } = this.#o;
    await this.#telling('reserve room in', () =>
      this.#exclusively(o, () => reserve({ root: this.root, folder, bytes: Math.ceil(bytes), floorBytes })),
    );
  }

  async #collect(folder: RunFolder, destinations: readonly Destination[], o: Sig): Promise<void> {
    throwIfAborted(o.signal);
    folder.hold();
    try {
      await this.#telling('clean up', async () => {
        await using journal = await Journal.read(join(folder.path, journalFile));
        await collectLitter({ ...this.#o, destinations, journal, folder, signal: o.signal });
      });
    } finally {
      folder.release();
    }
  }

  /** Runs of dead processes. What is no run of ours is left alone. */
  async #interrupted(parent: string): Promise<RunFolder[]> {
    const found: RunFolder[] = [];
    const names = await readdir(parent).catch(() => []);
    for (const name of names.sort()) {
      await removeRemains(parent, name);
      const folder = name.startsWith('.') ? undefined : await RunFolder.open(join(parent, name));
      if (folder && !folder.isLive()) found.push(folder);
    }
    return found;
  }

  /** All that the run went to, or undefined when one of them is not among those at hand. */
  #destinationsOf(folder: RunFolder, destinations: readonly Destination[]): Destination[] | undefined {
    const wanted = folder.record.destinations;
    const mine = destinations.filter(({ description }) => wanted.includes(description));
    if (mine.length === wanted.length) return mine;
    this.#o.observer({
      kind: 'notice',
      text: `an interrupted run to other destinations (${wanted.join(', ')}) stays in staging: ${folder.path}; back up to them once more to finish it, or delete the folder`,
    });
    return undefined;
  }

  async #makeRoot(): Promise<void> {
    await this.#telling('use', async () => {
      await makeFolders(join(this.root, locksFolder), folderMode);
      await access(this.root, constants.R_OK | constants.W_OK | constants.X_OK);
    });
  }

  async #proveWritable(): Promise<void> {
    const probe = join(this.root, locksFolder, `probe-${process.pid}`);
    await this.#telling('write to', async () => {
      try {
        await writeDurably(probe, Buffer.alloc(4096, 1));
      } finally {
        await rm(probe, { force: true });
      }
    });
  }

  /** While no other process makes, looks for or counts runs. For moments only. */
  async #exclusively<T>(o: Sig, act: () => Promise<T>): Promise<T> {
    await this.#makeRoot();
    using _lock = await FileLock.take(join(this.root, locksFolder, 'area'), this.#o.clock, o);
    return await act();
  }

  async #telling<T>(action: string, act: () => Promise<T>): Promise<T> {
    try {
      return await act();
    } catch (error) {
      throw await stagingError(error, { root: this.root, path: this.root, action });
    }
  }
}

function assertTask(task: string): void {
  if (namePattern.test(task)) return;
  throw new HoldfastError('config_invalid', `${JSON.stringify(task)} is no name for a task`, {
    hint: 'tasks are named with small letters, digits and -, beginning and ending with a letter or digit',
  });
}
