import { createHash } from 'node:crypto';
import { join } from 'node:path';
import {
  type Clock,
  type Destination,
  type DestinationOutcome,
  HoldfastError,
  type Manifest,
  manifestName,
  type Observer,
  type SegmentEntry,
  type Sig,
  type Stage,
  throwIfAborted,
} from '@holdfast/core';
import { DestinationPush, settledOrAborted } from './destination-push.ts';
import { stagingError, untilAborted } from './errors.ts';
import { Journal } from './journal.ts';
import { collectLitter } from './litter.ts';
import { journalFile, type RunFolder, type Seal } from './run-folder.ts';

/** `all`, or how many destinations must hold a backup for it to count. */
export type RequiredCopies = 'all' | number;

export interface StageOptions extends Sig {
  readonly root: string;
  readonly folder: RunFolder;
  readonly destinations: readonly Destination[];
  /** All that the task has now: by their order uploads are told. */
  readonly among: readonly Destination[];
  readonly clock: Clock;
  readonly observer: Observer;
  readonly require: RequiredCopies;
  readonly pushesMax: number;
  readonly cleanupMaxMs: number;
  readonly reserve: (bytes: number, o: Sig) => Promise<void>;
  /** Of a run that was interrupted after it was sealed. */
  readonly resumed?: { readonly seal: Seal; readonly manifest: Uint8Array };
}

/** One run: its folder in staging, and its way to the destinations. */
export class RunStage implements Stage {
  readonly directory: string;
  readonly signal: AbortSignal;
  readonly #o: StageOptions;
  readonly #journal: Journal;
  readonly #failed = new AbortController();
  readonly #pushes: readonly DestinationPush[];
  readonly #segments: SegmentEntry[] = [];
  #sealed: { readonly seal: Seal; readonly manifest: Uint8Array } | undefined;
  #manifestsBegun = false;
  #committed = false;
  #failure: HoldfastError | undefined;
  #survives = false;
  #disposed = false;

  private constructor(options: StageOptions, journal: Journal) {
    this.#o = options;
    this.#journal = journal;
    this.directory = options.folder.path;
    this.signal = AbortSignal.any([options.signal, this.#failed.signal]);
    this.#sealed = options.resumed;
    const { task, chain } = options.folder.record.run;
    this.#pushes = options.destinations.map(
      (destination) =>
        new DestinationPush({
          destination,
          index: options.among.indexOf(destination),
          keyPrefix: `${task}/${chain}/`,
          directory: this.directory,
          root: options.root,
          journal,
          resumed: options.resumed !== undefined,
          pushesMax: options.pushesMax,
          signal: this.signal,
          observer: options.observer,
          onFailure: (error) => this.#onFailure(error),
        }),
    );
  }

  static async open(options: StageOptions): Promise<RunStage> {
    const path = join(options.folder.path, journalFile);
    const journal = await telling(options.root, path, 'open', () => Journal.read(path));
    const stage = new RunStage(options, journal);
    // Who watches the run knows from its beginning where it goes; one that was interrupted may not go on at all.
    if (!options.resumed) for (const push of stage.#pushes) push.tell('sending');
    return stage;
  }

  get survives(): boolean {
    return this.#survives;
  }

  get outcomes(): readonly DestinationOutcome[] {
    return this.#pushes.map(({ description: destination, failure }) => ({
      destination,
      stored: this.#committed && !failure,
      ...(failure && { error: failure.toRecord() }),
    }));
  }

  async reserve(bytes: number, o: Sig): Promise<void> {
    throwIfAborted(this.signal);
    await this.#o.reserve(bytes, o);
  }

  push(segment: SegmentEntry): void {
    if (this.#sealed)
      throw new HoldfastError('internal', `${segment.name} is pushed after the run was sealed`);
    this.#segments.push(segment);
    for (const push of this.#pushes) push.add(segment);
  }

  async seal(name: string, manifest: Uint8Array, o: Sig): Promise<void> {
    throwIfAborted(o.signal);
    throwIfAborted(this.signal);
    const { run } = this.#o.folder.record;
    if (name !== manifestName(run.sequence, run.scope)) {
      throw new HoldfastError('internal', `${name} is not the manifest of run ${run.chain}/${run.sequence}`);
    }
    assertNamesAll(manifest, this.#segments);
    const sha256 = createHash('sha256').update(manifest).digest('hex');
    const seal: Seal = { manifest: name, sha256, segments: [...this.#segments] };
    await telling(this.#o.root, join(this.directory, name), 'write', () =>
      this.#o.folder.seal(seal, manifest),
    );
    this.#sealed = { seal, manifest };
  }

  async commit(o: Sig): Promise<void> {
    const sealed = this.#sealed;
    if (!sealed) throw new HoldfastError('internal', 'a run is committed before it was sealed');
    if (this.#committed) return;
    const signal = AbortSignal.any([o.signal, this.signal]);
    try {
      this.#o.folder.hold();
      const { seal, manifest } = sealed;
      await this.#forEach(async (push) => {
        // The manifest was written last: where it is, nothing has to be sent or read again.
        const complete = this.#o.resumed && (await push.hasThisManifest(seal.manifest, manifest, { signal }));
        if (complete) push.countStored(seal.segments);
        else if (this.#o.resumed) for (const segment of seal.segments) push.add(segment);
        await untilAborted(push.drained(), signal);
        await push.verify(seal.segments, { signal });
      });
      throwIfAborted(signal);
      // From here on a backup may exist at some destination: a failure no longer means that nothing was stored.
      this.#manifestsBegun = true;
      await this.#forEach((push) => push.storeManifest(seal.manifest, manifest, { signal }));
      this.#committed = true;
    } catch (error) {
      this.#failure = HoldfastError.from(error);
      // What is still on its way to other destinations ends here.
      this.#failed.abort(this.#failure);
      throw this.#failure;
    }
  }

  /**
   * After a commit: removes the folder. Without one: removes what this run stored, unless it is sealed and either its
   * commit failed for a reason that passes, or the manifest is already at a destination, where the backup exists then:
   * such a run stays as it is, and is finished by the next one.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#failed.abort(this.#failure ?? new HoldfastError('cancelled', 'the run has ended'));
    const stop = new AbortController();
    const deadline = new AbortController();
    const { clock, cleanupMaxMs, folder } = this.#o;
    clock.sleep(cleanupMaxMs, stop.signal).then(
      () =>
        deadline.abort(
          new HoldfastError('timeout', `cleaning up took longer than ${cleanupMaxMs / 1000} seconds`),
        ),
      () => undefined,
    );
    try {
      await settledOrAborted(this.#pushes, deadline);
      folder.hold();
      const complete = this.#committed && this.#pushes.every(({ failure }) => !failure);
      this.#survives = this.#committed || (await this.#staysForRecovery(deadline));
      if (complete) await folder.remove();
      else if (this.#committed || !this.#survives) {
        await collectLitter({ ...this.#o, journal: this.#journal, signal: deadline.signal });
      }
    } catch (error) {
      // Nobody knows how far this came: a seal that is still there will be found, and its changes wanted then.
      this.#survives ||= this.#sealed !== undefined;
      const { reason } = HoldfastError.from(await this.#translated(error));
      this.#o.observer({ kind: 'notice', text: `${this.directory} stays until the next run: ${reason}` });
    } finally {
      stop.abort();
      await this.#journal[Symbol.asyncDispose]();
      folder.release();
    }
  }

  async #staysForRecovery(o: Sig): Promise<boolean> {
    if (!this.#sealed) return false;
    if (this.#failure && passes(this.#failure) && !this.#pushes.some(({ failedHere }) => failedHere)) {
      const held = this.#pushes
        .filter(({ holdsBackup }) => holdsBackup)
        .map(({ description }) => description);
      const where = held.length === 0 ? '' : `, and at ${held.join(', ')} already`;
      this.#o.observer({
        kind: 'notice',
        text: `the backup is whole in staging (${this.directory})${where}; the next run of the task finishes it`,
      });
      return true;
    }
    if (!this.#manifestsBegun) return false;
    const { seal, manifest } = this.#sealed;
    for (const push of this.#pushes) {
      // Who cannot answer may have it. Another manifest under this name is not this run's: to wait for it would be for ever.
      const there = await push.hasThisManifest(seal.manifest, manifest, o).catch(() => true);
      if (!there) continue;
      this.#o.observer({
        kind: 'notice',
        text: `the backup is, or may be, at ${push.description} already; the next run finishes it at the other destinations`,
      });
      return true;
    }
    return false;
  }

  /** Runs a step for every destination that has not failed; rejects when fewer than required got through. */
  async #forEach(step: (push: DestinationPush) => Promise<void>): Promise<void> {
    await Promise.all(
      this.#pushes
        .filter(({ failure }) => !failure)
        .map((push) => step(push).catch((error: unknown) => push.fail(HoldfastError.from(error)))),
    );
    if (this.#failed.signal.aborted) throw this.#failed.signal.reason;
    for (const { failure, description } of this.#pushes) {
      if (!failure) continue;
      this.#o.observer({
        kind: 'notice',
        text: `${description} does not have the backup: ${failure.message}`,
      });
    }
  }

  #onFailure(error: HoldfastError): void {
    const left = this.#pushes.filter(({ failure }) => !failure).length;
    const { require } = this.#o;
    const all = this.#pushes.length;
    // An interrupted run may have gone to fewer destinations than the task asks for now.
    if (left < (require === 'all' ? all : Math.min(require, all))) this.#failed.abort(error);
  }

  async #translated(error: unknown): Promise<unknown> {
    return stagingError(error, { root: this.#o.root, path: this.directory, action: 'clean up' });
  }
}

/** Whether the same may well succeed later. */
function passes(failure: HoldfastError): boolean {
  return failure.retryable || failure.code === 'cancelled';
}

/** A manifest must name exactly what was pushed: its existence says that all of it is stored. */
function assertNamesAll(manifest: Uint8Array, pushed: readonly SegmentEntry[]): void {
  const line = ({ name, bytes, sha256 }: SegmentEntry): string => `${name} ${bytes} ${sha256}`;
  let named: string[];
  try {
    named = (JSON.parse(Buffer.from(manifest).toString('utf8')) as Manifest).segments.map(line);
  } catch (error) {
    throw new HoldfastError('internal', 'the manifest cannot be read', { cause: error });
  }
  const known = new Set(pushed.map(line));
  const unknown = named.find((segment) => !known.has(segment));
  if (unknown === undefined && named.length === known.size) return;
  throw new HoldfastError(
    'internal',
    `the manifest names ${named.length} segments, ${known.size} were pushed${unknown ? `; not among them: ${unknown}` : ''}`,
  );
}

async function telling<T>(root: string, path: string, action: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    throw await stagingError(error, { root, path, action });
  }
}
