import type { Clock } from '@holdfast/core';

/** The rate is that of the last seconds: it is for telling what is left, and whether anything moves. */
const windowMs = 10_000;
const sampleEveryMs = 100;
/** Before that, a rate says more about blocks than about speed. */
const spanMsMin = 1_000;

/** Bytes per second over the last seconds. */
export class ByteRate {
  readonly #clock: Clock;
  #samples: { atMs: number; movedBytes: number }[];
  #movedBytes = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#samples = [{ atMs: clock.elapsed(), movedBytes: 0 }];
  }

  /** Something else is measured from here on. */
  restart(): void {
    this.#samples = [{ atMs: this.#clock.elapsed(), movedBytes: this.#movedBytes }];
  }

  add(bytes: number): void {
    const nowMs = this.#clock.elapsed();
    this.#movedBytes += bytes;
    const last = this.#samples.at(-1);
    // The first one is what the others are measured from.
    if (last && this.#samples.length > 1 && nowMs - last.atMs < sampleEveryMs)
      last.movedBytes = this.#movedBytes;
    else this.#samples.push({ atMs: nowMs, movedBytes: this.#movedBytes });
    this.#forget(nowMs);
  }

  /** 0 while there is too little to tell. */
  perSecond(): number {
    const nowMs = this.#clock.elapsed();
    this.#forget(nowMs);
    const [base] = this.#samples;
    if (!base || nowMs - base.atMs < spanMsMin) return 0;
    // What was moved since a base that is older than the window was moved inside it.
    const spanMs = Math.min(nowMs - base.atMs, windowMs);
    return ((this.#movedBytes - base.movedBytes) / spanMs) * 1000;
  }

  #forget(nowMs: number): void {
    while ((this.#samples[1]?.atMs ?? Number.POSITIVE_INFINITY) <= nowMs - windowMs) this.#samples.shift();
  }
}
