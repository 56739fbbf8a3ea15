import { abortError, type Clock, type Sig, throwIfAborted } from '@holdfast/core';
import { assertRatePlan, type RatePlan, rateAt } from './rate-plan.ts';

/** What may go at once after a pause, as time. */
const burstMs = 250;
/** However fast: larger pieces would be worse to share, smaller ones cost more than they bring. */
const pieceBytesMax = 1_048_576;
/** The rate is looked up anew at least so often: by the schedule it changes at any minute. */
const waitMaxMs = 5000;

/**
 * A token bucket that many bodies share: all of a destination, or all of a node. They take turns, piece by piece, in
 * the order in which they come. It never lets more through on average than its rate; after a pause, a quarter of a
 * second's worth goes at once.
 */
export class RateLimit {
  readonly #clock: Clock;
  #plan: RatePlan;
  #rate: number | undefined;
  #rateOfSecond: number | undefined;
  /** Below zero it is owed: nobody goes on before it is paid back. */
  #tokens: number;
  #filledMs: number;
  #changed = new AbortController();
  #turn: Promise<void> = Promise.resolve();

  /** @throws HoldfastError config_invalid for a plan that makes no sense */
  constructor(plan: RatePlan, clock: Clock) {
    assertRatePlan(plan);
    this.#clock = clock;
    this.#plan = plan;
    this.#filledMs = clock.elapsed();
    this.#rate = rateAt(plan, clock.now());
    this.#tokens = burstOf(this.#rate);
  }

  get plan(): RatePlan {
    return this.#plan;
  }

  /** What holds now; undefined is no limit. */
  get bytesPerSecond(): number | undefined {
    this.#fill();
    return this.#rate;
  }

  /** So much is taken at once at most, so that others have their turns. */
  get pieceBytes(): number {
    const rate = this.bytesPerSecond;
    return rate === undefined
      ? pieceBytesMax
      : Math.max(1, Math.min(pieceBytesMax, Math.floor(burstOf(rate))));
  }

  /** Another plan from now on, also for those who wait. @throws HoldfastError config_invalid */
  change(plan: RatePlan): void {
    assertRatePlan(plan);
    this.#fill();
    this.#plan = plan;
    this.#rateOfSecond = undefined;
    this.#fill();
    this.#changed.abort();
    this.#changed = new AbortController();
  }

  /** Resolves when so many bytes may go. */
  async take(bytes: number, { signal }: Sig): Promise<void> {
    throwIfAborted(signal);
    const before = this.#turn;
    const done = Promise.withResolvers<void>();
    // Whoever comes next waits for us, and for those before us if we give up.
    this.#turn = before.then(() => done.promise);
    try {
      await orAborted(before, signal);
      await this.#untilPaid(signal);
      if (this.#rate !== undefined) this.#tokens -= bytes;
    } finally {
      done.resolve();
    }
  }

  /** They did not go after all. What has been waited for them is lost: it would come as a flood. */
  giveBack(bytes: number): void {
    this.#fill();
    this.#tokens = Math.min(this.#tokens + bytes, burstOf(this.#rate));
    this.#changed.abort();
    this.#changed = new AbortController();
  }

  async #untilPaid(signal: AbortSignal): Promise<void> {
    for (;;) {
      this.#fill();
      if (this.#rate === undefined || this.#tokens > 0) return;
      const ms = Math.ceil((1 - this.#tokens) / (this.#rate / 1000));
      const changed = this.#changed.signal;
      await this.#clock
        .sleep(Math.min(waitMaxMs, Math.max(1, ms)), AbortSignal.any([signal, changed]))
        .catch((error: unknown) => {
          if (!signal.aborted && !changed.aborted) throw error;
        });
      throwIfAborted(signal);
    }
  }

  /** Adds what the time since the last call has brought, at the rate that held then. */
  #fill(): void {
    const nowMs = this.#clock.elapsed();
    if (this.#rate !== undefined) {
      const came = ((nowMs - this.#filledMs) * this.#rate) / 1000;
      this.#tokens = Math.min(burstOf(this.#rate), this.#tokens + came);
    }
    this.#filledMs = nowMs;
    const second = Math.floor(this.#clock.now() / 1000);
    if (second === this.#rateOfSecond) return;
    this.#rateOfSecond = second;
    const rate = rateAt(this.#plan, this.#clock.now());
    if (rate === this.#rate) return;
    // What went without a limit is not owed, and what a faster one allowed at once is not had.
    this.#tokens = this.#rate === undefined ? burstOf(rate) : Math.min(this.#tokens, burstOf(rate));
    this.#rate = rate;
  }
}

function burstOf(rate: number | undefined): number {
  return rate === undefined ? 0 : Math.max(1, (rate * burstMs) / 1000);
}

async function orAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  const aborted = Promise.withResolvers<never>();
  const stop = (): void => aborted.reject(abortError(signal));
  signal.addEventListener('abort', stop, { once: true });
  try {
    await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
