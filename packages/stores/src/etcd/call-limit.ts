import type { Clock } from '@holdfast/core';

export interface CallLimitOptions {
  readonly clock: Clock;
  /** Any of them ends the call. */
  readonly signals: readonly AbortSignal[];
  /** No limit, unless given. */
  readonly maxMs?: number | undefined;
}

/** What ends one call: its time, or a signal. Disposed when the call is over, it leaves nothing behind. */
export class CallLimit implements Disposable {
  readonly #clock: Clock;
  readonly #signals: readonly AbortSignal[];
  readonly #end = new AbortController();
  readonly #disposed = new AbortController();
  #timer = new AbortController();
  #graceMs = 0;
  #isLate = false;

  constructor({ clock, signals, maxMs }: CallLimitOptions) {
    this.#clock = clock;
    this.#signals = signals;
    this.restart(maxMs);
    for (const signal of signals) {
      if (signal.aborted) this.#stop();
      // An abort can come after the call's own end: such a listener would stay for as long as the signal lives.
      signal.addEventListener('abort', () => this.#stop(), { once: true, signal: this.#disposed.signal });
    }
  }

  /** For the call itself. */
  get signal(): AbortSignal {
    return this.#end.signal;
  }

  /** Whether it was time that ended it, or will have been: a grace counts as time. */
  get isLate(): boolean {
    return this.#isLate;
  }

  /** The time begins anew. From now on an abort leaves the call so much time to end by itself. */
  restart(maxMs: number | undefined, graceMs = 0): void {
    this.#graceMs = graceMs;
    this.#timer.abort();
    this.#timer = new AbortController();
    if (maxMs !== undefined) this.#endAfter(maxMs, this.#timer.signal);
  }

  /** What the promise does, unless the call ends before. */
  async within<T>(promise: Promise<T>): Promise<T> {
    const { promise: ended, reject } = Promise.withResolvers<never>();
    const stop = (): void => reject(this.signal.reason);
    if (this.signal.aborted) stop();
    this.signal.addEventListener('abort', stop, { once: true });
    try {
      return await Promise.race([promise, ended]);
    } finally {
      this.signal.removeEventListener('abort', stop);
    }
  }

  [Symbol.dispose](): void {
    this.#timer.abort();
    this.#disposed.abort();
  }

  #stop(): void {
    if (this.#graceMs > 0) this.#endAfter(this.#graceMs, this.#disposed.signal);
    else this.#end.abort(this.#signals.find(({ aborted }) => aborted)?.reason);
  }

  #endAfter(ms: number, unless: AbortSignal): void {
    this.#clock
      .sleep(ms, unless)
      .then(turnOfEvents)
      .then(
        () => {
          if (unless.aborted) return;
          this.#isLate = !this.#end.signal.aborted;
          this.#end.abort();
        },
        () => {
          // In time.
        },
      );
  }
}

/** What has arrived while this process was too busy to look is not late. */
function turnOfEvents(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
