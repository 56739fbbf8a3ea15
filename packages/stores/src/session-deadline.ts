import { type Clock, HoldfastError } from '@holdfast/core';

const ttlMinMs = 100;

/** @throws HoldfastError config_invalid */
export function checkTtl(ttlMs: number): void {
  if (Number.isSafeInteger(ttlMs) && ttlMs >= ttlMinMs) return;
  throw new HoldfastError('config_invalid', `a session's time to live is ${ttlMs} ms`, {
    hint: `a whole number of at least ${ttlMinMs}`,
  });
}

/**
 * The owner's own idea of how long its session holds: `ttlMs` since it sent the last sign of life that counts, by its own
 * monotonic clock, whatever others believe. Its signal aborts once, with `lease_lost`.
 */
export class SessionDeadline {
  readonly signal: AbortSignal;
  readonly #id: string;
  readonly #ttlMs: number;
  readonly #clock: Clock;
  readonly #over = new AbortController();
  #deadlineMs: number;

  constructor({ id, ttlMs, clock }: { readonly id: string; readonly ttlMs: number; readonly clock: Clock }) {
    this.#id = id;
    this.#ttlMs = ttlMs;
    this.#clock = clock;
    this.signal = this.#over.signal;
    this.#deadlineMs = clock.elapsed() + ttlMs;
  }

  /** A sign of life counts that was sent then. */
  holdsSince(sentMs: number): void {
    this.#deadlineMs = Math.max(this.#deadlineMs, sentMs + this.#ttlMs);
  }

  /** @throws HoldfastError lease_lost. Also when the timer that should have said so is late. */
  demandAlive(): void {
    if (this.#clock.elapsed() >= this.#deadlineMs) this.#loseToTime();
    if (this.signal.aborted) throw HoldfastError.from(this.signal.reason);
  }

  lose(why: string): void {
    this.#over.abort(new HoldfastError('lease_lost', `session ${this.#id} ${why}`));
  }

  /** Resolves when it is over, which it is at its deadline, if not before. */
  async pass(): Promise<void> {
    while (!this.signal.aborted) {
      const leftMs = this.#deadlineMs - this.#clock.elapsed();
      if (leftMs <= 0) this.#loseToTime();
      else await this.#clock.sleep(leftMs, this.signal).catch(() => undefined);
    }
  }

  #loseToTime(): void {
    this.lose(`could not be kept alive for ${this.#ttlMs} ms`);
  }
}
