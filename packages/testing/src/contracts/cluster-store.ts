import { describe } from 'vitest';
import { describeEntries } from './cluster-store-entries.ts';
import type { OpenClusterStore } from './cluster-store-harness.ts';
import { describeStoreLimits } from './cluster-store-limits.ts';
import { describeRaces } from './cluster-store-races.ts';
import { describeSessions } from './cluster-store-sessions.ts';
import { describeWatch } from './cluster-store-watch.ts';

export interface ClusterStoreContractOptions {
  /** Of a single test; for stores that know real time only. */
  readonly timeoutMs?: number;
}

/**
 * The contract of `ClusterStore`: one test per clause of its comment. Whatever implements the port is under it:
 * drivers, wrappers and fakes. Most clauses are about what one process sees of another: tests open several handles.
 *
 *   describeClusterStore('etcd', async () => etcdHarness(await newPrefix()))
 */
export function describeClusterStore(
  name: string,
  open: OpenClusterStore,
  options: ClusterStoreContractOptions = {},
): void {
  describe(`cluster store ${name}`, { timeout: options.timeoutMs ?? 60_000 }, () => {
    describeEntries(open);
    describeStoreLimits(open);
    describeRaces(open);
    describeWatch(open);
    describeSessions(open);
  });
}
