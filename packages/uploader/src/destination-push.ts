import { createHash } from 'node:crypto';
import { join } from 'node:path';
import {
  type Destination,
  HoldfastError,
  type Observer,
  type SegmentEntry,
  type Sig,
  throwIfAborted,
  type UploadEvent,
} from '@holdfast/core';
import { fileBody } from './durable-file.ts';
import { stagingError, untilAborted } from './errors.ts';
import type { Journal, JournalState } from './journal.ts';
import { journalFile } from './run-folder.ts';

export interface PushOptions extends Sig {
  readonly destination: Destination;
  /** Its place among the task's destinations. */
  readonly index: number;
  /** `<task>/<chain>/` */
  readonly keyPrefix: string;
  /** Of the run, with the segments. */
  readonly directory: string;
  readonly root: string;
  readonly journal: Journal;
  /** The run was interrupted: what is there already may be its own. */
  readonly resumed: boolean;
  /** Segments on their way to this destination at once. */
  readonly pushesMax: number;
  readonly observer: Observer;
  /** Told once, when this destination will not get the backup. */
  readonly onFailure: (error: HoldfastError) => void;
}

/** The way of one run's segments, and then its manifest, to one destination. */
export class DestinationPush {
  readonly #o: PushOptions;
  readonly #waiting: SegmentEntry[] = [];
  readonly #working = new Set<Promise<void>>();
  /** Of segments on their way: how much the destination has taken. */
  readonly #takenBytes = new Map<string, number>();
  readonly #unreadable = new Set<string>();
  #journalFailed = false;
  #storedBytes = 0;
  #totalBytes = 0;
  #holdsManifest = false;
  #failure: HoldfastError | undefined;

  constructor(options: PushOptions) {
    this.#o = options;
  }

  get description(): string {
    return this.#o.destination.description;
  }

  get failure(): HoldfastError | undefined {
    return this.#failure;
  }

  /** Its manifest was read back there: the backup exists. */
  get holdsBackup(): boolean {
    return this.#holdsManifest;
  }

  /** What this machine was to keep for it cannot be read or written any more: another attempt meets the same. */
  get failedHere(): boolean {
    return this.#journalFailed || this.#unreadable.size > 0;
  }

  add(segment: SegmentEntry): void {
    this.#totalBytes += segment.bytes;
    this.tell('sending');
    this.#waiting.push(segment);
    this.#startWorkers();
  }

  /** They are known to be there. */
  countStored(segments: readonly SegmentEntry[]): void {
    for (const { bytes } of segments) {
      this.#totalBytes += bytes;
      this.#storedBytes += bytes;
    }
  }

  /** All segments given so far are stored there. @throws what the first that failed met */
  async drained(): Promise<void> {
    await this.settled();
    if (this.#failure) throw this.#failure;
  }

  /** Nothing is on its way any more. Never rejects. */
  async settled(): Promise<void> {
    while (this.#working.size > 0) await Promise.all(this.#working);
  }

  /** Every segment is there, whole: asked of the destination, because a manifest is about to say so. */
  async verify(segments: readonly SegmentEntry[], o: Sig): Promise<void> {
    for (const segment of segments) {
      const key = this.#o.keyPrefix + segment.name;
      const info = await this.#o.destination.stat(key, o);
      if (info?.bytes === segment.bytes) continue;
      const what = info ? `has ${info.bytes} bytes there instead of ${segment.bytes}` : 'is not there';
      throw new HoldfastError('corrupt', `${this.description} did not keep ${key}: it ${what}`, {
        hint: 'see whether something else deletes or changes files there; make the backup again',
      });
    }
  }

  /** Writes the manifest unless it is there, reads it back, and compares. */
  async storeManifest(name: string, manifest: Uint8Array, o: Sig): Promise<void> {
    const { destination, observer } = this.#o;
    const key = this.#o.keyPrefix + name;
    const sha256 = createHash('sha256').update(manifest).digest('hex');
    let written = false;
    try {
      const body = oneBlock(manifest);
      await destination.write(key, body, { ...o, ifAbsent: true, sizeBytes: manifest.length, sha256 });
      written = true;
    } catch (error) {
      if (HoldfastError.from(error).code !== 'conflict') throw error;
    }
    observer({ kind: 'step', step: 'manifest-stored', detail: this.#detail(key) });
    if (!(await this.#holds(key, { bytes: manifest.length, sha256 }, o))) {
      if (!written) {
        throw new HoldfastError('conflict', `another backup is stored as ${key} in ${this.description}`, {
          hint: 'two runs used one chain and number; nothing was overwritten: run again',
        });
      }
      // A manifest that cannot be trusted must not make a backup exist.
      await destination.delete(key, o);
      throw new HoldfastError('corrupt', `${this.description} gave back another ${key} than was written`, {
        hint: 'check that destination: holdfast doctor',
      });
    }
    observer({ kind: 'step', step: 'manifest-confirmed', detail: this.#detail(key) });
    this.#holdsManifest = true;
    this.tell('stored');
  }

  /** Whether exactly this manifest is there: then the segments were stored before it. */
  async hasThisManifest(name: string, manifest: Uint8Array, o: Sig): Promise<boolean> {
    const key = this.#o.keyPrefix + name;
    if (!(await this.#o.destination.stat(key, o))) return false;
    const sha256 = createHash('sha256').update(manifest).digest('hex');
    return this.#holds(key, { bytes: manifest.length, sha256 }, o);
  }

  fail(error: HoldfastError): void {
    if (this.#failure) return;
    this.#failure = error;
    this.#waiting.length = 0;
    const { signal } = this.#o;
    // A run that was ended, for whatever reason, is no failure of this destination.
    if (!signal.aborted || (error !== signal.reason && error.code !== 'cancelled')) this.tell('failed');
    this.#o.onFailure(error);
  }

  tell(state: UploadEvent['state']): void {
    if (this.#failure && state !== 'failed') return;
    const { destination, index, observer } = this.#o;
    const error = this.#failure?.toRecord();
    let doneBytes = this.#storedBytes;
    for (const bytes of this.#takenBytes.values()) doneBytes += bytes;
    observer({
      kind: 'upload',
      destination: destination.description,
      index,
      doneBytes,
      totalBytes: this.#totalBytes,
      state,
      ...(error && { error }),
    });
  }

  #startWorkers(): void {
    while (this.#working.size < this.#o.pushesMax && this.#waiting.length > 0) {
      const work = this.#work().finally(() => {
        this.#working.delete(work);
      });
      this.#working.add(work);
    }
  }

  async #work(): Promise<void> {
    for (let next = this.#waiting.shift(); next && !this.#failure; next = this.#waiting.shift()) {
      try {
        throwIfAborted(this.#o.signal);
        await this.#push(next);
      } catch (error) {
        this.fail(HoldfastError.from(error));
      }
    }
  }

  async #push(segment: SegmentEntry): Promise<void> {
    const { destination, observer, resumed, signal } = this.#o;
    const key = this.#o.keyPrefix + segment.name;
    try {
      if (!(resumed && (await this.#isStored(key, segment)))) {
        // Known before it is sent, or a crash would leave an object that nobody knows of.
        await this.#note(key, segment, 'sending');
        const { bytes: sizeBytes, sha256 } = segment;
        try {
          await destination.write(key, this.#bodyOf(segment), { signal, ifAbsent: true, sizeBytes, sha256 });
        } catch (error) {
          if (HoldfastError.from(error).code !== 'conflict') throw error;
          await this.#onConflict(key, segment);
        }
      }
      await this.#note(key, segment, 'stored');
      this.#storedBytes += segment.bytes;
    } finally {
      this.#takenBytes.delete(segment.name);
    }
    this.tell('sending');
    observer({ kind: 'step', step: 'segment-stored', detail: this.#detail(key) });
  }

  async #note(key: string, segment: SegmentEntry, state: JournalState): Promise<void> {
    const { directory, journal, root } = this.#o;
    try {
      await journal.note(this.description, key, segment, state);
    } catch (error) {
      this.#journalFailed = true;
      throw await stagingError(error, { root, path: join(directory, journalFile), action: 'write' });
    }
  }

  /** @throws HoldfastError conflict when something else has this key */
  async #isStored(key: string, segment: SegmentEntry): Promise<boolean> {
    const info = await this.#o.destination.stat(key, this.#o);
    if (!info) return false;
    const taken = (bytes: number): void => this.#take(segment, bytes);
    if (info.bytes === segment.bytes && (await this.#holds(key, segment, { ...this.#o, taken }))) return true;
    return this.#foreign(key, segment);
  }

  async #onConflict(key: string, segment: SegmentEntry): Promise<void> {
    if (this.#o.resumed && (await this.#isStored(key, segment))) return;
    await this.#foreign(key, segment);
  }

  async #foreign(key: string, segment: SegmentEntry): Promise<never> {
    await this.#note(key, segment, 'foreign');
    throw new HoldfastError(
      'conflict',
      `${key} is already there in ${this.description}, and is not this run's`,
      {
        hint: 'two runs used one chain and number; nothing was overwritten: run again',
      },
    );
  }

  async #holds(
    key: string,
    expected: { bytes: number; sha256: string },
    o: Sig & { readonly taken?: (bytes: number) => void },
  ): Promise<boolean> {
    const hash = createHash('sha256');
    let bytes = 0;
    for await (const block of this.#o.destination.read(key, { signal: o.signal })) {
      bytes += block.length;
      if (bytes > expected.bytes) return false;
      hash.update(block);
      o.taken?.(bytes);
    }
    return bytes === expected.bytes && hash.digest('hex') === expected.sha256;
  }

  #bodyOf(segment: SegmentEntry): AsyncIterable<Uint8Array> {
    const path = join(this.#o.directory, segment.name);
    const body = fileBody(path);
    const next = (blocks: AsyncIterator<Uint8Array>): Promise<IteratorResult<Uint8Array>> =>
      this.#readNext(blocks, segment, path);
    const take = (bytes: number): void => this.#take(segment, bytes);
    return {
      async *[Symbol.asyncIterator]() {
        const blocks = body[Symbol.asyncIterator]();
        let bytes = 0;
        try {
          for (let read = await next(blocks); !read.done; read = await next(blocks)) {
            yield read.value;
            // Whoever asks for the next one has taken this one.
            bytes += read.value.length;
            take(bytes);
          }
        } finally {
          await blocks.return?.();
        }
      },
    };
  }

  /** Apart from the body, into which a stream that breaks throws the error of the other side. */
  async #readNext(
    blocks: AsyncIterator<Uint8Array>,
    segment: SegmentEntry,
    path: string,
  ): Promise<IteratorResult<Uint8Array>> {
    try {
      const read = await blocks.next();
      if (read.done) this.#unreadable.delete(segment.name);
      return read;
    } catch (error) {
      this.#unreadable.add(segment.name);
      throw await stagingError(error, { root: this.#o.root, path, action: 'read' });
    }
  }

  #take(segment: SegmentEntry, bytes: number): void {
    this.#takenBytes.set(segment.name, bytes);
    this.tell('sending');
  }

  #detail(key: string): string {
    return `${key} at ${this.description}`;
  }
}

function oneBlock(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  return {
    async *[Symbol.asyncIterator]() {
      yield bytes;
    },
  };
}

/** Waits for work that should end on the signal, but not longer than the signal allows. */
export function settledOrAborted(pushes: readonly DestinationPush[], o: Sig): Promise<unknown> {
  return untilAborted(Promise.all(pushes.map((push) => push.settled())), o.signal).catch(() => undefined);
}
