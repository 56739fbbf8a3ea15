import {
  type ClusterStore,
  type Entry,
  type ErrorRecord,
  HoldfastError,
  type Revision,
  type Sig,
} from '@holdfast/core';
import { batches, type KeyChange, transactionOf } from './journal-batches.ts';
import { taskOfKey } from './journal-scope.ts';
import { keys } from './keys.ts';

/** What a node remembers of its time apart from the store, besides entries. */
export interface ApartMeta {
  readonly node: string;
  /** By the node's clock: for people. */
  readonly sinceMs: number;
  readonly reason: ErrorRecord;
  /** Of all revisions seen of the cluster. */
  readonly highest: Revision;
}

/** An entry as this node has changed it while apart. */
export interface Own {
  readonly key: string;
  /** Undefined: deleted. */
  readonly value: string | undefined;
  /** The cluster has yet to be told. */
  readonly isPending: boolean;
  /** Of the journal. */
  readonly revision: Revision;
}

const metaKey = 'apart';
const prefixes = { own: 'own/', seen: 'seen/', attempts: 'attempt/' } as const;
const marks = { put: '+', deleted: '-', told: '=', toldDeleted: '0' } as const;

/**
 * What a journal has, and how: `seen/KEY` is what the cluster had there when it was last heard of, `own/KEY` what this node
 * has made of it since, `attempt/TASK` what was on its way to the cluster and may have arrived, `apart` since when and
 * why. `apart` is written last and goes last: without it there is nothing to be told.
 */
export class JournalBook {
  readonly store: ClusterStore;
  readonly #node: string;

  constructor(store: ClusterStore, node: string) {
    this.store = store;
    this.#node = node;
  }

  /** @throws HoldfastError precondition_failed when it is another node's journal */
  async meta(o: Sig): Promise<(ApartMeta & { readonly origin: Revision }) | undefined> {
    const entry = await this.store.get(metaKey, o);
    if (!entry) return undefined;
    const meta = JSON.parse(entry.value) as ApartMeta;
    if (meta.node !== this.#node) {
      throw new HoldfastError(
        'precondition_failed',
        `the journal (${this.store.description}) is of node ${meta.node}, this is node ${this.#node}`,
        { hint: `start the node as ${meta.node} once, so that the cluster is told of its runs` },
      );
    }
    return { ...meta, origin: entry.revision };
  }

  /** Begins a time apart, or goes on with one that the cluster has not been told of. */
  async begin(
    meta: Omit<ApartMeta, 'node'>,
    seen: readonly Entry[],
    o: Sig,
  ): Promise<ApartMeta & { readonly origin: Revision }> {
    const before = await this.meta(o);
    const pending = await this.pending(o);
    if (pending.length === 0) await this.clear(o);
    // What was changed on one record must not be compared with a later one.
    const changed = new Set(pending.map(({ key }) => taskOfKey(key)));
    const known = new Map((await this.listSeen('', o)).map((entry) => [entry.key, entry.revision]));
    const news = seen.filter(
      ({ key, revision }) => !changed.has(taskOfKey(key) ?? key) && revision > (known.get(key) ?? -1),
    );
    await this.#write(
      news.map((entry) => ({ key: prefixes.seen + entry.key, value: seenValue(entry) })),
      o,
    );
    const highest = Math.max(
      meta.highest,
      before?.highest ?? 0,
      ...known.values(),
      ...news.map((n) => n.revision),
    );
    const written: ApartMeta = { ...meta, node: this.#node, highest };
    const origin = await this.store.transact({ puts: [{ key: metaKey, value: JSON.stringify(written) }] }, o);
    return { ...written, origin };
  }

  /** Everything the cluster has yet to be told, in the order of keys. */
  async pending(o: Sig): Promise<readonly Own[]> {
    return (await this.listOwn('', o)).own.filter(({ isPending }) => isPending);
  }

  async own(key: string, o: Sig): Promise<Own | undefined> {
    const entry = await this.store.get(prefixes.own + key, o);
    return entry && readOwn(entry);
  }

  async listOwn(
    prefix: string,
    o: Sig,
  ): Promise<{ readonly own: readonly Own[]; readonly revision: Revision }> {
    const { entries, revision } = await this.store.list(prefixes.own + prefix, o);
    return { own: entries.map(readOwn), revision };
  }

  /** As the cluster had it. */
  async seen(key: string, o: Sig): Promise<Entry | undefined> {
    const entry = await this.store.get(prefixes.seen + key, o);
    return entry && readSeen(entry);
  }

  async listSeen(prefix: string, o: Sig): Promise<readonly Entry[]> {
    return (await this.store.list(prefixes.seen + prefix, o)).entries.map(readSeen);
  }

  /** One transaction of the journal; resolves with its revision. */
  async keep(changes: readonly KeyChange[], o: Sig): Promise<Revision> {
    const puts = changes.map(({ key, value }) => ({
      key: prefixes.own + key,
      value: value === undefined ? marks.deleted : marks.put + value,
    }));
    return this.store.transact({ puts }, o);
  }

  async attempt<T>(task: string, o: Sig): Promise<T | undefined> {
    const entry = await this.store.get(prefixes.attempts + task, o);
    return entry && (JSON.parse(entry.value) as T);
  }

  /** Written before the cluster is asked: whether it arrived, it is what has arrived. */
  async saveAttempt(task: string, attempt: unknown, o: Sig): Promise<void> {
    await this.store.transact(
      { puts: [{ key: prefixes.attempts + task, value: JSON.stringify(attempt) }] },
      o,
    );
  }

  /** The cluster has these: what is still needed here stays readable, the rest is no longer kept. */
  async dropOwn(own: readonly Own[], o: Sig & { readonly isNeeded?: (own: Own) => boolean }): Promise<void> {
    const changes = own.map((one) => {
      const stays = one.value !== undefined && o.isNeeded?.(one);
      return { key: prefixes.own + one.key, ...(stays && { value: marks.told + one.value }) };
    });
    await this.#write(changes, o);
  }

  /** The cluster has the task: from now on `seen` is what changes are compared with. Ends its attempt. */
  async settle(
    task: string,
    now: {
      readonly seen?: Omit<Entry, 'key'> | undefined;
      readonly own: 'as-seen' | 'left';
      /** When that was decided: a later attempt is told apart by it. */
      readonly told?: unknown;
    },
    o: Sig,
  ): Promise<void> {
    const key = keys.task(task);
    const { seen, told: last } = now;
    const told = seen ? marks.told + seen.value : marks.toldDeleted;
    await this.store.transact(
      transactionOf([
        { key: prefixes.attempts + task, value: last === undefined ? last : JSON.stringify(last) },
        { key: prefixes.seen + key, value: seen && seenValue({ key, ...seen }) },
        ...(now.own === 'as-seen' ? [{ key: prefixes.own + key, value: told }] : []),
      ]),
      o,
    );
  }

  /** Forgets everything. */
  async clear(o: Sig): Promise<void> {
    const { entries } = await this.store.list('', o);
    if (entries.length === 0) return;
    const rest = entries.filter(({ key }) => key !== metaKey);
    await this.#write([...rest.map(({ key }) => ({ key })), { key: metaKey }], o);
  }

  async #write(changes: readonly KeyChange[], o: Sig): Promise<void> {
    for (const batch of batches(changes)) await this.store.transact(transactionOf(batch), o);
  }
}

/** Where in the journal changed entries are. */
export function ownKey(prefix: string): string {
  return prefixes.own + prefix;
}

/** An entry of the journal under `ownKey`. */
export function readOwn({ key, value, revision }: Entry): Own {
  const mark = value.slice(0, 1);
  const isDeleted = mark === marks.deleted || mark === marks.toldDeleted;
  return {
    key: key.slice(prefixes.own.length),
    value: isDeleted ? undefined : value.slice(1),
    isPending: mark === marks.put || mark === marks.deleted,
    revision,
  };
}

function seenValue({ revision, value }: Entry): string {
  return `${revision} ${value}`;
}

function readSeen({ key, value }: Entry): Entry {
  const at = value.indexOf(' ');
  return {
    key: key.slice(prefixes.seen.length),
    value: value.slice(at + 1),
    revision: Number(value.slice(0, at)),
  };
}
