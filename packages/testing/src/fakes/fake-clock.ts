import type { Clock } from '@holdfast/core';

interface Sleeper {
  readonly dueMs: number;
  readonly wake: () => void;
}

export interface FakeClockOptions {
  readonly startMs?: number;
  /** Sleeping takes no time at all: the clock jumps to the end of each sleep. For code that waits between attempts. */
  readonly jumps?: boolean;
}

/** A clock that stands still until a test moves it. */
export class FakeClock implements Clock {
  /** How long each sleep was asked to be, in order, for tests of waits. */
  readonly slept: number[] = [];
  #nowMs: number;
  #elapsedMs = 0;
  readonly #jumps: boolean;
  #sleepers: Sleeper[] = [];

  constructor(options: FakeClockOptions = {}) {
    this.#nowMs = options.startMs ?? Date.UTC(2026, 10, 20, 14);
    this.#jumps = options.jumps ?? false;
  }

  /** How many wait for time to pass. */
  get sleeping(): number {
    return this.#sleepers.length;
  }

  now(): number {
    return this.#nowMs;
  }

  elapsed(): number {
    return this.#elapsedMs;
  }

  async sleep(ms: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.slept.push(ms);
    if (this.#jumps) {
      await this.advance(ms);
      signal.throwIfAborted();
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const sleeper: Sleeper = {
        dueMs: this.#elapsedMs + Math.max(0, ms),
        wake: () => {
          signal.removeEventListener('abort', stop);
          resolve();
        },
      };
      const stop = (): void => {
        this.#sleepers = this.#sleepers.filter((other) => other !== sleeper);
        reject(signal.reason);
      };
      signal.addEventListener('abort', stop, { once: true });
      this.#sleepers.push(sleeper);
    });
  }

  /**
   * Lets time pass, waking sleepers in the order in which they are due; what they do at once (also: sleep again) is
   * done before the next one wakes.
   */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#elapsedMs + ms;
    await settle();
    for (;;) {
      const next = this.#sleepers
        .filter((sleeper) => sleeper.dueMs <= untilMs)
        .sort((a, b) => a.dueMs - b.dueMs)[0];
      if (!next) break;
      this.#sleepers = this.#sleepers.filter((other) => other !== next);
      this.#moveTo(next.dueMs);
      next.wake();
      await settle();
    }
    this.#moveTo(untilMs);
  }

  /** The wall clock alone jumps, as NTP or a person makes it. */
  jumpWall(ms: number): void {
    this.#nowMs += ms;
  }

  #moveTo(elapsedMs: number): void {
    // Sleeps that overlap in a jumping clock may have moved it further already; time never goes back.
    if (elapsedMs <= this.#elapsedMs) return;
    this.#nowMs += elapsedMs - this.#elapsedMs;
    this.#elapsedMs = elapsedMs;
  }
}

/** Everything that is ready to run has run: a turn of the event loop drains all microtasks before it. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
