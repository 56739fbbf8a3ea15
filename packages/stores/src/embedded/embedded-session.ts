import type { Clock, Revision, Session, Sig } from '@holdfast/core';
import { SessionDeadline } from '../session-deadline.ts';
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
  readonly #deadline: SessionDeadline;
  readonly #closed = new AbortController();
  #running: Promise<unknown> = Promise.resolve();

  private constructor(ttlMs: number, parts: SessionParts) {
    this.ttlMs = ttlMs;
    this.#deadline = new SessionDeadline({ id: this.id, ttlMs, clock: parts.clock });
    this.signal = this.#deadline.signal;
    this.#parts = parts;
  }

  static async open(parts: SessionParts, o: Sig & { readonly ttlMs: number }): Promise<EmbeddedSession> {
    const session = new EmbeddedSession(o.ttlMs, parts);
    await parts.link.call('openSession', [session.id, session.ttlMs], o);
    session.#running = Promise.all([session.#keepAlive(), session.#deadline.pass(), session.#endOnceOver()]);
    return session;
  }

  /** @throws HoldfastError lease_lost */
  demandAlive(): void {
    this.#deadline.demandAlive();
  }

  lose(why: string): void {
    this.#deadline.lose(why);
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
      if (isThere) this.#deadline.holdsSince(startMs);
    }
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
