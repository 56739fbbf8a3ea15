import { type Clock, type ClusterStore, HoldfastError, type Sig, throwIfAborted } from '@holdfast/core';
import { type ClusterStoreHarness, FakeClock, temporaryFolder } from '@holdfast/testing';
import type { CallName, DatabaseCalls, DatabaseLink } from './database-calls.ts';
import { EmbeddedDatabase, type EmbeddedDatabaseOptions } from './embedded-database.ts';
import { EmbeddedStore } from './embedded-store.ts';

const { signal } = new AbortController();
const changesMax = 1_000;

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A link that can be cut, and that knows whether an answer is still to come. */
export class CuttableLink implements DatabaseLink {
  readonly #inner: DatabaseLink;
  readonly #over = Promise.withResolvers<never>();
  #cut = false;
  #calls = 0;

  constructor(inner: DatabaseLink) {
    this.#inner = inner;
    this.#over.promise.catch(() => undefined);
  }

  get isBusy(): boolean {
    return this.#calls > 0;
  }

  cut(): void {
    this.#cut = true;
  }

  /** Calls that hang since the link was cut hang no longer. */
  release(): void {
    this.#over.reject(new HoldfastError('unavailable', 'this handle is cut off'));
  }

  async call<N extends CallName>(
    name: N,
    args: Parameters<DatabaseCalls[N]>,
    o: Sig,
  ): Promise<ReturnType<DatabaseCalls[N]>> {
    if (this.#cut) return this.#over.promise;
    this.#calls += 1;
    try {
      return await this.#inner.call(name, args, o);
    } finally {
      this.#calls -= 1;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#inner[Symbol.asyncDispose]();
  }
}

/** The file without a thread: a turn of the event loop later, for calls to overlap as they do with one. */
export class InlineLink implements DatabaseLink {
  readonly #database: EmbeddedDatabase;

  constructor(options: EmbeddedDatabaseOptions) {
    this.#database = new EmbeddedDatabase(options);
  }

  async call<N extends CallName>(
    name: N,
    args: Parameters<DatabaseCalls[N]>,
    o: Sig,
  ): Promise<ReturnType<DatabaseCalls[N]>> {
    throwIfAborted(o.signal);
    await turn();
    throwIfAborted(o.signal);
    const call = this.#database[name] as (...args: readonly unknown[]) => ReturnType<DatabaseCalls[N]>;
    return call.apply(this.#database, [...args]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#database[Symbol.dispose]();
  }
}

export type OpenLink = (options: EmbeddedDatabaseOptions, clock: Clock) => Promise<DatabaseLink>;

/** Real files, but a clock that stands still until every answer that it caused has come. */
export async function embeddedHarness(open: OpenLink): Promise<ClusterStoreHarness> {
  const folder = await temporaryFolder('embedded');
  const clock = new FakeClock();
  const links = new Map<ClusterStore, CuttableLink>();
  const settled = async (): Promise<void> => {
    do await turn();
    while ([...links.values()].some((link) => link.isBusy));
    await turn();
  };
  const pass = async (ms: number): Promise<void> => {
    await settled();
    for (let leftMs = ms; leftMs > 0; leftMs -= 50) {
      await clock.advance(Math.min(50, leftMs));
      await settled();
    }
  };
  return {
    ttlMs: 3_000,
    handle: async () => {
      const database = { path: folder.join('store'), changesMax };
      const link = new CuttableLink(await open(database, clock));
      const store = new EmbeddedStore({ link, clock, description: 'embedded' });
      links.set(store, link);
      return store;
    },
    cutOff: async (handle) => links.get(handle)?.cut(),
    pass,
    forgetChanges: async () => {
      const store = [...links.keys()][0] as ClusterStore;
      for (let made = 0; made < 1.2 * changesMax; made += 100) {
        const puts = Array.from({ length: 100 }, (_, index) => ({ key: `many/${index}`, value: `${made}` }));
        await store.transact({ puts }, { signal });
        // Watches that keep up do so by polling.
        await pass(100);
      }
    },
    [Symbol.asyncDispose]: async () => {
      for (const link of links.values()) link.release();
      await Promise.all([...links.keys()].map((store) => store[Symbol.asyncDispose]()));
      await folder[Symbol.asyncDispose]();
    },
  };
}
