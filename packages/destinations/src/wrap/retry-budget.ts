export interface RetryBudgetOptions {
  readonly retriesMax?: number;
  /** All waits together, also those that pass at the same time. */
  readonly waitMaxMs?: number;
}

const defaults = { retriesMax: 1000, waitMaxMs: 3_600_000 };

/**
 * How often, and for how long in all, a run tries again at one destination. Each call has a limit of its own, but a
 * run makes thousands of calls: at a place that fails every second one, it would go on for days.
 */
export class RetryBudget {
  readonly retriesMax: number;
  readonly waitMaxMs: number;
  #retries = 0;
  #waitedMs = 0;

  constructor(options: RetryBudgetOptions = {}) {
    const { retriesMax, waitMaxMs } = { ...defaults, ...options };
    this.retriesMax = retriesMax;
    this.waitMaxMs = waitMaxMs;
  }

  get retries(): number {
    return this.#retries;
  }

  get waitedMs(): number {
    return this.#waitedMs;
  }

  /** Takes one more attempt, with the wait before it; says in words why there is none. */
  take(waitMs: number): string | undefined {
    if (this.#retries >= this.retriesMax) return `this run's ${this.retriesMax} retries there are used up`;
    if (this.#waitedMs + waitMs > this.waitMaxMs)
      return `the ${Math.round(this.waitMaxMs / 1000)} seconds that this run may wait for it are used up`;
    this.#retries += 1;
    this.#waitedMs += waitMs;
    return undefined;
  }
}
