import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type AbsentDestination,
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
import type { Verify } from './confirm-segment.ts';
import { DestinationPush } from './destination-push.ts';
import { settledOrAborted, stagingError, untilAborted } from './errors.ts';
import { Journal } from './journal.ts';
import { collectLitter } from './litter.ts';
import { Passage } from './passage.ts';
import { journalFile, type RunFolder, type Seal } from './run-folder.ts';
import { StagedSegments } from './segment-content.ts';

/** `all`, or how many destinations must hold a backup for it to count. */
export type RequiredCopies = 'all' | number;

/** One way for all destinations, or each its own. */
export type VerifyOf = Verify | ((destination: Destination) => Verify);

export function verifyOf(verify: VerifyOf, destination: Destination): Verify {
  return typeof verify === 'function' ? verify(destination) : verify;
}

/**
 * What becomes of destinations that do not hold a backup yet when enough others do: a run waits for them, or leaves them
 * to whoever brings them up to date.
 */
export type LateDestinations = 'wait' | 'leave';

export interface StageOptions extends Sig {
  readonly root: string;
  readonly folder: RunFolder;
  /** That take part. */
  readonly destinations: readonly Destination[];
  /** That the backup is for, and that cannot take part now. */
  readonly absent: readonly AbsentDestination[];
  /** All that the task has now: by their order uploads are told. */
  readonly among: readonly Destination[];
  readonly clock: Clock;
  readonly observer: Observer;
  /** How many of `destinations` and `absent` must hold the backup for it to count. */
  readonly required: number;
  readonly late: LateDestinations;
  readonly verify: VerifyOf;
  /** A backup need not fit into staging: see `Passage`. Undefined: it is staged whole. */
  readonly passageBytes: number | undefined;
  readonly pushesMax: number;
  readonly cleanupMaxMs: number;
  readonly reserve: (bytes: number, o: Sig) => Promise<void>;
  /** Of a run that was interrupted after it was sealed. */
  readonly resumed?: Sealed;
}

/** One run: its folder in staging, and its way to the destinations. */
export class RunStage implements Stage {
  readonly directory: string;
  readonly signal: AbortSignal;
  readonly #o: StageOptions;
  readonly #journal: Journal;
  readonly #failed = new AbortController();
  /** Ends what is still on its way when enough destinations hold the backup. */
  readonly #leaving = new AbortController();
  readonly #content: StagedSegments;
  readonly #passage: Passage | undefined;
  readonly #pushes: readonly DestinationPush[];
  readonly #segments: SegmentEntry[] = [];
  #sealed: Sealed | undefined;
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
    this.#content = new StagedSegments(options.root, ({ name }) => join(this.directory, name));
    const { passageBytes: bytesMax } = options;
    const remove = ({ name }: SegmentEntry): Promise<void> => rm(join(this.directory, name), { force: true });
    this.#passage = bytesMax === undefined ? undefined : new Passage({ bytesMax, remove });
    this.#pushes = options.destinations.map((destination) => this.#pushTo(destination, `${task}/${chain}/`));
  }

  #pushTo(destination: Destination, keyPrefix: string): DestinationPush {
    const { root, among, pushesMax, verify, observer, resumed } = this.#o;
    const { description } = destination;
    const path = join(this.directory, journalFile);
    return new DestinationPush({
      destination,
      index: among.indexOf(destination),
      keyPrefix,
      content: this.#content,
      note: (key, segment, state) =>
        telling(root, path, 'write', () => this.#journal.note(description, key, segment, state)),
      ...(resumed && { isNoted: (key: string) => this.#journal.isStored(description, key) }),
      verify: verifyOf(verify, destination),
      pushesMax,
      signal: AbortSignal.any([this.signal, this.#leaving.signal]),
      observer,
      onFailure: (error) => this.#onFailure(error),
      onStored: () => this.#letThrough(),
    });
  }

  static async open(options: StageOptions): Promise<RunStage> {
    const path = join(options.folder.path, journalFile);
    const journal = await telling(options.root, path, 'open', () => Journal.read(path));
    const stage = new RunStage(options, journal);
    // Who watches the run knows from its beginning where it goes; one that was interrupted may not go on at all.
    if (!options.resumed) for (const push of stage.#pushes) push.tell();
    return stage;
  }

  get survives(): boolean {
    return this.#survives;
  }

  get outcomes(): readonly DestinationOutcome[] {
    const outcome = (destination: string, stored: boolean, failure?: HoldfastError): DestinationOutcome => ({
      destination,
      stored: this.#committed && stored,
      ...(this.#committed && !stored && { behind: true }),
      ...(failure && { error: failure.toRecord() }),
    });
    return [
      ...this.#pushes.map(({ description, holdsBackup, failure }) => {
        // That the run did not wait for it is no error of it.
        const cut = failure !== undefined && failure === this.#leaving.signal.reason;
        return outcome(description, holdsBackup, cut ? undefined : failure);
      }),
      ...this.#o.absent.map(({ destination, error }) => outcome(destination.description, false, error)),
    ];
  }

  async reserve(bytes: number, o: Sig): Promise<void> {
    throwIfAborted(this.signal);
    const { passageBytes = Number.POSITIVE_INFINITY } = this.#o;
    await this.#o.reserve(Math.min(bytes, passageBytes), o);
  }

  async room(o: Sig): Promise<void> {
    await this.#passage?.room({ signal: AbortSignal.any([o.signal, this.signal]) });
  }

  push(segment: SegmentEntry): void {
    if (this.#sealed)
      throw new HoldfastError('internal', `${segment.name} is pushed after the run was sealed`);
    this.#segments.push(segment);
    this.#passage?.add(segment);
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
      await this.#commitAt(sealed, { signal });
    } catch (error) {
      this.#failure = HoldfastError.from(error);
      // What is still on its way to other destinations ends here.
      this.#failed.abort(this.#failure);
      throw this.#failure;
    }
  }

  /**
   * Each destination on its own: its segments, its look at them, its manifest. But no manifest is written before as many
   * as are required are ready for it: what cannot become a backup shall not look like one anywhere.
   */
  async #commitAt({ seal, manifest }: Sealed, o: Sig): Promise<void> {
    const required = this.#o.required;
    if (this.#pushes.length < required)
      throw this.#o.absent[0]?.error ?? new HoldfastError('internal', 'no destination takes part');
    const ready = countdown(required);
    const holding = countdown(required);
    const bring = async (push: DestinationPush): Promise<void> => {
      if (push.failure) return;
      try {
        if (this.#o.resumed) await push.resume(seal.segments, { name: seal.manifest, bytes: manifest }, o);
        await untilAborted(push.drained(), o.signal);
        await push.verify(seal.segments, o);
        ready.count();
        await untilAborted(ready.reached, o.signal);
        // From here on a backup may exist somewhere: a failure no longer means that nothing was stored.
        this.#manifestsBegun = true;
        await push.storeManifest(seal.manifest, manifest, o);
        holding.count();
      } catch (error) {
        push.fail(HoldfastError.from(error));
      }
    };
    const all = Promise.all(this.#pushes.map(bring));
    await untilAborted(holding.reached, o.signal);
    this.#committed = true;
    await this.#keepForLate();
    if (this.#o.late === 'wait') await untilAborted(all, o.signal).catch(() => undefined);
    // Nothing more is sent, and no manifest written, once it is said who is behind.
    this.#leaving.abort(
      new HoldfastError('cancelled', 'enough destinations hold the backup; this one catches up later'),
    );
    await untilAborted(all, o.signal).catch(() => undefined);
    for (const push of this.#pushes) if (!push.holdsBackup) push.tell('behind');
    for (const { destination, error } of this.outcomes) {
      if (!error) continue;
      const text = `${destination} does not have the backup yet: [${error.code}] ${error.message}`;
      this.#o.observer({ kind: 'notice', text });
    }
  }

  /** Those that the backup is for, and that do not hold it. */
  get #late(): readonly string[] {
    return [
      ...this.#pushes.filter(({ holdsBackup }) => !holdsBackup).map(({ description }) => description),
      ...this.#o.absent.map(({ destination }) => destination.description),
    ];
  }

  /** Before anyone hears of the commit: a crash after it shall not forget who lacks the backup. */
  async #keepForLate(): Promise<void> {
    const { root, folder, clock } = this.#o;
    await telling(root, folder.path, 'write', () =>
      this.#late.length === 0 ? folder.keepForNobody() : folder.keepFor(this.#late, clock.now()),
    );
  }

  /**
   * After a commit: removes the folder, unless it is kept for destinations that are behind. Without one: removes what this run stored, unless it is sealed and either its
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
      this.#survives = this.#committed || (await this.#staysForRecovery(deadline));
      if (this.#committed && this.#late.length === 0) await folder.remove();
      else if (this.#committed) {
        await this.#keepForLate();
        // Until here whoever took this run up after a crash would have committed it once more, and told the source.
        await folder.breakSeal();
      } else if (!this.#survives) {
        await collectLitter({ ...this.#o, journal: this.#journal, signal: deadline.signal });
      }
    } catch (error) {
      // Nobody knows how far this came: a seal that is still there will be found, and its changes wanted then.
      this.#survives ||= this.#sealed !== undefined;
      const { reason } = HoldfastError.from(await this.#translated(error));
      this.#o.observer({ kind: 'notice', text: `${this.directory} stays until the next run: ${reason}` });
    } finally {
      stop.abort();
      await this.#content[Symbol.asyncDispose]();
      await this.#journal[Symbol.asyncDispose]();
      folder.release();
    }
  }

  async #staysForRecovery(o: Sig): Promise<boolean> {
    if (!this.#sealed) return false;
    const brokenHere = this.#content.failed || this.#pushes.some(({ failedHere }) => failedHere);
    if (this.#failure && passes(this.#failure) && !brokenHere) {
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

  /** What cannot be removed now goes with the run's folder. */
  #letThrough(): void {
    this.#passage?.look(this.#pushes).catch(() => undefined);
  }

  #onFailure(error: HoldfastError): void {
    this.#letThrough();
    const left = this.#pushes.filter(({ failure }) => !failure).length;
    if (!this.#committed && left < this.#o.required) this.#failed.abort(error);
  }

  async #translated(error: unknown): Promise<unknown> {
    return stagingError(error, { root: this.#o.root, path: this.directory, action: 'clean up' });
  }
}

interface Sealed {
  readonly seal: Seal;
  readonly manifest: Uint8Array;
}

/** Resolves when something has happened so many times. */
function countdown(times: number): { readonly reached: Promise<void>; readonly count: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  let left = times;
  const count = (): void => {
    left -= 1;
    if (left === 0) resolve();
  };
  return { reached: promise, count };
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
