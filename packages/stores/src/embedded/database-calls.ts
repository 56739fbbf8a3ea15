import type { Change, Check, Entry, ListLimits, Revision, Sig } from '@holdfast/core';

/** A transaction as it crosses threads: sessions by their names. */
export interface PlainTransaction {
  readonly checks: readonly Check[];
  readonly puts: readonly { readonly key: string; readonly value: string; readonly session?: string }[];
  readonly deletes: readonly string[];
}

export interface ChangePage {
  readonly changes: readonly Change[];
  /** There is no further change up to here. */
  readonly through: Revision;
  /** There may be more after that, already. */
  readonly more: boolean;
}

export interface SessionRow {
  readonly id: string;
  readonly ttlMs: number;
  /** Incremented by the owner as long as it is alive. */
  readonly beat: number;
}

export interface Observation {
  readonly revision: Revision;
  readonly sessions: readonly SessionRow[];
}

/** What the file can be asked for. All of it happens in the worker thread, one call after the other. */
export interface DatabaseCalls {
  get(key: string): Entry | undefined;
  list(
    prefix: string,
    limits: ListLimits,
  ): { readonly entries: readonly Entry[]; readonly revision: Revision };
  transact(transaction: PlainTransaction): Revision;
  changes(prefix: string, since: Revision): ChangePage;
  /** Undefined when no other connection has changed anything since the last observation. */
  observe(): Observation | undefined;
  openSession(id: string, ttlMs: number): void;
  /** Whether the session is still there. */
  beat(id: string): boolean;
  /**
   * Ends a session and removes its entries; only if its beat still is the given one. The revision of that;
   * undefined when the session was not there, or not so.
   */
  endSession(id: string, beat?: number): Revision | undefined;
}

export type CallName = keyof DatabaseCalls;

/** The way to the file: a worker thread, or in tests what stands for one. */
export interface DatabaseLink extends AsyncDisposable {
  /** After an abort it rejects with the reason, and then nothing has happened; or with `unavailable`, if it may have. */
  call<N extends CallName>(
    name: N,
    args: Parameters<DatabaseCalls[N]>,
    o: Sig,
  ): Promise<ReturnType<DatabaseCalls[N]>>;
}
