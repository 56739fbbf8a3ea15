import { HoldfastError, type Session } from '@holdfast/core';
import type { FaultyLine } from './faulty-line.ts';
import type { SimulatedProcess } from './simulated-process.ts';

export interface FaultySessionOptions {
  readonly id: string;
  readonly ttlMs: number;
  readonly process: SimulatedProcess;
  readonly line: FaultyLine;
  /** When its opening was asked for, by the process' clock: the store began to count later, and never earlier. */
  readonly askedAtMs: number;
  readonly over: (session: FaultySession) => void;
}

/** The owner gives up so much earlier than the store does, which makes good for clocks of different speed. */
const safety = 0.9;

/** Keeps a lease alive, and aborts when it may be over: of its whole time, counted from the last request that got through. */
export class FaultySession implements Session {
  readonly id: string;
  readonly ttlMs: number;
  readonly signal: AbortSignal;
  readonly #o: FaultySessionOptions;
  readonly #over = new AbortController();
  #aliveUntilMs: number;
  #callOff: () => void = () => undefined;
  #callOffEnd: () => void = () => undefined;

  constructor(o: FaultySessionOptions) {
    this.#o = o;
    this.id = o.id;
    this.ttlMs = o.ttlMs;
    this.signal = this.#over.signal;
    this.#aliveUntilMs = o.askedAtMs + safety * o.ttlMs;
    this.#endLater();
    this.#askLater();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { process, line, id } = this.#o;
    this.#lose('was disposed');
    line.ask(
      process,
      () => line.store.revoke(id),
      () => undefined,
    );
  }

  #askLater(): void {
    const { process, line, id, ttlMs } = this.#o;
    this.#callOff = process.after(ttlMs / 3, () => {
      const askedAtMs = process.elapsed();
      line.ask(
        process,
        () => line.store.keepAlive(id),
        (answer) => {
          if (this.signal.aborted) return;
          if (answer()) this.#aliveUntilMs = Math.max(this.#aliveUntilMs, askedAtMs + safety * ttlMs);
          else this.#lose('is not known to the store');
        },
      );
      this.#askLater();
    });
  }

  #endLater(): void {
    const { process, ttlMs } = this.#o;
    const leftMs = this.#aliveUntilMs - process.elapsed();
    if (leftMs <= 0) this.#lose(`was not kept alive for ${ttlMs} ms`);
    else this.#callOffEnd = process.after(leftMs, () => this.#endLater());
  }

  #lose(why: string): void {
    if (this.signal.aborted) return;
    this.#callOff();
    this.#callOffEnd();
    this.#over.abort(new HoldfastError('lease_lost', `session ${this.id} ${why}`));
    this.#o.over(this);
  }
}
