import { type Clock, type ErrorRecord, isLastWord, type UploadEvent } from '@holdfast/core';
import { ByteRate } from './run-progress-rate.ts';

/** One destination of a run. */
export interface DestinationProgress {
  /** As a person may see it. */
  readonly destination: string;
  /** Its place among the destinations that the run was given. */
  readonly index: number;
  readonly doneBytes: number;
  /** Of what is ready to be sent: it grows while the run reads. */
  readonly totalBytes: number;
  readonly bytesPerSecond: number;
  readonly state: UploadEvent['state'];
  readonly error?: ErrorRecord;
  readonly estimatedEndMs?: number;
}

/** How far one destination of a run is. */
export class UploadProgress {
  readonly #clock: Clock;
  readonly #rate: ByteRate;
  #event: UploadEvent;

  constructor(event: UploadEvent, clock: Clock) {
    this.#clock = clock;
    this.#rate = new ByteRate(clock);
    this.#event = event;
  }

  /** Whether it tells of bytes that moved, or of another state. */
  take(event: UploadEvent): boolean {
    const before = this.#event;
    this.#event = event;
    if (before.totalBytes === 0) this.#rate.restart();
    // Less than before: an attempt begins again.
    const movedBytes = Math.max(0, event.doneBytes - before.doneBytes);
    this.#rate.add(movedBytes);
    return movedBytes > 0 || event.state !== before.state;
  }

  get event(): UploadEvent {
    return this.#event;
  }

  /** How many bytes it will be in all, by what came of what was read so far. */
  expectedBytes(
    readTotalBytes: number,
    o: { readonly readDoneBytes: number; readonly ended: boolean },
  ): number {
    const { state, totalBytes } = this.#event;
    if (o.ended || state === 'stored') return totalBytes;
    const ratio = totalBytes > 0 && o.readDoneBytes > 0 ? totalBytes / o.readDoneBytes : usualRatio;
    return Math.max(totalBytes, ratio * readTotalBytes);
  }

  /** How long until so many bytes are there; undefined when nobody knows. */
  leftMs(expectedBytes: number): number | undefined {
    const leftBytes = expectedBytes - this.#event.doneBytes;
    if (leftBytes <= 0) return 0;
    const rate = this.#rate.perSecond();
    return rate > 0 ? (leftBytes / rate) * 1000 : undefined;
  }

  view(leftMs: number | undefined): DestinationProgress {
    const { destination, index, doneBytes, totalBytes, state, error } = this.#event;
    const estimated = !isLastWord(state) && totalBytes > 0 && leftMs !== undefined;
    return {
      destination,
      index,
      doneBytes,
      totalBytes,
      bytesPerSecond: Math.round(this.#rate.perSecond()),
      state,
      ...(error && { error }),
      ...(estimated && { estimatedEndMs: Math.round(this.#clock.now() + leftMs) }),
    };
  }
}

/** What text compresses to, roughly, until the run's own segments tell. */
const usualRatio = 0.35;
