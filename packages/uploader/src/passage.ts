import { type HoldfastError, type SegmentEntry, type Sig, throwIfAborted } from '@holdfast/core';

/** A destination's part in it. */
export interface Taker {
  readonly failure: HoldfastError | undefined;
  hasStored(segment: string): boolean;
}

export interface PassageOptions {
  /** How much may lie in staging before reading waits. */
  readonly bytesMax: number;
  readonly remove: (segment: SegmentEntry) => Promise<void>;
}

/**
 * Staging as a passage, for a disk that is smaller than a backup: a segment's file goes as soon as every destination that
 * takes part holds it, and reading waits while too much lies here. The slowest destination sets the pace, one that was
 * away has to catch up from another one, and so does a run that is interrupted before it is sealed: it begins anew.
 */
export class Passage {
  readonly #o: PassageOptions;
  readonly #lying = new Set<SegmentEntry>();
  #lyingBytes = 0;
  #changed = Promise.withResolvers<void>();

  constructor(options: PassageOptions) {
    this.#o = options;
  }

  add(segment: SegmentEntry): void {
    this.#lying.add(segment);
    this.#lyingBytes += segment.bytes;
  }

  /** A destination has stored something, or has failed: what need not lie here any more goes. */
  async look(takers: readonly Taker[]): Promise<void> {
    const left = takers.filter(({ failure }) => !failure);
    if (left.length === 0) return;
    for (const segment of [...this.#lying]) {
      if (!left.every((taker) => taker.hasStored(segment.name))) continue;
      this.#lying.delete(segment);
      await this.#o.remove(segment);
      this.#lyingBytes -= segment.bytes;
      this.#changed.resolve();
      this.#changed = Promise.withResolvers<void>();
    }
  }

  /** Waits until less lies here than may. */
  async room(o: Sig): Promise<void> {
    while (this.#lyingBytes >= this.#o.bytesMax) {
      const stop = Promise.withResolvers<void>();
      const wake = (): void => stop.resolve();
      o.signal.addEventListener('abort', wake, { once: true });
      await Promise.race([this.#changed.promise, stop.promise]);
      o.signal.removeEventListener('abort', wake);
      throwIfAborted(o.signal);
    }
  }
}
