import type {
  Change,
  ClusterStore,
  Entry,
  ListLimits,
  Revision,
  Session,
  Sig,
  Transaction,
} from '@holdfast/core';
import type { SimulatedProcess } from '@holdfast/testing';

const never = new Promise<never>(() => undefined);

/** A node's own store as one life of its process has it: a life that is over hears nothing of what the next one writes. */
export class MortalStore implements ClusterStore {
  readonly description = 'journal';
  readonly #store: ClusterStore;
  readonly #process: SimulatedProcess;

  constructor(store: ClusterStore, process: SimulatedProcess) {
    this.#store = store;
    this.#process = process;
  }

  async get(key: string, o: Sig): Promise<Entry | undefined> {
    return this.#process.isAlive ? this.#store.get(key, o) : never;
  }

  async list(prefix: string, o: Sig & ListLimits): ReturnType<ClusterStore['list']> {
    return this.#process.isAlive ? this.#store.list(prefix, o) : never;
  }

  async transact(transaction: Transaction, o: Sig): Promise<Revision> {
    return this.#process.isAlive ? this.#store.transact(transaction, o) : never;
  }

  async *watch(prefix: string, o: Sig & { readonly since: Revision }): AsyncGenerator<Change> {
    for await (const change of this.#store.watch(prefix, o)) {
      if (!this.#process.isAlive) await never;
      yield change;
    }
  }

  async openSession(o: Sig & { readonly ttlMs: number }): Promise<Session> {
    return this.#store.openSession(o);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#store[Symbol.asyncDispose]();
  }
}
