import { createHash } from 'node:crypto';
import {
  type Destination,
  HoldfastError,
  type Observer,
  type SegmentEntry,
  type Sig,
  throwIfAborted,
  type UploadState,
} from '@holdfast/core';
import { confirmSegment, holdsExactly, type Verify } from './confirm-segment.ts';
import type { JournalState } from './journal.ts';
import type { SegmentContent } from './segment-content.ts';

export interface PushOptions extends Sig {
  readonly destination: Destination;
  /** Its place among the task's destinations. */
  readonly index: number;
  /** `<task>/<chain>/` */
  readonly keyPrefix: string;
  readonly content: SegmentContent;
  /** Durable when it resolves: what may be there because of this push, and what is. */
  readonly note: (key: string, segment: SegmentEntry, state: JournalState) => Promise<void>;
  /** It was noted as stored there before; undefined for a backup that is new. */
  readonly isNoted?: ((key: string) => boolean) | undefined;
  readonly verify: Verify;
  /** Segments on their way to this destination at once. */
  readonly pushesMax: number;
  readonly observer: Observer;
  /** Told of each segment that is there. */
  readonly onStored?: () => void;
  /** Told once, when this destination will not get the backup. */
  readonly onFailure: (error: HoldfastError) => void;
}

/** The way of one backup's segments, and then its manifest, to one destination. */
export class DestinationPush {
  readonly #o: PushOptions;
  readonly #waiting: SegmentEntry[] = [];
  readonly #working = new Set<Promise<void>>();
  /** Of segments on their way: how much the destination has taken. */
  readonly #takenBytes = new Map<string, number>();
  /** Keys and sizes of what was there when this was resumed. */
  readonly #there = new Map<string, number>();
  readonly #stored = new Set<string>();
  #noteFailed = false;
  #storedBytes = 0;
  #sentBytes = 0;
  #totalBytes = 0;
  #confirming = 0;
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

  /** What this machine was to remember of it cannot be written any more: another attempt meets the same. */
  get failedHere(): boolean {
    return this.#noteFailed;
  }

  /** Less what was there already. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  add(segment: SegmentEntry): void {
    this.#totalBytes += segment.bytes;
    this.#waiting.push(segment);
    this.tell();
    this.#startWorkers();
  }

  /**
   * Goes on with a backup of which some may be there. The manifest was written last: where it is, nothing has to be sent
   * or read again; nor is what was noted as stored, and is still listed with its size.
   */
  async resume(
    segments: readonly SegmentEntry[],
    manifest: { readonly name: string; readonly bytes: Uint8Array },
    o: Sig,
  ): Promise<void> {
    const { destination, keyPrefix, isNoted } = this.#o;
    const { writeOnly } = destination.features;
    if (!writeOnly)
      for await (const { key, bytes } of destination.list(keyPrefix, { signal: o.signal }))
        this.#there.set(key, bytes);
    const complete =
      this.#there.has(keyPrefix + manifest.name) &&
      (await this.hasThisManifest(manifest.name, manifest.bytes, o));
    for (const segment of segments) {
      const key = keyPrefix + segment.name;
      const listed = writeOnly || this.#there.get(key) === segment.bytes;
      const isThere = listed && (complete || (isNoted?.(key) && (await this.#isConfirmed(key, segment, o))));
      if (isThere) this.#countStored(segment);
      else this.add(segment);
    }
  }

  async #isConfirmed(key: string, segment: SegmentEntry, o: Sig): Promise<boolean> {
    try {
      await this.#confirm(key, segment, { ...o, found: true });
      return true;
    } catch (error) {
      if (HoldfastError.from(error).code === 'corrupt') return false;
      throw error;
    }
  }

  /** It is there, and was compared. */
  hasStored(segment: string): boolean {
    return this.#stored.has(segment);
  }

  #countStored({ bytes, name }: SegmentEntry): void {
    this.#totalBytes += bytes;
    this.#storedBytes += bytes;
    this.#stored.add(name);
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

  /**
   * Every segment is there with its size: asked of the destination once more, in one listing, because a manifest is about
   * to say so, and what was confirmed hours ago may have been removed by something else.
   */
  async verify(segments: readonly SegmentEntry[], o: Sig): Promise<void> {
    const { destination, keyPrefix } = this.#o;
    if (destination.features.writeOnly) return;
    const there = new Map<string, number>();
    if (segments.length > 0)
      for await (const { key, bytes } of destination.list(keyPrefix, { signal: o.signal }))
        there.set(key, bytes);
    for (const segment of segments) {
      const key = keyPrefix + segment.name;
      // A listing may lag behind what was written.
      const bytes = there.get(key) ?? (await destination.stat(key, { signal: o.signal }))?.bytes;
      if (bytes === segment.bytes) continue;
      const what =
        bytes === undefined ? 'is not there' : `has ${bytes} bytes there instead of ${segment.bytes}`;
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
      const sizeBytes = manifest.length;
      await destination.write(key, body, { signal: o.signal, ifAbsent: true, sizeBytes, sha256, hot: true });
      written = true;
    } catch (error) {
      if (HoldfastError.from(error).code !== 'conflict') throw error;
    }
    observer({ kind: 'step', step: 'manifest-stored', detail: this.#detail(key) });
    if (!(await this.#confirms(key, { bytes: manifest.length, sha256 }, written, o))) {
      if (!written) {
        throw new HoldfastError(
          'conflict',
          `another backup is already stored as ${key} in ${this.description}`,
          {
            hint: 'two runs used one chain and number; nothing was overwritten: run again',
          },
        );
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
    return holdsExactly(this.#o.destination, key, { bytes: manifest.length, sha256 }, o);
  }

  /** With credentials that cannot read, what the place said of the write has to do. */
  async #confirms(
    key: string,
    manifest: { readonly bytes: number; readonly sha256: string },
    written: boolean,
    o: Sig,
  ): Promise<boolean> {
    const { destination } = this.#o;
    return destination.features.writeOnly ? written : holdsExactly(destination, key, manifest, o);
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

  /** @param last of a run on this destination; undefined: as it stands */
  tell(last?: 'stored' | 'behind' | 'failed'): void {
    if (this.#failure && !last) return;
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
      state: last ?? this.#state,
      ...(error && { error }),
    });
  }

  get #state(): UploadState {
    const busy = this.#working.size;
    if (busy > 0) return this.#confirming === busy ? 'confirming' : 'uploading';
    return this.#waiting.length > 0 || this.#storedBytes > 0 ? 'uploading' : 'pending';
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
    const { observer } = this.#o;
    const key = this.#o.keyPrefix + segment.name;
    try {
      // Known before it is sent, or a crash would leave an object that nobody knows of.
      await this.#note(key, segment, 'sending');
      await this.#note(key, segment, await this.#send(key, segment));
      this.#storedBytes += segment.bytes;
      this.#stored.add(segment.name);
      this.#o.onStored?.();
    } finally {
      this.#takenBytes.delete(segment.name);
    }
    this.tell();
    observer({ kind: 'step', step: 'segment-stored', detail: this.#detail(key) });
  }

  /**
   * What it is to this run then. The same bytes that were there already, and were not begun by an earlier attempt of this
   * run, may be another's: good enough, but not to be deleted when this run fails.
   */
  async #send(key: string, segment: SegmentEntry): Promise<'stored' | 'foreign'> {
    const { destination, signal, isNoted } = this.#o;
    const found = isNoted ? 'stored' : 'foreign';
    const { bytes: sizeBytes, sha256 } = segment;
    if (this.#there.has(key)) {
      await this.#expectSame(key, segment);
      return found;
    }
    try {
      await destination.write(key, this.#watched(segment), {
        signal,
        ifAbsent: true,
        sizeBytes,
        sha256,
        checked: this.#o.content.checked,
        resumable: true,
      });
    } catch (error) {
      if (HoldfastError.from(error).code !== 'conflict') throw error;
      // Of an attempt whose answer was lost, or of whoever brings this backup here as well.
      await this.#expectSame(key, segment);
      return found;
    }
    this.#sentBytes += sizeBytes;
    await this.#confirm(key, segment, { signal });
    return 'stored';
  }

  async #confirm(key: string, segment: SegmentEntry, o: Sig & { readonly found?: boolean }): Promise<void> {
    const { destination, content, verify } = this.#o;
    this.#confirming += 1;
    try {
      if (this.#confirming === this.#working.size) this.tell();
      await confirmSegment({ ...o, destination, key, segment, content, verify });
    } finally {
      this.#confirming -= 1;
    }
  }

  async #note(key: string, segment: SegmentEntry, state: JournalState): Promise<void> {
    try {
      await this.#o.note(key, segment, state);
    } catch (error) {
      this.#noteFailed = true;
      throw error;
    }
  }

  /** @throws HoldfastError conflict when something else has this key */
  async #expectSame(key: string, segment: SegmentEntry): Promise<void> {
    const { destination, signal } = this.#o;
    const taken = (bytes: number): void => this.#take(segment, bytes);
    const info = await destination.stat(key, { signal });
    if (info?.bytes === segment.bytes && (await holdsExactly(destination, key, segment, { signal, taken })))
      return;
    await this.#note(key, segment, 'foreign');
    throw new HoldfastError(
      'conflict',
      `${key} is already there in ${this.description}, and is not this run's`,
      {
        hint: 'two runs used one chain and number; nothing was overwritten: run again',
      },
    );
  }

  #watched(segment: SegmentEntry): AsyncIterable<Uint8Array> {
    const body = this.#o.content.body(segment);
    const take = (bytes: number): void => this.#take(segment, bytes);
    return {
      async *[Symbol.asyncIterator]() {
        let bytes = 0;
        for await (const block of body) {
          yield block;
          // Whoever asks for the next one has taken this one.
          bytes += block.length;
          take(bytes);
        }
      },
    };
  }

  #take(segment: SegmentEntry, bytes: number): void {
    this.#takenBytes.set(segment.name, bytes);
    this.tell();
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
