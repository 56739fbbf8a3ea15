import {
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
} from '@holdfast/core';
import { JournalBook } from './journal-book.ts';
import { JournalOverlay } from './journal-overlay.ts';
import { isOfCluster, listAnew } from './journal-revisions.ts';
import { JournalTurns } from './journal-turns.ts';
import { type Reconciled, Reconciler } from './reconcile.ts';

export interface JournaledStoreOptions {
  /** The cluster's. */
  readonly store: ClusterStore;
  /** Local and durable, of this node alone. Both are disposed of with the wrapper. */
  readonly journal: ClusterStore;
  readonly node: string;
  readonly clock: Clock;
}

export interface Apart {
  /** By the clock's `elapsed`. */
  readonly since: number;
  readonly reason: HoldfastError;
}

/** From one `enter` to the next: what watches were begun on, and what they go on with. */
interface Connection {
  readonly entered: AbortController;
  overlay?: JournalOverlay;
}

/**
 * The cluster's store, as long as it can be reached. When it cannot, a node goes on with the tasks whose incrementals it
 * makes: what concerns them is read and written here, durably, and told to the cluster later; everything else rejects
 * with `unavailable`. Connected, every call passes through. While the cluster is told of one task, transactions wait.
 */
export class JournaledStore implements ClusterStore {
  readonly description: string;
  readonly #store: ClusterStore;
  readonly #book: JournalBook;
  readonly #clock: Clock;
  readonly #turns = new JournalTurns();
  #connection: Connection = { entered: new AbortController() };
  /** Aborts transactions that are on their way when the node goes apart: nobody knows what became of them. */
  #inFlight = new AbortController();
  #apart: (Apart & { readonly overlay: JournalOverlay }) | undefined;
  /** Of all revisions that have come by. */
  #highest: Revision = 0;
  /** By attempts at reconciling that did not come to their end. */
  readonly #reconciled = new Map<string, Reconciled>();

  constructor({ store, journal, node, clock }: JournaledStoreOptions) {
    this.#store = store;
    this.#book = new JournalBook(journal, node);
    this.#clock = clock;
    this.description = store.description;
  }

  get apart(): Apart | undefined {
    return this.#apart;
  }

  /**
   * The store does not answer and the node's session is over: what concerns the tasks that the node goes on with is kept
   * here from now on. `seen` are entries as the node last saw them. With a journal of an earlier life, it goes on with that
   * and may know nothing. Does nothing while apart.
   * @throws HoldfastError precondition_failed when the journal is another node's, or what the journal says: still connected
   */
  async enter(seen: readonly Entry[], reason: HoldfastError, o: Sig): Promise<void> {
    await this.#turns.take(async () => {
      if (this.#apart) return;
      this.#inFlight.abort(
        new HoldfastError('unavailable', `whether it happened is not known, ${reason.reason}`, {
          cause: reason,
        }),
      );
      this.#inFlight = new AbortController();
      const sinceMs = this.#clock.now();
      const meta = await this.#book.begin(
        { sinceMs, reason: reason.toRecord(), highest: this.#highest },
        seen,
        o,
      );
      const overlay = new JournalOverlay(this.#book, meta);
      this.#apart = { since: this.#clock.elapsed(), reason, overlay };
      const { entered } = this.#connection;
      this.#connection.overlay = overlay;
      entered.abort(reason);
    }, o);
  }

  /** What a journal of an earlier life of this process holds: to be reconciled before anything else. */
  async hasJournal(o: Sig): Promise<boolean> {
    return (await this.#book.meta(o)) !== undefined && (await this.#book.pending(o)).length > 0;
  }

  /**
   * Tells the cluster what happened meanwhile; then every call goes to the cluster again, and watches reject with
   * `out_of_range`. Resolves with what became of each task.
   * @throws HoldfastError what the store says, if it fails again: still apart then, and nothing is lost or told twice
   */
  async reconcile(o: Sig): Promise<readonly Reconciled[]> {
    const meta = await this.#book.meta(o);
    if (meta) {
      const reconciler = new Reconciler({ store: this.#store, book: this.#book, clock: this.#clock, meta });
      // Between two tasks the node's own transactions have their turn; what they change is told in the end.
      for (const task of await reconciler.tasks(o))
        await this.#turns.take(async () => this.#note(await reconciler.task(task, o)), o);
      await this.#turns.take(() => this.#finish(reconciler, o), o);
    }
    const reconciled = [...this.#reconciled.values()];
    this.#reconciled.clear();
    return reconciled;
  }

  get(key: string, o: Sig): Promise<Entry | undefined> {
    return (this.#apart?.overlay ?? this.#store).get(key, o);
  }

  async list(
    prefix: string,
    o: Sig & ListLimits,
  ): Promise<{ readonly entries: readonly Entry[]; readonly revision: Revision }> {
    if (this.#apart) return this.#apart.overlay.list(prefix, o);
    const listed = await this.#store.list(prefix, o);
    this.#see(listed.revision);
    return listed;
  }

  async transact(transaction: Transaction, o: Sig): Promise<Revision> {
    if (this.#apart || !this.#turns.isFree) {
      const kept = await this.#turns.take(async () => this.#apart?.overlay.transact(transaction, o), o);
      if (kept !== undefined) return kept;
    }
    const stale = transaction.checks?.find(({ revision }) => revision !== 'absent' && !isOfCluster(revision));
    if (stale) {
      throw new HoldfastError('conflict', `${stale.key} was read when the store could not be reached`, {
        hint: 'read it again and decide',
      });
    }
    const signal = AbortSignal.any([o.signal, this.#inFlight.signal]);
    const revision = await this.#store.transact(transaction, { signal });
    this.#see(revision);
    return revision;
  }

  async *watch(prefix: string, o: Sig & { readonly since: Revision }): AsyncGenerator<Change> {
    let overlay = this.#apart?.overlay;
    if (!overlay) {
      if (!isOfCluster(o.since)) throw listAnew();
      const connection = this.#connection;
      const { signal: entered } = connection.entered;
      this.#see(o.since);
      try {
        const signal = AbortSignal.any([o.signal, entered]);
        for await (const change of this.#store.watch(prefix, { ...o, signal })) {
          this.#see(change.revision);
          yield change;
        }
        return;
      } catch (caught) {
        overlay = connection.overlay;
        if (!overlay || o.signal.aborted) throw caught;
      }
    }
    yield* overlay.watch(prefix, o);
  }

  openSession(o: Sig & { readonly ttlMs: number }): Promise<Session> {
    return this.#store.openSession(o);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await using _journal = this.#book.store;
    await using _store = this.#store;
  }

  async #finish(reconciler: Reconciler, o: Sig): Promise<void> {
    for (const task of await reconciler.tasks(o)) this.#note(await reconciler.task(task, o));
    await reconciler.messages(o);
    await this.#book.clear(o);
    const overlay = this.#apart?.overlay;
    this.#apart = undefined;
    if (!overlay) return;
    this.#connection = { entered: new AbortController() };
    overlay.end();
  }

  /** Of a task that was told in several goes, what matters most. */
  #note(now: Reconciled): void {
    const before = this.#reconciled.get(now.task);
    const runs = now.runs + (before?.runs ?? 0);
    const says = before && now.outcome === 'kept' ? before : now;
    this.#reconciled.set(now.task, { ...says, runs });
  }

  #see(revision: Revision): void {
    if (revision > this.#highest) this.#highest = revision;
  }
}
