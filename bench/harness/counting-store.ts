import {
  type Change,
  type ClusterStore,
  type Entry,
  HoldfastError,
  type ListLimits,
  type Revision,
  type Session,
  type Sig,
  type Transaction,
} from '@holdfast/core';

/** What was asked of a store. A transaction that another one was faster than is a conflict as well. */
export interface StoreCounts {
  gets: number;
  lists: number;
  transactions: number;
  conflicts: number;
  /** Changes that a watch brought. */
  changes: number;
}

export function noCounts(): StoreCounts {
  return { gets: 0, lists: 0, transactions: 0, conflicts: 0, changes: 0 };
}

/** A store that counts what is asked of it; beats of its sessions are below it, and only etcd counts them. */
export class CountingStore implements ClusterStore {
  readonly counts = noCounts();
  readonly #store: ClusterStore;

  constructor(store: ClusterStore) {
    this.#store = store;
  }

  get description(): string {
    return this.#store.description;
  }

  get(key: string, o: Sig): Promise<Entry | undefined> {
    this.counts.gets += 1;
    return this.#store.get(key, o);
  }

  list(prefix: string, o: Sig & ListLimits): ReturnType<ClusterStore['list']> {
    this.counts.lists += 1;
    return this.#store.list(prefix, o);
  }

  async transact(transaction: Transaction, o: Sig): Promise<Revision> {
    this.counts.transactions += 1;
    try {
      return await this.#store.transact(transaction, o);
    } catch (caught) {
      if (HoldfastError.from(caught).code === 'conflict') this.counts.conflicts += 1;
      throw caught;
    }
  }

  async *watch(prefix: string, o: Sig & { readonly since: Revision }): AsyncGenerator<Change> {
    for await (const change of this.#store.watch(prefix, o)) {
      this.counts.changes += 1;
      yield change;
    }
  }

  openSession(o: Sig & { readonly ttlMs: number }): Promise<Session> {
    return this.#store.openSession(o);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#store[Symbol.asyncDispose]();
  }
}
