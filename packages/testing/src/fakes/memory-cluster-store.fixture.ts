import type { ClusterStore } from '@holdfast/core';
import type { ClusterStoreHarness } from '../contracts/cluster-store-harness.ts';
import { FakeClock } from './fake-clock.ts';
import { MemoryClusterStore } from './memory-cluster-store.ts';
import { MemoryClusterTable } from './memory-cluster-table.ts';

/** The contract's harness for stores in memory, or for what is wrapped around them. */
export function memoryHarness(
  wrap: (store: MemoryClusterStore) => ClusterStore = (store) => store,
): ClusterStoreHarness {
  const clock = new FakeClock();
  const table = new MemoryClusterTable();
  const inner = new Map<ClusterStore, MemoryClusterStore>();
  return {
    ttlMs: 6_000,
    handle: async () => {
      const store = new MemoryClusterStore({ clock, table });
      const handle = wrap(store);
      inner.set(handle, store);
      return handle;
    },
    cutOff: async (handle) => inner.get(handle)?.cutOff(),
    pass: (ms) => clock.advance(ms),
    forgetChanges: async () => table.forgetChanges(),
    [Symbol.asyncDispose]: async () => {
      for (const handle of inner.keys()) await handle[Symbol.asyncDispose]();
    },
  };
}
