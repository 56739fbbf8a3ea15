import { createHash } from 'node:crypto';
import { join } from 'node:path';
import {
  type Destination,
  HoldfastError,
  type Observer,
  type SegmentEntry,
  type Sig,
  throwIfAborted,
} from '@holdfast/core';
import { fileBody } from './durable-file.ts';
import { stagingError, untilAborted } from './errors.ts';
import type { Journal } from './journal.ts';

export interface PushOptions extends Sig {
  readonly destination: Destination;
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

  add(segment: SegmentEntry): void {
    this.#waiting.push(segment);
    this.#startWorkers();
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
  }

  /** Whether exactly this manifest is there: then the segments were stored before it. */
  async hasThisManifest(name: string, manifest: Uint8Array, o: Sig): Promise<boolean> {
    const key = this.#o.keyPrefix + name;
    if (!(await this.#o.destination.stat(key, o))) return false;
    const sha256 = createHash('sha256').update(manifest).digest('hex');
    return this.#holds(key, { bytes: manifest.length, sha256 }, o);
  }

  /** Whether a manifest of that name is there. */
  async hasManifest(name: string, o: Sig): Promise<boolean> {
    return (await this.#o.destination.stat(this.#o.keyPrefix + name, o)) !== undefined;
  }

  fail(error: HoldfastError): void {
    if (this.#failure) return;
    this.#failure = error;
    this.#waiting.length = 0;
    this.#o.onFailure(error);
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
    const { destination, journal, observer, resumed, signal } = this.#o;
    const key = this.#o.keyPrefix + segment.name;
    if (!(resumed && (await this.#isStored(key, segment)))) {
      // Known before it is sent, or a crash would leave an object that nobody knows of.
      await journal.note(this.description, key, segment, 'sending');
      const { bytes: sizeBytes, sha256 } = segment;
      try {
        await destination.write(key, this.#bodyOf(segment), { signal, ifAbsent: true, sizeBytes, sha256 });
      } catch (error) {
        if (HoldfastError.from(error).code !== 'conflict') throw error;
        await this.#onConflict(key, segment);
      }
    }
    await journal.note(this.description, key, segment, 'stored');
    observer({ kind: 'step', step: 'segment-stored', detail: this.#detail(key) });
  }

  /** @throws HoldfastError conflict when something else has this key */
  async #isStored(key: string, segment: SegmentEntry): Promise<boolean> {
    const info = await this.#o.destination.stat(key, this.#o);
    if (!info) return false;
    if (info.bytes === segment.bytes && (await this.#holds(key, segment, this.#o))) return true;
    return this.#foreign(key, segment);
  }

  async #onConflict(key: string, segment: SegmentEntry): Promise<void> {
    if (this.#o.resumed && (await this.#isStored(key, segment))) return;
    await this.#foreign(key, segment);
  }

  async #foreign(key: string, segment: SegmentEntry): Promise<never> {
    await this.#o.journal.note(this.description, key, segment, 'foreign');
    throw new HoldfastError(
      'conflict',
      `${key} is already there in ${this.description}, and is not this run's`,
      {
        hint: 'two runs used one chain and number; nothing was overwritten: run again',
      },
    );
  }

  async #holds(key: string, expected: { bytes: number; sha256: string }, o: Sig): Promise<boolean> {
    const hash = createHash('sha256');
    let bytes = 0;
    for await (const block of this.#o.destination.read(key, { signal: o.signal })) {
      bytes += block.length;
      if (bytes > expected.bytes) return false;
      hash.update(block);
    }
    return bytes === expected.bytes && hash.digest('hex') === expected.sha256;
  }

  #bodyOf(segment: SegmentEntry): AsyncIterable<Uint8Array> {
    const { directory, root } = this.#o;
    const path = join(directory, segment.name);
    const body = fileBody(path);
    return {
      async *[Symbol.asyncIterator]() {
        try {
          yield* body;
        } catch (error) {
          throw await stagingError(error, { root, path, action: 'read' });
        }
      },
    };
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
