import { abortError, type Clock, HoldfastError, type Sig, throwIfAborted } from '@holdfast/core';
import type { FtpSession } from './session.ts';

export interface PoolOptions {
  /** Transfers at once; one more session is there for short calls, which would otherwise wait for a whole transfer. */
  readonly parallel: number;
  readonly open: (o: Sig) => Promise<FtpSession>;
  readonly clock: Clock;
}

/** A session that nobody else uses until this is disposed of. */
export interface Lease extends Disposable {
  readonly session: FtpSession;
}

/** `transfer` may take as long as a large object does; `short` is over after a few answers. */
export type LeaseKind = 'transfer' | 'short';

interface Waiter {
  readonly kind: LeaseKind;
  readonly go: () => void;
}

/** Servers end sessions that are silent for some minutes, firewalls forget them: they are asked before they are used. */
const trustedMs = 5_000;

/** A few sessions, opened when they are wanted and kept for the next call. */
export class SessionPool {
  readonly #o: PoolOptions;
  readonly #idle: { readonly session: FtpSession; readonly sinceMs: number }[] = [];
  readonly #waiting: Waiter[] = [];
  readonly #used: Record<LeaseKind, number> = { transfer: 0, short: 0 };
  #max: number;
  #ended = false;

  constructor(options: PoolOptions) {
    this.#o = options;
    this.#max = options.parallel + 1;
  }

  /** A step on a session of its own; the signal stops it. */
  async use<T>(kind: LeaseKind, signal: AbortSignal, act: (session: FtpSession) => Promise<T>): Promise<T> {
    using lease = await this.lease(kind, signal);
    try {
      const result = await act(lease.session);
      return result;
    } catch (error) {
      throwIfAborted(signal);
      throw error;
    }
  }

  async lease(kind: LeaseKind, signal: AbortSignal): Promise<Lease> {
    for (;;) {
      await this.#turn(kind, signal);
      try {
        const session = await this.#find(signal);
        const stop = (): void => session.stop();
        signal.addEventListener('abort', stop, { once: true });
        return {
          session,
          [Symbol.dispose]: () => {
            signal.removeEventListener('abort', stop);
            this.#release(kind, session);
          },
        };
      } catch (error) {
        this.#release(kind);
        throwIfAborted(signal);
        if (!this.#shrink(error)) throw error;
      }
    }
  }

  [Symbol.dispose](): void {
    this.#ended = true;
    for (const { session } of this.#idle.splice(0)) session.close();
  }

  /** Resolves when there may be one session more in use. */
  async #turn(kind: LeaseKind, signal: AbortSignal): Promise<void> {
    throwIfAborted(signal);
    if (this.#ended) throw new HoldfastError('precondition_failed', 'the destination is closed');
    if (this.#waiting.length === 0 && this.#hasRoom(kind)) {
      this.#used[kind] += 1;
      return;
    }
    const turn = Promise.withResolvers<void>();
    const waiter = { kind, go: turn.resolve };
    const give = (): void => {
      const at = this.#waiting.indexOf(waiter);
      if (at < 0) return;
      this.#waiting.splice(at, 1);
      turn.reject(abortError(signal));
      this.#wake();
    };
    this.#waiting.push(waiter);
    this.#wake();
    signal.addEventListener('abort', give, { once: true });
    try {
      await turn.promise;
    } finally {
      signal.removeEventListener('abort', give);
    }
  }

  #hasRoom(kind: LeaseKind): boolean {
    const { transfer, short } = this.#used;
    if (transfer + short >= this.#max) return false;
    return kind === 'short' || transfer < Math.max(1, Math.min(this.#o.parallel, this.#max - 1));
  }

  /** Whoever has waited longest goes first; a short call passes transfers that wait for one another. */
  #wake(): void {
    for (const waiter of [...this.#waiting]) {
      if (!this.#hasRoom(waiter.kind)) continue;
      this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
      this.#used[waiter.kind] += 1;
      waiter.go();
    }
  }

  #release(kind: LeaseKind, session?: FtpSession): void {
    this.#used[kind] -= 1;
    if (session && !session.closed) {
      if (this.#ended || session.isWorn) session.close();
      else this.#idle.push({ session, sinceMs: this.#o.clock.elapsed() });
    }
    this.#wake();
  }

  async #find(signal: AbortSignal): Promise<FtpSession> {
    for (let idle = this.#idle.pop(); idle; idle = this.#idle.pop()) {
      const { session, sinceMs } = idle;
      if (session.closed) continue;
      if (this.#o.clock.elapsed() - sinceMs < trustedMs || (await isAlive(session, signal))) return session;
      session.close();
    }
    return this.#o.open({ signal });
  }

  /** A server that takes no more sessions is used with those that there are. */
  #shrink(error: unknown): boolean {
    const { transfer, short } = this.#used;
    const others = transfer + short + this.#idle.length;
    if (!(error instanceof HoldfastError) || error.code !== 'exhausted' || others === 0) return false;
    this.#max = Math.min(this.#max, others);
    return true;
  }
}

async function isAlive(session: FtpSession, signal: AbortSignal): Promise<boolean> {
  const stop = (): void => session.close();
  signal.addEventListener('abort', stop, { once: true });
  try {
    const answer = session.ask('NOOP');
    session.hurry();
    return (await answer).code < 400;
  } catch {
    return false;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
