import {
  type Change,
  type Entry,
  HoldfastError,
  type ListLimits,
  type Revision,
  type Transaction,
} from '@holdfast/core';
import { compareKeys } from './compare-keys.ts';

/** Who waits for changes under a prefix, having seen all up to `at`. */
export interface Waiter {
  readonly prefix: string;
  at: Revision;
  readonly wake: () => void;
}

/** What the handles of a store in memory share: entries, the latest changes, and which sessions are alive. */
export class MemoryClusterTable {
  readonly #entries = new Map<string, Entry>();
  /** All keys, in the order of their bytes. */
  readonly #keys: string[] = [];
  readonly #sessionOf = new Map<string, string>();
  readonly #sessions = new Map<string, Set<string>>();
  readonly #waiters = new Set<Waiter>();
  readonly #changesMax: number;
  /** The change at index i made revision `#floor + i + 1`. */
  #changes: Change[] = [];
  #floor = 0;

  constructor(options: { readonly changesMax?: number } = {}) {
    this.#changesMax = options.changesMax ?? 20_000;
  }

  get revision(): Revision {
    return this.#floor + this.#changes.length;
  }

  get(key: string): Entry | undefined {
    return this.#entries.get(key);
  }

  list(prefix: string, { first, last }: ListLimits): Entry[] {
    const begin = this.#indexOf(prefix);
    let end = begin;
    // Keys with one prefix stand together; only those that are asked for at their beginning are looked at.
    while (end < this.#keys.length && this.#keys[end]?.startsWith(prefix) && end - begin !== first) end += 1;
    const from = last === undefined ? begin : Math.max(begin, end - last);
    return this.#keys.slice(from, end).map((key) => this.#entries.get(key) as Entry);
  }

  transact({ checks = [], puts = [], deletes = [] }: Transaction): Revision {
    for (const { session } of puts) {
      if (session && !this.#sessions.has(session.id)) {
        throw new HoldfastError('lease_lost', `session ${session.id} has ended`);
      }
    }
    for (const { key, revision } of checks) {
      const found = this.#entries.get(key)?.revision ?? 'absent';
      if (found !== revision)
        throw new HoldfastError('conflict', `${key} is at ${found}, not at ${revision}`);
    }
    const revision = this.revision + 1;
    const gone = deletes.filter((key) => this.#entries.has(key));
    const entries = puts.map(({ key, value }) => ({ key, value, revision }));
    for (const key of gone) this.#remove(key);
    for (const [index, entry] of entries.entries()) this.#put(entry, puts[index]?.session?.id);
    return this.#commit({ revision, puts: entries, deletes: gone });
  }

  openSession(id: string): void {
    this.#sessions.set(id, new Set());
  }

  endSession(id: string): void {
    const keys = [...(this.#sessions.get(id) ?? [])];
    this.#sessions.delete(id);
    for (const key of keys) this.#remove(key);
    this.#commit({ revision: this.revision + 1, puts: [], deletes: keys });
  }

  /** The next change after a revision with something under the prefix, or the revision up to which there is none. */
  next(prefix: string, since: Revision): Change | Revision {
    if (since < this.#floor) {
      throw new HoldfastError('out_of_range', `changes after ${since} are kept after ${this.#floor} only`, {
        hint: 'list again, and watch since the revision of the list',
      });
    }
    for (let index = since - this.#floor; index < this.#changes.length; index += 1) {
      const { revision, puts, deletes } = this.#changes[index] as Change;
      const under = {
        revision,
        puts: puts.filter(({ key }) => key.startsWith(prefix)),
        deletes: deletes.filter((key) => key.startsWith(prefix)),
      };
      if (under.puts.length + under.deletes.length > 0) return under;
    }
    return Math.max(since, this.revision);
  }

  wait(waiter: Waiter): Disposable {
    this.#waiters.add(waiter);
    return { [Symbol.dispose]: () => this.#waiters.delete(waiter) };
  }

  /** As happens to old changes by itself. */
  forgetChanges(): void {
    this.#floor = this.revision;
    this.#changes = [];
  }

  #put(entry: Entry, session: string | undefined): void {
    const { key } = entry;
    if (!this.#entries.has(key)) this.#keys.splice(this.#indexOf(key), 0, key);
    this.#entries.set(key, entry);
    this.#leaveSession(key);
    if (session === undefined) return;
    this.#sessionOf.set(key, session);
    this.#sessions.get(session)?.add(key);
  }

  #remove(key: string): void {
    this.#entries.delete(key);
    this.#keys.splice(this.#indexOf(key), 1);
    this.#leaveSession(key);
  }

  #leaveSession(key: string): void {
    const session = this.#sessionOf.get(key);
    if (session === undefined) return;
    this.#sessionOf.delete(key);
    this.#sessions.get(session)?.delete(key);
  }

  #commit(change: Change): Revision {
    if (change.puts.length + change.deletes.length === 0) return this.revision;
    this.#changes.push(change);
    if (this.#changes.length > 1.1 * this.#changesMax) {
      this.#floor += this.#changes.length - this.#changesMax;
      this.#changes = this.#changes.slice(-this.#changesMax);
    }
    for (const waiter of this.#waiters) {
      const { prefix } = waiter;
      const touched =
        change.puts.some(({ key }) => key.startsWith(prefix)) ||
        change.deletes.some((key) => key.startsWith(prefix));
      // Who waits has seen everything: without anything for them they are as far as the store is.
      if (touched) waiter.wake();
      else waiter.at = change.revision;
    }
    return change.revision;
  }

  /** Where the key is, or would be. */
  #indexOf(key: string): number {
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareKeys(this.#keys[middle] as string, key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
