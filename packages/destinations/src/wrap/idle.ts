import { type Clock, HoldfastError } from '@holdfast/core';

/** How long an attempt that was told to stop may take to do so. */
const stopMaxMs = 30_000;

/** Ends an attempt in which nothing moves: a server that accepts and never answers is not noticed otherwise. */
export class Idle {
  /** Aborts with the caller's signal, or when nothing has moved for too long. */
  readonly signal: AbortSignal;
  readonly #clock: Clock;
  readonly #idleMaxMs: number;
  readonly #expired = new AbortController();
  readonly #ended = new AbortController();
  #movedMs: number;
  #held = 0;
  #leftBehind = false;

  constructor(clock: Clock, idleMaxMs: number, signal: AbortSignal) {
    this.#clock = clock;
    this.#idleMaxMs = idleMaxMs;
    this.#movedMs = clock.elapsed();
    this.signal = AbortSignal.any([signal, this.#expired.signal]);
    void this.#guard();
  }

  /** Something moved. */
  touch(): void {
    this.#movedMs = this.#clock.elapsed();
  }

  /** The attempt did not stop when it was told to: it may still do something. */
  get leftBehind(): boolean {
    return this.#leftBehind;
  }

  /** Until disposed, the wait is for the caller: it does not count. */
  hold(): Disposable {
    this.#held += 1;
    return {
      [Symbol.dispose]: () => {
        this.#held -= 1;
        this.touch();
      },
    };
  }

  end(): void {
    this.#ended.abort();
  }

  /** The outcome of an attempt. One that does not even stop when told to is left behind, and not tried again. */
  async settled<T>(attempt: Promise<T>): Promise<T> {
    return Promise.race([attempt, this.#abandoned()]);
  }

  /** Items as they come; the wait for each counts, what the reader does between two does not. */
  async *watch<T>(items: AsyncIterable<T>): AsyncGenerator<T> {
    const iterator = items[Symbol.asyncIterator]();
    let ended = false;
    try {
      for (;;) {
        this.touch();
        const step = await this.settled(Promise.resolve(iterator.next()));
        if (step.done) {
          ended = true;
          return;
        }
        yield step.value;
      }
    } finally {
      if (!ended) void iterator.return?.()?.catch(() => undefined);
    }
  }

  async #guard(): Promise<void> {
    try {
      for (;;) {
        if (this.#held > 0) this.touch();
        const leftMs = this.#movedMs + this.#idleMaxMs - this.#clock.elapsed();
        if (leftMs <= 0) break;
        await this.#clock.sleep(leftMs, this.#ended.signal);
      }
      this.#expired.abort(
        new HoldfastError('timeout', `nothing moved for ${Math.round(this.#idleMaxMs / 1000)} seconds`, {
          hint: 'see whether the destination and the network to it answer',
        }),
      );
    } catch {
      // The attempt has ended.
    }
  }

  #abandoned(): Promise<never> {
    return new Promise((_, reject) => {
      const give = async (): Promise<void> => {
        try {
          await this.#clock.sleep(stopMaxMs, this.#ended.signal);
        } catch {
          return;
        }
        this.#leftBehind = true;
        // `internal` is not tried again: the attempt that hangs could still store something.
        reject(
          new HoldfastError('internal', `the destination did not stop within ${stopMaxMs / 1000} seconds`, {
            cause: this.signal.reason,
            hint: 'it hangs in the operating system or a library; the process may have to be ended',
          }),
        );
      };
      if (this.signal.aborted) void give();
      else this.signal.addEventListener('abort', () => void give(), { once: true });
    });
  }
}
