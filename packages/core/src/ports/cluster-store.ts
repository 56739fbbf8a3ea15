import type { Sig } from './sig.ts';

/**
 * What the nodes of a cluster share: a small, linearizable map of keys to texts, and sessions that say who is alive.
 * Promises, each a test in `describeClusterStore`:
 * - *linearizable*: whoever reads after a transaction was answered sees it, from any process;
 * - *whole or nothing*: a transaction whose checks all hold makes all its puts and deletes, at one revision; one whose
 *   checks do not hold makes none and rejects with `conflict`;
 * - *revisions grow*: each transaction that changes anything has a revision higher than all before it, and an entry's
 *   revision is that of its last change, so that a check on it is a compare-and-set, also after delete and put;
 * - *nothing is missed*: `list` at a revision and `watch` since that revision give every change once and in order;
 *   a watch that asks for changes no longer kept rejects with `out_of_range`: list again;
 * - *a session ends safely*: its signal aborts (with `lease_lost`) no later than its entries may be gone for others; a put
 *   under a session that has ended rejects with `lease_lost`; entries of a session go with it, at one revision;
 * - *final on abort*: after the signal has aborted and the call has rejected, it changes nothing any more. A transaction
 *   whose answer was lost may have happened: it rejects with `unavailable`, and who cares reads again.
 */
export interface ClusterStore extends AsyncDisposable {
  /** As a person may see it: no secrets. */
  readonly description: string;
  get(key: string, o: Sig): Promise<Entry | undefined>;
  /** In the order of their keys, all as of one revision. */
  list(
    prefix: string,
    o: Sig & ListLimits,
  ): Promise<{ readonly entries: readonly Entry[]; readonly revision: Revision }>;
  /**
   * Resolves with the transaction's revision; with the current one when it changed nothing.
   * @throws HoldfastError conflict, lease_lost, or config_invalid when a limit below is exceeded
   */
  transact(transaction: Transaction, o: Sig): Promise<Revision>;
  /** All changes after `since` to keys with that prefix, until the signal aborts; then it rejects with its reason. */
  watch(prefix: string, o: Sig & { readonly since: Revision }): AsyncIterable<Change>;
  openSession(o: Sig & { readonly ttlMs: number }): Promise<Session>;
}

export type Revision = number;

export interface Entry {
  readonly key: string;
  readonly value: string;
  /** Of its last change. */
  readonly revision: Revision;
}

export interface ListLimits {
  /** Only the last so many keys, still in the order of keys. */
  readonly last?: number;
  /** Only the first so many. */
  readonly first?: number;
}

export interface Transaction {
  /** Each must hold: the entry is at this revision, or is absent. */
  readonly checks?: readonly Check[];
  /** No key twice, and none that is deleted too. */
  readonly puts?: readonly Put[];
  readonly deletes?: readonly string[];
}

export interface Check {
  readonly key: string;
  readonly revision: Revision | 'absent';
}

export interface Put {
  readonly key: string;
  readonly value: string;
  /** The entry goes when this session ends. A put without one takes the entry out of the session that it was in. */
  readonly session?: Session;
}

/** One transaction's changes under a watched prefix. */
export interface Change {
  readonly revision: Revision;
  readonly puts: readonly Entry[];
  readonly deletes: readonly string[];
}

/** The sign of life of one process. Disposing it ends it at once, for all to see. */
export interface Session extends AsyncDisposable {
  readonly id: string;
  readonly ttlMs: number;
  /** Aborts with `lease_lost` when the session is, or may be, over. */
  readonly signal: AbortSignal;
}

/** What every store takes; etcd's own defaults are the narrowest. */
export const storeLimits = {
  /** Checks, and puts with deletes, of one transaction. */
  operationsMax: 120,
  /** The keys of all checks, puts and deletes of one transaction, with the values. */
  transactionBytesMax: 1.25 * 1024 * 1024,
  valueBytesMax: 1024 * 1024,
  keyBytesMax: 512,
} as const;
