import {
  type Change,
  type Check,
  type Entry,
  HoldfastError,
  type ListLimits,
  type Put,
  type Revision,
  type Sig,
  type Transaction,
  throwIfAborted,
} from '@holdfast/core';
import { type ApartMeta, type JournalBook, ownKey, readOwn } from './journal-book.ts';
import { JournalRevisions, listAnew } from './journal-revisions.ts';
import { goesOn, messageOf, notKnown, notNow, refusalOf, taskOfKey } from './journal-scope.ts';
import { keys } from './keys.ts';
import type { TaskRecord } from './records.ts';

/**
 * What the cluster's store looks like to a node apart from it: what was last seen, and over it what the node itself has
 * changed, of which every transaction is one of the journal. Transactions come one at a time.
 */
export class JournalOverlay {
  readonly meta: ApartMeta;
  readonly #book: JournalBook;
  readonly #revisions: JournalRevisions;
  readonly #over = new AbortController();

  constructor(book: JournalBook, meta: ApartMeta & { readonly origin: Revision }) {
    this.#book = book;
    this.meta = meta;
    this.#revisions = new JournalRevisions(meta.highest, meta.origin);
  }

  async get(key: string, o: Sig): Promise<Entry | undefined> {
    const found = await this.#find(key, o);
    if (found === undefined) throw notKnown(key, this.meta);
    return found === 'absent' ? undefined : found;
  }

  /** Of histories and messages only what is kept here. */
  async list(
    prefix: string,
    o: Sig & ListLimits,
  ): Promise<{ readonly entries: readonly Entry[]; readonly revision: Revision }> {
    await this.#checkListable(prefix, o);
    // In this order: what the cluster was told in between comes with a change of its own.
    const { own, revision } = await this.#book.listOwn(prefix, o);
    const entries = new Map((await this.#book.listSeen(prefix, o)).map((entry) => [entry.key, entry]));
    for (const { key, value, revision: at } of own) {
      if (value === undefined) entries.delete(key);
      else entries.set(key, { key, value, revision: this.#revisions.of(at) });
    }
    const sorted = [...entries.values()].sort((a, b) =>
      Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)),
    );
    const first = sorted.slice(0, o.first ?? sorted.length);
    const from = o.last === undefined ? 0 : Math.max(0, first.length - o.last);
    return { entries: first.slice(from), revision: this.#revisions.of(revision) };
  }

  async transact({ checks = [], puts = [], deletes = [] }: Transaction, o: Sig): Promise<Revision> {
    for (const put of puts) await this.#allowPut(put, o);
    for (const key of deletes) await this.#allowDelete(key, o);
    const made = new Set(puts.map(({ key }) => key).filter((key) => key.startsWith(keys.runs)));
    for (const check of checks) await this.#check(check, { ...o, isMade: made.has(check.key) });
    const gone: string[] = [];
    // What was never seen may be there: the cluster is told to delete it.
    for (const key of deletes) if ((await this.#find(key, o)) !== 'absent') gone.push(key);
    const changes = [...puts.map(({ key, value }) => ({ key, value })), ...gone.map((key) => ({ key }))];
    throwIfAborted(o.signal);
    if (changes.length > 0) return this.#revisions.of(await this.#book.keep(changes, o));
    const { revision } = await this.#book.store.list('', { ...o, first: 0 });
    return this.#revisions.of(revision);
  }

  async *watch(prefix: string, o: Sig & { readonly since: Revision }): AsyncGenerator<Change> {
    const since = this.#revisions.journalOf(o.since);
    const over = this.#over.signal;
    const signal = AbortSignal.any([o.signal, over]);
    try {
      if (over.aborted) throw listAnew();
      for await (const change of this.#book.store.watch(ownKey(prefix), { signal, since })) {
        // What is no longer kept because the cluster has it is still there.
        if (change.puts.length > 0) yield this.#changeOf(change);
      }
    } catch (caught) {
      throw over.aborted && !o.signal.aborted ? listAnew() : caught;
    }
  }

  /** Watches reject: what is there now has to be listed. */
  end(): void {
    this.#over.abort(listAnew());
  }

  #changeOf({ puts, revision: journal }: Change): Change {
    const revision = this.#revisions.of(journal);
    const own = puts.map(readOwn);
    return {
      revision,
      puts: own.flatMap(({ key, value }) => (value === undefined ? [] : [{ key, value, revision }])),
      deletes: own.flatMap(({ key, value }) => (value === undefined ? [key] : [])),
    };
  }

  /** Undefined: nobody here knows. */
  async #find(key: string, o: Sig): Promise<Entry | 'absent' | undefined> {
    const own = await this.#book.own(key, o);
    if (!own) return this.#book.seen(key, o);
    const { value, revision } = own;
    return value === undefined ? 'absent' : { key, value, revision: this.#revisions.of(revision) };
  }

  async #check({ key, revision }: Check, o: Sig & { readonly isMade: boolean }): Promise<void> {
    const known = await this.#find(key, o);
    // A new run has an id that is free here; should it be another's in the cluster, it is told under one that is free there.
    const found = known === undefined && o.isMade ? 'absent' : known;
    if (found === undefined) throw notKnown(key, this.meta);
    const at = found === 'absent' ? 'absent' : found.revision;
    if (at !== revision)
      throw new HoldfastError('conflict', `${key} is at ${at}, not at ${revision}`, {
        hint: 'read it again and decide',
      });
  }

  async #checkListable(prefix: string, o: Sig): Promise<void> {
    const asSeen = [keys.tasks, keys.nodes, keys.drains, keys.outbox];
    if (asSeen.some((known) => prefix.startsWith(known))) return;
    const task = taskOfKey(prefix);
    if (task === undefined || !(await this.#ownRecord(task, o)))
      throw notKnown(`the list of ${prefix}`, this.meta);
  }

  async #allowPut({ key, value, session }: Put, o: Sig): Promise<void> {
    const task = key.startsWith(keys.outbox) ? messageOf(value)?.task : taskOfKey(key);
    const record = task === undefined ? undefined : await this.#ownRecord(task, o);
    if (!record || session) throw notNow(refusalOf(key), this.meta);
    if (key !== keys.task(record.task)) return;
    const { node, generation } = JSON.parse(value) as TaskRecord;
    if (node !== record.node || generation !== record.generation)
      throw notNow(`task ${task} cannot be given to another node`, this.meta);
  }

  async #allowDelete(key: string, o: Sig): Promise<void> {
    if (key.startsWith(keys.outbox)) {
      // One that was read before and has been delivered since must not be delivered again.
      const found = await this.#find(key, o);
      if (found === undefined || found === 'absent') return;
      const message = messageOf(found.value);
      if (message?.node === this.meta.node) return;
      throw notNow(refusalOf(key), this.meta);
    }
    const task = taskOfKey(key);
    if (task === undefined || !(await this.#ownRecord(task, o))) throw notNow(refusalOf(key), this.meta);
    if (key === keys.task(task)) throw notNow(`task ${task} cannot be forgotten`, this.meta);
  }

  /** The task's record as the cluster had it, if this node goes on with it. */
  async #ownRecord(task: string, o: Sig): Promise<TaskRecord | undefined> {
    const seen = await this.#book.seen(keys.task(task), o);
    if (!seen) return undefined;
    const record = JSON.parse(seen.value) as TaskRecord;
    return goesOn(record, this.meta.node) ? record : undefined;
  }
}
