import { describeClusterStore, type EtcdCluster, startEtcd } from '@holdfast/testing';
import { afterAll, beforeAll } from 'vitest';
import { etcdHarness } from './etcd-store.fixture.ts';

let etcd: EtcdCluster;
beforeAll(async () => {
  etcd = await startEtcd();
});
afterAll(() => etcd[Symbol.asyncDispose]());

describeClusterStore('etcd', async () => etcdHarness(etcd));
