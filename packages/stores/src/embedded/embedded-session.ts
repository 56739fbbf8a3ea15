import { type Clock, HoldfastError, type Revision, type Session, type Sig } from '@holdfast/core';
import type { DatabaseLink } from './database-calls.ts';

export interface SessionParts {
  readonly link: DatabaseLink;
  readonly clock: Clock;
  /** The session's entries have gone, at this revision. */
  readonly ended: (session: EmbeddedSession, revision: Revision | undefined) => void;
}

/** Signs of life in one time to live: two may fail. */
const beatsPerTtl = 3;

/** The signal of what has to be done even though, or because, everything else has been stopped. */
const never = new AbortController().signal;

/**
 * The owner's side of a session; `session-observer.ts` has the other side, and why both are safe together. A signal
 * that is late, since this process was stopped or busy, harms no more than its own process: what it then still puts
 * under the session is refused by the store.
 */
export class EmbeddedSession implements Session {
  readonly id = crypto.randomUUID();
  readonly ttlMs: number;
  readonly signal: AbortSignal;
  readonly #parts: SessionParts;
  readonly #over = new AbortController();
  readonly #closed = new AbortController();
  #running: Promise<unknown> = Promise.resolve();
  #deadlineMs: number;

  private constructor(ttlMs: number, parts: SessionParts) {
    this.ttlMs = ttlMs;
    this.signal = this.#over.signal;
    this.#parts = parts;
    this.#deadlineMs = parts.clock.elapsed() + ttlMs;
  }

  static async open(parts: SessionParts, o: Sig & { readonly ttlMs: number }): Promise<EmbeddedSession> {
    const session = new EmbeddedSession(o.ttlMs, parts);
    await parts.link.call('openSession', [session.id, session.ttlMs], o);
    session.#running = Promise.all([session.#keepAlive(), session.#expire(), session.#endOnceOver()]);
    return session;
  }

  /** @throws HoldfastError lease_lost. Also when the timer that should have said so is late. */
  demandAlive(): void {
    if (this.#parts.clock.elapsed() >= this.#deadlineMs) this.#loseToTime();
    if (this.signal.aborted) throw HoldfastError.from(this.signal.reason);
  }

  lose(why: string): void {
    this.#over.abort(new HoldfastError('lease_lost', `session ${this.id} ${why}`));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.lose('was disposed');
    this.#closed.abort();
    await this.#running;
  }

  async #keepAlive(): Promise<void> {
    const { clock, link } = this.#parts;
    const { signal } = this;
    for (;;) {
      await clock.sleep(this.ttlMs / beatsPerTtl, signal).catch(() => undefined);
      if (signal.aborted) return;
      const startMs = clock.elapsed();
      // A beat that fails is one of those that may: the next one is tried, or time is up.
      const isThere = await link.call('beat', [this.id], { signal }).catch(() => undefined);
      if (isThere === false) this.lose('was ended by another process, which saw no sign of life');
      if (isThere) this.#deadlineMs = startMs + this.ttlMs;
    }
  }

  async #expire(): Promise<void> {
    const { clock } = this.#parts;
    while (!this.signal.aborted) {
      const leftMs = this.#deadlineMs - clock.elapsed();
      if (leftMs <= 0) this.#loseToTime();
      else await clock.sleep(leftMs, this.signal).catch(() => undefined);
    }
  }

  #loseToTime(): void {
    this.lose(`could not be kept alive for ${this.ttlMs} ms`);
  }

  /** The owner knows first, and then says so: nobody has to wait for what is over. */
  async #endOnceOver(): Promise<void> {
    const { clock, link, ended } = this.#parts;
    if (!this.signal.aborted) {
      await new Promise((resolve) => this.signal.addEventListener('abort', resolve, { once: true }));
    }
    for (;;) {
      const isLast = this.#closed.signal.aborted;
      try {
        ended(this, await link.call('endSession', [this.id], { signal: never }));
        return;
      } catch {
        // If it cannot be said, the others find out when the time to live has passed.
        if (isLast) break;
        await clock.sleep(this.ttlMs / beatsPerTtl, this.#closed.signal).catch(() => undefined);
      }
    }
    ended(this, undefined);
  }
}
