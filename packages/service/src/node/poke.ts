import type { Clock, Sig } from '@holdfast/core';

/** Wakes one sleeper before its time. A poke that comes while nobody sleeps ends the next sleep at once. */
export class Poke {
  #poked = new AbortController();

  now(): void {
    this.#poked.abort();
  }

  async sleep(clock: Clock, ms: number, o: Sig): Promise<void> {
    const { signal } = this.#poked;
    await clock.sleep(ms, AbortSignal.any([signal, o.signal])).catch(() => undefined);
    if (signal.aborted) this.#poked = new AbortController();
  }
}
