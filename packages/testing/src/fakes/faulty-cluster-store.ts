import {
  abortError,
  type Change,
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
import type { FaultyLine } from './faulty-line.ts';
import { FaultySession } from './faulty-session.ts';
import { FaultyWatch } from './faulty-watch.ts';
import type { SimulatedProcess } from './simulated-process.ts';

export interface FaultyClusterStoreOptions {
  readonly process: SimulatedProcess;
  readonly line: FaultyLine;
  /** A call that is not answered for so long is `unavailable`, whether it has happened or not. */
  readonly callMaxMs?: number;
}

/**
 * One process' handle on a simulated store, over a line that delays, loses, doubles and cuts. Without faults it keeps
 * every promise of a store, in no time; with them it keeps those that a real store keeps.
 */
export class FaultyClusterStore implements ClusterStore {
  readonly description = 'simulated';
  /** How often each verb was called. */
  readonly calls = { get: 0, list: 0, transact: 0, watch: 0, openSession: 0 };
  readonly #o: Required<FaultyClusterStoreOptions>;
  readonly #closed = new AbortController();
  readonly #sessions = new Set<FaultySession>();

  constructor(options: FaultyClusterStoreOptions) {
    this.#o = { callMaxMs: 5000, ...options };
  }

  async get(key: string, o: Sig): Promise<Entry | undefined> {
    this.calls.get += 1;
    return this.#call(() => this.#table.get(key), o);
  }

  async list(
    prefix: string,
    o: Sig & ListLimits,
  ): Promise<{ entries: readonly Entry[]; revision: Revision }> {
    this.calls.list += 1;
    return this.#call(() => ({ entries: this.#table.list(prefix, o), revision: this.#table.revision }), o);
  }

  async transact(transaction: Transaction, o: Sig): Promise<Revision> {
    this.calls.transact += 1;
    checkLimits(transaction);
    const ended = transaction.puts?.find(({ session }) => session?.signal.aborted)?.session;
    if (ended) throw HoldfastError.from(ended.signal.reason);
    return this.#call(() => this.#table.transact(transaction), o);
  }

  async *watch(prefix: string, o: Sig & { readonly since: Revision }): AsyncGenerator<Change> {
    this.calls.watch += 1;
    const { process, line } = this.#o;
    const signal = AbortSignal.any([o.signal, this.#closed.signal]);
    throwIfAborted(signal);
    using watch = new FaultyWatch({ process, line, prefix, since: o.since });
    for (;;) yield await watch.next(signal);
  }

  async openSession(o: Sig & { readonly ttlMs: number }): Promise<Session> {
    this.calls.openSession += 1;
    const { process, line } = this.#o;
    const askedAtMs = process.elapsed();
    const id = await this.#call(() => line.store.grant(o.ttlMs), o);
    const over = (session: FaultySession): unknown => this.#sessions.delete(session);
    const session = new FaultySession({ id, ttlMs: o.ttlMs, process, line, askedAtMs, over });
    // The answer may have taken longer than the session lasts.
    if (!session.signal.aborted) this.#sessions.add(session);
    return session;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort(new HoldfastError('cancelled', 'the store was closed'));
    for (const session of [...this.#sessions]) await session[Symbol.asyncDispose]();
  }

  get #table(): FaultyLine['store']['table'] {
    return this.#o.line.store.table;
  }

  #call<T>(execute: () => T, { signal }: Sig): Promise<T> {
    throwIfAborted(signal);
    throwIfAborted(this.#closed.signal);
    const { process, line, callMaxMs } = this.#o;
    return new Promise((resolve, reject) => {
      const end = (settle: () => void): void => {
        giveUp();
        signal.removeEventListener('abort', stop);
        settle();
      };
      // What is on its way by then arrives all the same: nobody can call it back.
      const stop = (): void => end(() => reject(abortError(signal)));
      const giveUp = process.after(callMaxMs, () =>
        end(() => reject(new HoldfastError('unavailable', `the store did not answer for ${callMaxMs} ms`))),
      );
      signal.addEventListener('abort', stop, { once: true });
      line.ask(process, execute, (answer) =>
        end(() => {
          try {
            resolve(answer());
          } catch (error) {
            reject(error);
          }
        }),
      );
    });
  }
}
