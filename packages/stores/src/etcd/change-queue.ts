import { abortError, type Change } from '@holdfast/core';

export interface ChangeQueueLimits {
  readonly changesMax: number;
  readonly bytesMax: number;
}

/** Changes that have come and that nobody has asked for yet: so many, and no more. */
export class ChangeQueue {
  readonly #limits: ChangeQueueLimits;
  #changes: { readonly change: Change; readonly bytes: number }[] = [];
  #bytes = 0;
  #failure: { readonly error: unknown } | undefined;
  #wake: () => void = () => {};

  constructor(limits: ChangeQueueLimits) {
    this.#limits = limits;
  }

  /** Whoever puts something in all the same should do so for no more than one transaction. */
  get isFull(): boolean {
    return this.#changes.length >= this.#limits.changesMax || this.#bytes >= this.#limits.bytesMax;
  }

  put(change: Change): void {
    const bytes = sizeOf(change);
    this.#changes.push({ change, bytes });
    this.#bytes += bytes;
    this.#wake();
  }

  /** Nothing more comes: who has taken everything is told why. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#wake();
  }

  /** The next change; rejects with the signal's reason at once, however many there are. */
  async take(signal: AbortSignal): Promise<Change> {
    for (;;) {
      if (signal.aborted) throw abortError(signal);
      const next = this.#changes.shift();
      if (next) {
        this.#bytes -= next.bytes;
        this.#wake();
        return next.change;
      }
      if (this.#failure) throw this.#failure.error;
      await this.#changed(signal);
    }
  }

  /** Until everything was taken. */
  async drained(signal: AbortSignal): Promise<void> {
    while (this.#changes.length > 0 && !signal.aborted) await this.#changed(signal);
  }

  /** Either side waits for the other, never both: one of them has something to do. */
  #changed(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        signal.removeEventListener('abort', wake);
        resolve();
      };
      this.#wake = wake;
      signal.addEventListener('abort', wake, { once: true });
    });
  }
}

function sizeOf({ puts, deletes }: Change): number {
  const keys = deletes.reduce((sum, key) => sum + key.length, 0);
  return puts.reduce((sum, { key, value }) => sum + key.length + value.length, keys);
}
