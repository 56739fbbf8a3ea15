import { abortError, type Revision } from '@holdfast/core';

interface Waiter {
  readonly after: Revision;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** How far the store is known to be, and who waits for it to get further. */
export class News {
  #revision: Revision = 0;
  readonly #waiters = new Set<Waiter>();

  reached(revision: Revision): void {
    this.#revision = Math.max(this.#revision, revision);
    for (const waiter of this.#waiters) if (waiter.after < this.#revision) waiter.resolve();
  }

  /** Nobody can tell how far the store is: whoever waits is told that. */
  failed(error: unknown): void {
    for (const waiter of this.#waiters) waiter.reject(error);
  }

  /** Until the store has a higher revision. */
  async after(revision: Revision, signal: AbortSignal): Promise<void> {
    if (this.#revision > revision) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter: Waiter = { after: revision, resolve, reject };
    const stop = (): void => reject(abortError(signal));
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    this.#waiters.add(waiter);
    try {
      await promise;
    } finally {
      this.#waiters.delete(waiter);
      signal.removeEventListener('abort', stop);
    }
  }
}
