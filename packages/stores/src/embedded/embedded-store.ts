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
  throwIfAborted,
} from '@holdfast/core';
import { checkTransaction } from '../check-transaction.ts';
import { checkTtl } from '../session-deadline.ts';
import type { DatabaseLink } from './database-calls.ts';
import { EmbeddedSession } from './embedded-session.ts';
import { News } from './news.ts';
import { SessionObserver } from './session-observer.ts';

/** How often other processes' commits are looked for: while somebody watches, and for the sake of sessions alone. */
const watchedPollMs = 100;
const idlePollMs = 1_000;
const looksPerTtl = 4;

export interface EmbeddedStoreParts {
  readonly link: DatabaseLink;
  readonly clock: Clock;
  readonly description: string;
  /** False only if surely no process has committed anything since it was last asked. Always true by default. */
  readonly mayHaveCommitted?: () => boolean;
}

/** The port over the worker thread that has the file: sessions, watches, and the eye on other processes. */
export class EmbeddedStore implements ClusterStore {
  readonly description: string;
  readonly #link: DatabaseLink;
  readonly #clock: Clock;
  readonly #mayHaveCommitted: () => boolean;
  readonly #news = new News();
  readonly #observer = new SessionObserver();
  readonly #sessions = new Map<string, EmbeddedSession>();
  readonly #closed = new AbortController();
  readonly #polling: Promise<void>;
  #watchers = 0;
  #pause = new AbortController();
  #disposed: Promise<void> | undefined;

  constructor({ link, clock, description, mayHaveCommitted = () => true }: EmbeddedStoreParts) {
    this.description = description;
    this.#link = link;
    this.#clock = clock;
    this.#mayHaveCommitted = mayHaveCommitted;
    this.#polling = this.#poll();
  }

  async get(key: string, o: Sig): Promise<Entry | undefined> {
    return this.#link.call('get', [key], this.#open(o));
  }

  async list(prefix: string, o: Sig & ListLimits): ReturnType<ClusterStore['list']> {
    const limits = limitsOf(o);
    return this.#link.call('list', [prefix, limits], this.#open(o));
  }

  async transact(transaction: Transaction, o: Sig): Promise<Revision> {
    checkTransaction(transaction);
    const { checks = [], puts = [], deletes = [] } = transaction;
    throwIfAborted(o.signal);
    for (const { session } of puts) {
      if (session?.signal.aborted) throw HoldfastError.from(session.signal.reason);
      if (session) this.#sessions.get(session.id)?.demandAlive();
    }
    const plain = puts.map(({ key, value, session }) => ({
      key,
      value,
      ...(session && { session: session.id }),
    }));
    const revision = await this.#link.call('transact', [{ checks, puts: plain, deletes }], this.#open(o));
    this.#news.reached(revision);
    return revision;
  }

  async *watch(prefix: string, o: Sig & { readonly since: Revision }): AsyncGenerator<Change> {
    const signal = AbortSignal.any([this.#open(o).signal, this.#closed.signal]);
    this.#watchers += 1;
    // The first to watch does not wait for the end of a long pause.
    this.#pause.abort();
    try {
      for (let at = o.since; ; ) {
        const page = await this.#link.call('changes', [prefix, at], { signal });
        for (const change of page.changes) {
          throwIfAborted(signal);
          yield change;
        }
        at = page.through;
        throwIfAborted(signal);
        if (!page.more) await this.#news.after(at, signal);
      }
    } finally {
      this.#watchers -= 1;
    }
  }

  async openSession(o: Sig & { readonly ttlMs: number }): Promise<Session> {
    checkTtl(o.ttlMs);
    const parts = {
      link: this.#link,
      clock: this.#clock,
      ended: (session: EmbeddedSession, revision: Revision | undefined) => {
        this.#sessions.delete(session.id);
        if (revision !== undefined) this.#news.reached(revision);
      },
    };
    const session = await EmbeddedSession.open(parts, { ...this.#open(o), ttlMs: o.ttlMs });
    this.#sessions.set(session.id, session);
    if (this.#closed.signal.aborted) await session[Symbol.asyncDispose]();
    return session;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= this.#close();
    return this.#disposed;
  }

  async #close(): Promise<void> {
    this.#closed.abort(new HoldfastError('cancelled', 'the store was closed'));
    this.#pause.abort();
    await Promise.all([...this.#sessions.values()].map((session) => session[Symbol.asyncDispose]()));
    await this.#polling;
    await this.#link[Symbol.asyncDispose]();
  }

  #open(o: Sig): Sig {
    throwIfAborted(o.signal);
    throwIfAborted(this.#closed.signal);
    return { signal: o.signal };
  }

  /** Sees what other processes do, and ends the sessions of those that are silent. */
  async #poll(): Promise<void> {
    const { signal } = this.#closed;
    while (!signal.aborted) {
      try {
        await this.#observe(signal);
        await this.#endSilent(signal);
      } catch (error) {
        // Watchers are told and may try again. Sessions that cannot be seen are not ended.
        this.#news.failed(error);
      }
      if (this.#pause.signal.aborted) this.#pause = new AbortController();
      const pauseMs =
        this.#watchers > 0 ? watchedPollMs : Math.min(idlePollMs, this.#observer.shortestMs / looksPerTtl);
      // Closing and watching end the pause, which is otherwise all that an idle process does: it had better be cheap.
      if (!signal.aborted) await this.#clock.sleep(pauseMs, this.#pause.signal).catch(() => undefined);
    }
  }

  async #observe(signal: AbortSignal): Promise<void> {
    if (!this.#mayHaveCommitted()) return;
    const seen = await this.#link.call('observe', [], { signal });
    if (!seen) return;
    this.#observer.take(
      seen.sessions.filter(({ id }) => !this.#sessions.has(id)),
      this.#clock.elapsed(),
    );
    // Answers come in the order of calls: a session that is ours was stored before this was read.
    const there = new Set(seen.sessions.map(({ id }) => id));
    for (const [id, session] of this.#sessions) {
      if (!there.has(id)) session.lose('was ended by another process, which saw no sign of life');
    }
    this.#news.reached(seen.revision);
  }

  async #endSilent(signal: AbortSignal): Promise<void> {
    for (const { id, beat } of this.#observer.silent(this.#clock.elapsed())) {
      const revision = await this.#link.call('endSession', [id, beat], { signal });
      // Not so: it has given a sign of life meanwhile, which the next look will see.
      if (revision === undefined) continue;
      this.#observer.forget(id);
      this.#news.reached(revision);
    }
  }
}

function limitsOf({ first, last }: ListLimits): ListLimits {
  for (const limit of [first, last]) {
    if (limit === undefined || (Number.isSafeInteger(limit) && limit >= 0)) continue;
    throw new HoldfastError('config_invalid', `a list of ${limit} keys`);
  }
  if (first !== undefined && last !== undefined) {
    throw new HoldfastError('config_invalid', 'a list has its first keys or its last ones, not both');
  }
  return { ...(first !== undefined && { first }), ...(last !== undefined && { last }) };
}
