import { abortError, type Sig, throwIfAborted } from '@holdfast/core';

/** One at a time, in the order in which they came. */
export class JournalTurns {
  #last: Promise<void> = Promise.resolve();
  #taken = 0;

  /** Nobody has the turn, and nobody waits for it. */
  get isFree(): boolean {
    return this.#taken === 0;
  }

  /** Who gives up waiting passes the turn on when it comes. */
  async take<T>(act: () => Promise<T>, o: Sig): Promise<T> {
    throwIfAborted(o.signal);
    const before = this.#last;
    const mine = Promise.withResolvers<void>();
    this.#last = mine.promise;
    this.#taken += 1;
    try {
      await untilOrAborted(before, o.signal);
      return await act();
    } finally {
      this.#taken -= 1;
      before.then(mine.resolve);
    }
  }
}

function untilOrAborted(turn: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(abortError(signal));
    signal.addEventListener('abort', stop, { once: true });
    turn.then(() => {
      signal.removeEventListener('abort', stop);
      resolve();
    });
  });
}
