import type { Change, ClusterStore, Entry, Revision } from '@holdfast/core';

/** One empty store, for one test, with as many handles on it as the test asks for. */
export interface ClusterStoreHarness extends AsyncDisposable {
  /** Of the sessions in tests: what the store takes, and its clock passes in bearable time. */
  readonly ttlMs: number;
  /** Another handle on the store, as another process would open it. The harness disposes of it. */
  handle(): Promise<ClusterStore>;
  /** From now on nothing that this handle says reaches the store, and nobody is told, as if a cable were pulled. */
  cutOff(handle: ClusterStore): Promise<void>;
  /** Lets at least so much time pass, for all handles, and what is then due happen. */
  pass(ms: number): Promise<void>;
  /** Makes the store keep none of the changes made so far, as it does with old ones by itself. */
  forgetChanges(): Promise<void>;
}

export type OpenClusterStore = () => Promise<ClusterStoreHarness>;

/** The signal of calls that nobody aborts. */
export const never = new AbortController().signal;

/** Of time that passes between two looks. */
const stepMs = 25;
const stepsMax = 2_000;

/** Lets time pass until it is so. */
export async function until(
  harness: ClusterStoreHarness,
  what: string,
  isSo: () => boolean | Promise<boolean>,
): Promise<void> {
  for (let step = 0; step < stepsMax; step += 1) {
    if (await isSo()) return;
    await harness.pass(stepMs);
  }
  throw new Error(`it never happened that ${what}`);
}

export async function put(store: ClusterStore, key: string, value: string): Promise<Revision> {
  return store.transact({ puts: [{ key, value }] }, { signal: never });
}

export async function readValue(store: ClusterStore, key: string): Promise<string | undefined> {
  return (await store.get(key, { signal: never }))?.value;
}

export async function keysOf(store: ClusterStore, prefix = ''): Promise<string[]> {
  return (await store.list(prefix, { signal: never })).entries.map(({ key }) => key);
}

export async function revisionOf(store: ClusterStore): Promise<Revision> {
  return (await store.list('', { signal: never, first: 0 })).revision;
}

/** Watches from its making on, and remembers what it saw. */
export class Recorder implements AsyncDisposable {
  readonly changes: Change[] = [];
  /** What the watch rejected with, once it has. */
  error: unknown;
  readonly #stop = new AbortController();
  readonly #ended: Promise<void>;

  constructor(store: ClusterStore, prefix: string, since: Revision) {
    this.#ended = this.#run(store, prefix, since);
  }

  get puts(): Entry[] {
    return this.changes.flatMap((change) => change.puts);
  }

  get deletes(): string[] {
    return this.changes.flatMap((change) => change.deletes);
  }

  stop(reason?: unknown): void {
    this.#stop.abort(reason);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop();
    await this.#ended;
  }

  async #run(store: ClusterStore, prefix: string, since: Revision): Promise<void> {
    try {
      const { signal } = this.#stop;
      for await (const change of store.watch(prefix, { signal, since })) this.changes.push(change);
      this.error = new Error('the watch ended without an error');
    } catch (error) {
      this.error = error;
    }
  }
}

/** What is stored after these changes to what was listed. */
export function replay(entries: readonly Entry[], changes: readonly Change[]): Entry[] {
  const state = new Map(entries.map((entry) => [entry.key, entry]));
  for (const change of changes) {
    for (const key of change.deletes) state.delete(key);
    for (const entry of change.puts) state.set(entry.key, entry);
  }
  return [...state.values()].sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)));
}
