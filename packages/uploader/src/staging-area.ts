import { access, constants, readdir, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import {
  type AbsentDestination,
  type Clock,
  type Delivered,
  type Delivery,
  type Destination,
  HoldfastError,
  type KeptLabel,
  namePattern,
  type Observer,
  type RecoveredRun,
  type RememberedLabel,
  type Sig,
  type StagedRun,
  type Staging,
  throwIfAborted,
} from '@holdfast/core';
import { deliver } from './deliver.ts';
import { makeFolders, writeDurably } from './durable-file.ts';
import { stagingError } from './errors.ts';
import { FileLock } from './file-lock.ts';
import { Journal } from './journal.ts';
import { KeptLabels } from './kept-labels.ts';
import { KnownDestinations } from './known-destinations.ts';
import { findLateRuns, settleRuns } from './late-runs.ts';
import { collectLitter } from './litter.ts';
import { reserve } from './reservations.ts';
import { assertDestinations, takingPart } from './run-destinations.ts';
import {
  journalFile,
  type Late,
  RunFolder,
  type RunRecord,
  removeRemains,
  runFolderName,
} from './run-folder.ts';
import {
  type LateDestinations,
  type RequiredCopies,
  RunStage,
  type StageOptions,
  type VerifyOf,
  verifyOf,
} from './run-stage.ts';
import { lockDestination, TaskLock } from './task-lock.ts';

export interface StagingOptions {
  /** The staging root; made when it is missing. */
  readonly directory: string;
  readonly clock: Clock;
  /** Told of `segment-stored`, `manifest-stored`, `manifest-confirmed` (at the moment), and of notices. */
  readonly observer?: Observer;
  readonly require?: RequiredCopies;
  /** `wait` by default. */
  readonly late?: LateDestinations;
  /** `sample` by default. */
  readonly verify?: VerifyOf;
  /** Segments on their way to each destination at once. */
  readonly pushesMax?: number;
  /** What stays free on the disk for everybody else. */
  readonly floorBytes?: number;
  /** What all runs together may use of the disk; no limit but the disk's own by default. */
  readonly bytesMax?: number;
  /** How much of a backup lies here at once, where it need not be staged whole; see `Passage`. */
  readonly passageBytes?: number | undefined;
  /** How long a run waits for room that other runs have; not at all by default. */
  readonly roomWaitMaxMs?: number;
  /** How long a failed run may take to remove what it stored. */
  readonly cleanupMaxMs?: number;
}

type Settings = { readonly [Name in keyof StagingOptions]-?: StagingOptions[Name] };

const locksFolder = '.locks';
const folderMode = 0o700;
const lookForRoomEveryMs = 1000;

/** The local staging root: one folder per task, one in it per run. */
export class StagingArea implements Staging {
  readonly root: string;
  readonly knownDestinations: KnownDestinations;
  readonly #o: Settings;
  readonly #kept: KeptLabels;

  constructor(options: StagingOptions) {
    this.root = resolve(options.directory);
    this.#o = {
      observer: () => undefined,
      require: 'all',
      late: 'wait',
      verify: 'sample',
      pushesMax: 2,
      floorBytes: 64 * 1024 * 1024,
      bytesMax: Number.POSITIVE_INFINITY,
      roomWaitMaxMs: 0,
      passageBytes: undefined,
      cleanupMaxMs: 60_000,
      ...options,
    };
    this.knownDestinations = new KnownDestinations(this.root, (act) =>
      this.#exclusively({ signal: new AbortController().signal }, act),
    );
    this.#kept = new KeptLabels({
      root: this.root,
      observer: this.#o.observer,
      locked: (action, act, o) => this.#telling(action, () => this.#exclusively(o, act)),
    });
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

  required(destinations: number): number {
    const { require } = this.#o;
    // An interrupted run may have gone to fewer destinations than the task asks for now.
    return require === 'all' ? destinations : Math.min(require, destinations);
  }

  async lockDestination(
    task: string,
    destination: Destination,
    o: Sig & { readonly wait: boolean },
  ): Promise<AsyncDisposable | undefined> {
    assertTask(task);
    await this.#makeRoot();
    const lock = await lockDestination(join(this.root, locksFolder), {
      ...o,
      task,
      destination: destination.description,
      clock: this.#o.clock,
    });
    return lock && { [Symbol.asyncDispose]: async () => lock[Symbol.dispose]() };
  }

  async openRun(
    run: StagedRun,
    destinations: readonly Destination[],
    o: Sig & { readonly absent?: readonly AbsentDestination[] },
  ): Promise<RunStage> {
    throwIfAborted(o.signal);
    const { signal, absent = [] } = o;
    const descriptions = destinations.map(({ description }) => description);
    assertDestinations(descriptions, this.#o.require);
    await this.#makeRoot();
    await this.#proveWritable();
    const record: RunRecord = { format: 1, run, destinations: descriptions };
    const folder = await this.#telling('open a run in', () =>
      this.#exclusively(o, () => RunFolder.create(this.root, record)),
    );
    return this.#openStage(folder, { ...takingPart(destinations, absent), among: destinations, signal });
  }

  async recover(
    task: string,
    destinations: readonly Destination[],
    o: Sig & { readonly absent?: (run: StagedRun) => readonly AbsentDestination[] },
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
      const late = await folder.readLate();
      // Committed and done with: it is only kept for who is behind.
      if (late && !(await folder.readSeal())) {
        if (isForNobody(folder, late, destinations)) await folder.remove();
        continue;
      }
      const mine = this.#destinationsOf(folder, destinations);
      if (!mine) continue;
      const sealed = await folder.readSeal();
      if (sealed) {
        const { signal } = o;
        const parts = takingPart(mine, o.absent?.(run) ?? []);
        const stage = await this.#openStage(folder, {
          ...parts,
          among: destinations,
          signal,
          resumed: sealed,
        });
        recovered.push({ kind: 'sealed', run, manifest: sealed.manifest, stage });
      } else {
        recovered.push({ kind: 'litter', run, collect: (c) => this.#collect(folder, mine, c) });
      }
    }
    return recovered;
  }

  async deliver(delivery: Delivery, o: Sig): Promise<Delivered> {
    const { task, chain, sequence } = delivery;
    assertTask(task);
    const directory = join(this.root, task, runFolderName(chain, sequence));
    const verify = verifyOf(this.#o.verify, delivery.to);
    return deliver(delivery, { ...this.#o, ...o, verify, root: this.root, directory });
  }

  async settle(
    task: string,
    destination: Destination,
    has: (run: StagedRun) => boolean,
    o: Sig,
  ): Promise<void> {
    assertTask(task);
    await this.#telling('clean up', () =>
      this.#exclusively(o, async () =>
        settleRuns(await findLateRuns(this.root, task), destination.description, has),
      ),
    );
  }

  async rememberKept(kept: KeptLabel, destinations: readonly Destination[], o: Sig): Promise<void> {
    assertTask(kept.task);
    await this.#kept.remember(kept, destinations, o);
  }

  async listKept(
    task: string,
    destinations: readonly Destination[],
    o: Sig,
  ): Promise<readonly RememberedLabel[]> {
    assertTask(task);
    return this.#kept.list(task, destinations, o);
  }

  async releaseKept(task: string, label: string, o: Sig): Promise<void> {
    assertTask(task);
    await this.#kept.release(task, label, o);
  }

  #openStage(
    folder: RunFolder,
    o: Sig & Pick<StageOptions, 'destinations' | 'absent' | 'among' | 'resumed'>,
  ): Promise<RunStage> {
    return RunStage.open({
      ...this.#o,
      ...o,
      root: this.root,
      folder,
      required: this.required(o.destinations.length + o.absent.length),
      reserve: (bytes, r) => this.#reserve(folder, bytes, r),
    });
  }

  /** Waits for room while other runs have it: they end. Then it fails, with the numbers. */
  async #reserve(folder: RunFolder, bytes: number, o: Sig): Promise<void> {
    const { floorBytes, bytesMax, roomWaitMaxMs, clock, observer } = this.#o;
    const wanted = { root: this.root, folder, bytes: Math.ceil(bytes), floorBytes, bytesMax };
    const until = clock.elapsed() + roomWaitMaxMs;
    for (let waits = 0; ; waits += 1) {
      const missing = await this.#telling('reserve room in', () =>
        this.#exclusively(o, () => reserve(wanted)),
      );
      if (!missing) return;
      const { error, othersHaveIt } = missing;
      if (!othersHaveIt || clock.elapsed() >= until) throw error;
      if (waits === 0) observer({ kind: 'notice', text: `waiting for room in staging: ${error.reason}` });
      await clock
        .sleep(Math.min(lookForRoomEveryMs, Math.max(1, until - clock.elapsed())), o.signal)
        .catch(() => undefined);
      throwIfAborted(o.signal);
    }
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

/**
 * Kept for destinations that the task does not have any more. A run to quite other destinations is of someone else who
 * uses this staging, and left alone.
 */
function isForNobody(folder: RunFolder, late: Late, destinations: readonly Destination[]): boolean {
  const has = (description: string): boolean => destinations.some((one) => one.description === description);
  return folder.record.destinations.some(has) && !late.destinations.some(has);
}

function assertTask(task: string): void {
  if (namePattern.test(task)) return;
  throw new HoldfastError('config_invalid', `${JSON.stringify(task)} is no name for a task`, {
    hint: 'tasks are named with small letters, digits and -, beginning and ending with a letter or digit',
  });
}
