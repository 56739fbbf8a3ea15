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
import type { Step } from './failing.ts';

export type StoreVerb = 'get' | 'list' | 'transact' | 'watch' | 'openSession';

/** What a call to a store does: as for destinations, but a store answers wholly or not at all. */
export type StoreStep = Exclude<Step, 'short'>;

/**
 * Steps for the calls of each verb, in order, after the last of which everything is `ok`; or a function that decides
 * on each call, for simulations with faults from a seed. `what` has the keys that the call names.
 */
export type StoreScript =
  | Partial<Record<StoreVerb, readonly StoreStep[]>>
  | ((verb: StoreVerb, what: string) => StoreStep);

export type FailingStore = ClusterStore & {
  /** Verb and keys of each call so far. */
  readonly calls: readonly string[];
};

/** A store that fails as scripted: `failingStore(store, { transact: ['ok', 'lost', 'unavailable'] })`. */
export function failingStore(store: ClusterStore, script: StoreScript = {}): FailingStore {
  return new Failing(store, script);
}

class Failing implements ClusterStore {
  readonly description: string;
  readonly calls: string[] = [];
  readonly #inner: ClusterStore;
  readonly #next: (verb: StoreVerb, what: string) => StoreStep;

  constructor(store: ClusterStore, script: StoreScript) {
    this.#inner = store;
    this.description = store.description;
    if (typeof script === 'function') {
      this.#next = script;
    } else {
      const steps = new Map(Object.entries(script).map(([verb, list]) => [verb, [...list]]));
      this.#next = (verb) => steps.get(verb)?.shift() ?? 'ok';
    }
  }

  get(key: string, o: Sig): Promise<Entry | undefined> {
    return this.#take('get', key, o, () => this.#inner.get(key, o));
  }

  list(prefix: string, o: Sig & ListLimits): ReturnType<ClusterStore['list']> {
    return this.#take('list', prefix, o, () => this.#inner.list(prefix, o));
  }

  transact(transaction: Transaction, o: Sig): Promise<Revision> {
    const { puts = [], deletes = [] } = transaction;
    const what = [...puts.map(({ key }) => key), ...deletes].join(' ');
    return this.#take('transact', what, o, () => this.#inner.transact(transaction, o));
  }

  async *watch(prefix: string, o: Sig & { readonly since: Revision }): AsyncGenerator<Change> {
    yield* await this.#take('watch', prefix, o, async () => this.#inner.watch(prefix, o));
  }

  openSession(o: Sig & { readonly ttlMs: number }): Promise<Session> {
    const open = (): Promise<Session> => this.#inner.openSession(o);
    // Nobody keeps alive a session of which nobody knows.
    const lost = async (): Promise<void> => (await open())[Symbol.asyncDispose]();
    return this.#take('openSession', '', o, open, lost);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#inner[Symbol.asyncDispose]();
  }

  async #take<T>(
    verb: StoreVerb,
    what: string,
    o: Sig,
    act: () => Promise<T>,
    lose: () => Promise<unknown> = act,
  ): Promise<T> {
    this.calls.push(`${verb} ${what}`.trimEnd());
    const step = this.#next(verb, what);
    switch (step) {
      case 'ok':
        return act();
      case 'lost':
        await lose();
        throw new HoldfastError('unavailable', `the answer to ${verb} ${what} was lost, as scripted`);
      case 'hang':
        return hang(o.signal);
      default:
        throwIfAborted(o.signal);
        throw new HoldfastError(step, `${verb} ${what} fails as scripted`);
    }
  }
}

function hang(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const stop = (): void => reject(abortError(signal));
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
  });
}
