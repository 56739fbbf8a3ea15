import { setTimeout as sleep } from 'node:timers/promises';
import { type ClusterStore, Secret, SystemClock } from '@holdfast/core';
import {
  type ClusterStoreHarness,
  type EtcdCluster,
  startEtcd,
  TcpProxy,
  testCertificates,
} from '@holdfast/testing';
import { type EtcdStoreOptions, openEtcdStore } from './index.ts';

const { signal } = new AbortController();

/** An etcd as it should be: three members, TLS, and a user who may do nothing but what the store needs. */
export interface SecureEtcd extends AsyncDisposable {
  readonly etcd: EtcdCluster;
  readonly options: Pick<EtcdStoreOptions, 'tls' | 'user' | 'password'>;
}

export async function secureEtcd(): Promise<SecureEtcd> {
  await using opened = new AsyncDisposableStack();
  const certificates = opened.use(await testCertificates());
  const { caFile, good } = certificates;
  const etcd = opened.use(await startEtcd({ members: 3, tls: { ...good, caFile } }));
  await etcd.requirePassword('root’s password');
  await etcd.addUser('holdfast', 'correct horse', '/holdfast/');
  const all = opened.move();
  return {
    etcd,
    options: { tls: { ca: caFile }, user: 'holdfast', password: new Secret('correct horse') },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

/** A store of its own in a shared etcd, by a prefix; each handle comes over lines of its own, which can be cut. */
export function etcdHarness(etcd: EtcdCluster, options: SecureEtcd['options'] = {}): ClusterStoreHarness {
  const prefix = `/holdfast/${crypto.randomUUID()}/`;
  const linesOf = new Map<ClusterStore, readonly TcpProxy[]>();
  const setAll = async (lines: readonly TcpProxy[], mode: 'stall' | 'reset'): Promise<void> => {
    await Promise.all(lines.map((line) => line.setMode(mode)));
  };
  return {
    // etcd's leases take two seconds at least, and half a second more to be noticed.
    ttlMs: 1_500,
    handle: async () => {
      const lines = await Promise.all(etcd.members.map(({ port }) => TcpProxy.open(port)));
      const endpoints = etcd.members.map((member, index) => member.urlAt(lines[index]?.port ?? 0));
      const store = await openEtcdStore(
        { ...options, endpoints, prefix, clock: new SystemClock() },
        { signal },
      );
      linesOf.set(store, lines);
      return store;
    },
    cutOff: (handle) => setAll(linesOf.get(handle) ?? [], 'stall'),
    pass: (ms) => sleep(ms),
    forgetChanges: () => etcd.compact(),
    [Symbol.asyncDispose]: async () => {
      for (const [store, lines] of linesOf) {
        // One that is cut off would wait for an answer to its good-bye.
        if (lines.some(({ mode }) => mode === 'stall')) await setAll(lines, 'reset');
        await store[Symbol.asyncDispose]();
        await Promise.all(lines.map((line) => line[Symbol.asyncDispose]()));
      }
    },
  };
}
