import { setTimeout as sleep } from 'node:timers/promises';
import { type ClusterStore, SystemClock } from '@holdfast/core';
import { type ClusterStoreHarness, type EtcdCluster, TcpProxy } from '@holdfast/testing';
import { openEtcdStore } from './index.ts';

const { signal } = new AbortController();

/** A store of its own in a shared etcd, by a prefix; each handle comes over a line of its own, which can be cut. */
export function etcdHarness(etcd: EtcdCluster): ClusterStoreHarness {
  const prefix = `/${crypto.randomUUID()}/`;
  const proxies = new Map<ClusterStore, readonly TcpProxy[]>();
  const setAll = (lines: readonly TcpProxy[], mode: 'stall' | 'reset'): Promise<unknown> =>
    Promise.all(lines.map((proxy) => proxy.setMode(mode)));
  return {
    ttlMs: 1_500,
    handle: async () => {
      const lines = await Promise.all(etcd.members.map(({ port }) => TcpProxy.open(port)));
      const endpoints = lines.map(({ port }, index) => etcd.members[index]?.urlAt(port) ?? '');
      const store = await openEtcdStore({ endpoints, prefix, clock: new SystemClock() }, { signal });
      proxies.set(store, lines);
      return store;
    },
    cutOff: async (handle) => {
      await setAll(proxies.get(handle) ?? [], 'stall');
    },
    pass: async (ms) => {
      await sleep(ms);
    },
    forgetChanges: () => etcd.compact(),
    [Symbol.asyncDispose]: async () => {
      for (const [store, lines] of proxies) {
        // One that is cut off would try to say good-bye.
        if (lines.some(({ mode }) => mode === 'stall')) await setAll(lines, 'reset');
        await store[Symbol.asyncDispose]();
        await Promise.all(lines.map((proxy) => proxy[Symbol.asyncDispose]()));
      }
    },
  };
}
