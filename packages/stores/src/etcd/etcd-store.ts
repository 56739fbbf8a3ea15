import {
  type Change,
  type Clock,
  type ClusterStore,
  type Entry,
  HoldfastError,
  type Revision,
  type Session,
  type Sig,
  type Transaction,
  throwIfAborted,
} from '@holdfast/core';
import { checkTransaction } from '../check-transaction.ts';
import type { EtcdCalls } from './etcd-calls.ts';
import { EtcdSession, leaseOf } from './etcd-session.ts';
import { type KeySpace, revisionOf } from './key-space.ts';
import { type ListOptions, listEntries } from './list-entries.ts';
import { txnRequest } from './txn-request.ts';
import { watchChanges } from './watch-changes.ts';

export interface EtcdStoreParts {
  readonly calls: EtcdCalls;
  readonly keys: KeySpace;
  readonly clock: Clock;
  readonly description: string;
}

/** The port over etcd. */
export class EtcdStore implements ClusterStore {
  readonly description: string;
  readonly #parts: EtcdStoreParts;
  readonly #sessions = new Map<string, EtcdSession>();
  readonly #closing = new AbortController();
  #disposed: Promise<void> | undefined;

  constructor(parts: EtcdStoreParts) {
    this.description = parts.description;
    this.#parts = parts;
  }

  async get(key: string, o: Sig): Promise<Entry | undefined> {
    this.#enter(o);
    const { calls, keys } = this.#parts;
    const request = { key: keys.key(key) };
    const { kvs } = await calls.repeatable({
      what: 'read from etcd',
      signal: o.signal,
      run: ({ kv }, terms) => kv.range(request, terms),
    });
    return kvs[0] && keys.entryOf(kvs[0]);
  }

  async list(prefix: string, o: ListOptions): ReturnType<ClusterStore['list']> {
    this.#enter(o);
    return listEntries(this.#parts, prefix, o);
  }

  async transact(transaction: Transaction, o: Sig): Promise<Revision> {
    checkTransaction(transaction);
    for (const { session } of transaction.puts ?? []) {
      if (session?.signal.aborted) throw HoldfastError.from(session.signal.reason);
      if (session) this.#sessions.get(session.id)?.demandAlive();
    }
    this.#enter(o);
    const { calls, keys } = this.#parts;
    const request = txnRequest(transaction, keys, leaseOf);
    const { succeeded, header } = await calls.once({
      what: 'make a transaction in etcd',
      signal: o.signal,
      run: ({ kv }, terms) => kv.txn(request, terms),
    });
    if (!succeeded)
      throw new HoldfastError('conflict', 'an entry was changed by someone else in the meantime');
    return revisionOf(header?.revision ?? 0n);
  }

  async *watch(prefix: string, o: Sig & { readonly since: Revision }): AsyncGenerator<Change> {
    this.#enter(o);
    yield* watchChanges(this.#parts, prefix, o);
  }

  async openSession(o: Sig & { readonly ttlMs: number }): Promise<Session> {
    this.#enter(o);
    const { calls, keys, clock } = this.#parts;
    const ended = (session: EtcdSession): void => {
      this.#sessions.delete(session.id);
    };
    const session = await EtcdSession.open({ calls, keys, clock, ended }, o);
    this.#sessions.set(session.id, session);
    if (this.#closing.signal.aborted) await session[Symbol.asyncDispose]();
    return session;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= this.#close();
    return this.#disposed;
  }

  async #close(): Promise<void> {
    this.#closing.abort(new HoldfastError('cancelled', 'the store was closed'));
    await Promise.all([...this.#sessions.values()].map((session) => session[Symbol.asyncDispose]()));
    await this.#parts.calls[Symbol.asyncDispose]();
  }

  #enter(o: Sig): void {
    throwIfAborted(o.signal);
    throwIfAborted(this.#closing.signal);
  }
}
