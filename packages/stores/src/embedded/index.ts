import { resolve } from 'node:path';
import type { Clock, ClusterStore, Sig } from '@holdfast/core';
import { CommitHint } from './commit-hint.ts';
import { EmbeddedStore } from './embedded-store.ts';
import { WorkerLink } from './worker-link.ts';

export interface EmbeddedStoreOptions {
  /** Of the file; it is made when it is not there, its folder is not. On a local disk. */
  readonly path: string;
  readonly clock: Clock;
  /** So many of the latest changes are kept for watchers that are behind. 20 000 */
  readonly changesMax?: number;
  /** And no more than so many bytes of them. 64 MiB */
  readonly changesBytesMax?: number;
}

/**
 * The store in one SQLite file: for one node, and for several processes on one machine. A transaction that was answered
 * survives a power cut.
 */
export async function openEmbeddedStore(o: EmbeddedStoreOptions, sig: Sig): Promise<ClusterStore> {
  const { clock, path, ...limits } = o;
  const database = { path: resolve(path), ...limits };
  const link = await WorkerLink.open({ clock, database, signal: sig.signal });
  const hint = new CommitHint(database.path);
  return new EmbeddedStore({
    link,
    clock,
    description: `embedded:${database.path}`,
    mayHaveCommitted: () => hint.mayHaveCommitted(),
  });
}
