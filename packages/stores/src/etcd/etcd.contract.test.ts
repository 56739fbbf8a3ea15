import { describeClusterStore } from '@holdfast/testing';
import { afterAll, beforeAll } from 'vitest';
import { etcdHarness, type SecureEtcd, secureEtcd } from './etcd-store.fixture.ts';

let secure: SecureEtcd;
beforeAll(async () => {
  secure = await secureEtcd();
});
afterAll(() => secure[Symbol.asyncDispose]());

describeClusterStore('etcd', async () => etcdHarness(secure.etcd, secure.options));
