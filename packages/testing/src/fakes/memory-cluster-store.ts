import {
  abortError,
  type Change,
  type Clock,
  type ClusterStore,
  type Entry,
  HoldfastError,
  type ListLimits,
  type Revision,
  type Session,
  type Sig,
  type Transaction,
  throwIfAborted,
} from '@holdfast/core';
import { checkLimits } from './check-limits.ts';
import { MemoryClusterTable, type Waiter } from './memory-cluster-table.ts';

export interface MemoryClusterStoreOptions {
  readonly clock: Clock;
  /** Handles with the same table are handles on the same store. */
  readonly table?: MemoryClusterTable;
}

/**
 * A cluster's store in memory, under the same contract as the real ones. Made for simulations of months: while all
 * is well its sessions need no timer at all; time matters only to those of a handle that is cut off.
 */
export class MemoryClusterStore implements ClusterStore {
  readonly description = 'memory';
  readonly table: MemoryClusterTable;
  readonly #clock: Clock;
  readonly #sessions = new Set<MemorySession>();
  readonly #closed = new AbortController();
  #isCutOff = false;
  #reconnected = Promise.withResolvers<void>();

  constructor({ clock, table = new MemoryClusterTable() }: MemoryClusterStoreOptions) {
    this.#clock = clock;
    this.table = table;
  }

  async get(key: string, o: Sig): Promise<Entry | undefined> {
    this.#enter(o);
    return this.table.get(key);
  }

  async list(
    prefix: string,
    o: Sig & ListLimits,
  ): Promise<{ entries: readonly Entry[]; revision: Revision }> {
    this.#enter(o);
    return { entries: this.table.list(prefix, o), revision: this.table.revision };
  }

  async transact(transaction: Transaction, o: Sig): Promise<Revision> {
    checkLimits(transaction);
    const ended = transaction.puts?.find(({ session }) => session?.signal.aborted)?.session;
    if (ended) throw HoldfastError.from(ended.signal.reason);
    this.#enter(o);
    return this.table.transact(transaction);
  }

  async *watch(prefix: string, o: Sig & { readonly since: Revision }): AsyncGenerator<Change> {
    this.#enter(o);
    const signal = AbortSignal.any([o.signal, this.#closed.signal]);
    for (let at = o.since; ; ) {
      throwIfAborted(signal);
      const next = this.table.next(prefix, at);
      if (typeof next === 'number') {
        at = await this.#wait(prefix, next, signal);
      } else {
        // Of one that is cut off nothing is lost either: it is told when it is back.
        if (this.#isCutOff) await this.#back(signal);
        yield next;
        at = next.revision;
      }
    }
  }

  async openSession(o: Sig & { readonly ttlMs: number }): Promise<Session> {
    this.#enter(o);
    const session = new MemorySession(o.ttlMs, {
      clock: this.#clock,
      table: this.table,
      reaches: () => !this.#isCutOff,
      over: () => this.#sessions.delete(session),
    });
    this.#sessions.add(session);
    return session;
  }

  /** From now on calls are `unavailable`, watches are silent, and sessions end when their time to live has passed. */
  cutOff(): void {
    if (this.#isCutOff) return;
    this.#isCutOff = true;
    for (const session of this.#sessions) session.silence();
  }

  /** The end of `cutOff`. Sessions that have not ended meanwhile go on. */
  reconnect(): void {
    this.#isCutOff = false;
    for (const session of this.#sessions) session.resume();
    this.#reconnected.resolve();
    this.#reconnected = Promise.withResolvers<void>();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort(new HoldfastError('cancelled', 'the store was closed'));
    for (const session of [...this.#sessions]) await session[Symbol.asyncDispose]();
  }

  #enter(o: Sig): void {
    throwIfAborted(o.signal);
    throwIfAborted(this.#closed.signal);
    if (this.#isCutOff) throw new HoldfastError('unavailable', 'this handle is cut off');
  }

  /** Until there is something under the prefix after a revision; the revision up to which there is nothing. */
  #wait(prefix: string, at: Revision, signal: AbortSignal): Promise<Revision> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = { prefix, at, wake: () => end(() => resolve(waiter.at)) };
      const registration = this.table.wait(waiter);
      const stop = (): void => end(() => reject(abortError(signal)));
      const end = (settle: () => void): void => {
        registration[Symbol.dispose]();
        signal.removeEventListener('abort', stop);
        settle();
      };
      signal.addEventListener('abort', stop, { once: true });
    });
  }

  async #back(signal: AbortSignal): Promise<void> {
    const aborted = Promise.withResolvers<never>();
    const stop = (): void => aborted.reject(abortError(signal));
    signal.addEventListener('abort', stop, { once: true });
    try {
      while (this.#isCutOff) await Promise.race([this.#reconnected.promise, aborted.promise]);
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }
}

interface MemorySessionOptions {
  readonly clock: Clock;
  readonly table: MemoryClusterTable;
  readonly reaches: () => boolean;
  readonly over: () => void;
}

class MemorySession implements Session {
  readonly id = crypto.randomUUID();
  readonly ttlMs: number;
  readonly signal: AbortSignal;
  readonly #over = new AbortController();
  readonly #o: MemorySessionOptions;
  /** While its handle is cut off; aborts when it is no longer. */
  #silence: AbortController | undefined;

  constructor(ttlMs: number, o: MemorySessionOptions) {
    if (!(ttlMs > 0)) throw new HoldfastError('config_invalid', `a time to live of ${ttlMs} ms`);
    this.ttlMs = ttlMs;
    this.#o = o;
    this.signal = this.#over.signal;
    o.table.openSession(this.id);
  }

  silence(): void {
    this.#silence = new AbortController();
    this.#expire(this.#silence.signal).catch(() => {
      // Back in time.
    });
  }

  resume(): void {
    this.#silence?.abort();
    if (this.signal.aborted) this.#end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#lose('was disposed');
    // Of one that is cut off the others do not hear: they wait for its time to pass.
    if (this.#o.reaches()) this.#end();
  }

  /** The owner hears of it first; the others a while later, as with any real store. */
  async #expire(resumed: AbortSignal): Promise<void> {
    await this.#o.clock.sleep(this.ttlMs, resumed);
    this.#lose(`was not kept alive for ${this.ttlMs} ms`);
    await this.#o.clock.sleep(this.ttlMs / 10, resumed);
    this.#end();
  }

  #lose(why: string): void {
    this.#over.abort(new HoldfastError('lease_lost', `session ${this.id} ${why}`));
  }

  #end(): void {
    this.#o.table.endSession(this.id);
    this.#o.over();
  }
}
