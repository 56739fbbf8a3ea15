// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these placeholders are Holdfast's own
import {
  type EtcdCluster,
  startEtcd,
  TcpProxy,
  type TemporaryFolder,
  temporaryFolder,
  testCertificates,
} from '@holdfast/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ExpectedFailure, expectFailure } from '../harness/failure.ts';
import { until } from '../harness/processes.ts';
import { RunningNode, writeConfig } from '../harness/running-node.ts';

let folder: TemporaryFolder;
let etcd: EtcdCluster;

beforeAll(async () => {
  folder = await temporaryFolder();
  etcd = await startEtcd();
});

afterAll(async () => {
  await etcd?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

interface Starting {
  /** Of its state. */
  readonly at: string;
  readonly name?: string;
  readonly endpoints?: readonly string[];
  /** Further fields of the store. */
  readonly store?: string;
}

const env = { CLUSTER_SECRET: 'the-secret-of-this-cluster', ETCD_PASSWORD: 's3cret-and-wrong' };

function settings({ at, name = at, endpoints = etcd.urls, store = '' }: Starting) {
  return {
    folder: folder.join(at),
    name,
    env,
    config: `store: { type: etcd, endpoints: ${JSON.stringify(endpoints)}${store} }
cluster: { secret: "\${env:CLUSTER_SECRET}", aliveFor: 2s }`,
  };
}

async function refused(starting: Starting, expected: ExpectedFailure): Promise<void> {
  const file = await writeConfig(settings(starting));
  await expectFailure(['start', '--config', file], expected, { env });
}

test('a node whose name another one has does not start, until that one is gone', async () => {
  const second: Starting = { at: 'second', name: 'node-a' };
  const first = await RunningNode.start(settings({ at: 'first', name: 'node-a' }));
  await refused(second, {
    code: 'config_invalid',
    exit: 2,
    says: ['another node of the cluster is named node-a', first.url],
    hint: /name of its own/,
  });
  expect((await first.client.getReadiness({ signal })).ready).toBe(true);
  await first[Symbol.asyncDispose]();
  await using instead = await RunningNode.start(settings(second));
  const nodes = await instead.client.listNodes({ signal });
  expect(nodes).toMatchObject([{ name: 'node-a', alive: true, self: true }]);
});

test('a node is not let into a cluster that is not its own', async () => {
  const [ours, theirs] = [', prefix: /ours/', ', prefix: /theirs/'];
  await (await RunningNode.start(settings({ at: 'moved', store: ours })))[Symbol.asyncDispose]();
  await (await RunningNode.start(settings({ at: 'resident', store: theirs })))[Symbol.asyncDispose]();
  await refused(
    { at: 'moved', store: theirs },
    {
      code: 'precondition_failed',
      exit: 2,
      says: [/is of cluster \S+, and this node belongs to cluster/],
      hint: 'store.prefix',
    },
  );
  await (await RunningNode.start(settings({ at: 'moved', store: ours })))[Symbol.asyncDispose]();
});

test('a store that another build has written is left alone', async () => {
  await etcd.ctl('put', '/newer/format', '99');
  await refused(
    { at: 'older', store: ', prefix: /newer/' },
    {
      code: 'unsupported',
      exit: 2,
      says: ['is of format 99, this build knows'],
      hint: 'run the Holdfast that wrote it',
    },
  );
  expect((await etcd.ctl('get', '--prefix', '/newer/')).trim().split('\n')).toEqual(['/newer/format', '99']);
});

test('a node does not start while etcd has no quorum, unless it is told to wait for that', async () => {
  await using three = await startEtcd({ members: 3 });
  const [only, ...others] = three.members;
  if (!only) throw new Error('there are three members');
  for (const member of others) await member.kill();
  await using line = await TcpProxy.open(only.port);
  const endpoints = [only.urlAt(line.port)];
  await refused(
    { at: 'hasty', endpoints },
    { code: 'unavailable', exit: 3, says: [/etcd|store/], hint: 'store.wait in holdfast.yaml' },
  );
  line.resetCounters();
  const patient = RunningNode.start(settings({ at: 'patient', endpoints, store: ', wait: 5m' }));
  await until('it has asked for its store', () => line.connections > 0);
  for (const member of others) await member.spawn();
  await using node = await patient;
  expect((await node.client.getReadiness({ signal })).ready).toBe(true);
});

test('a store that wants a password gets the right one, or the node says that it is wrong', async () => {
  await using guarded = await startEtcd();
  await guarded.requirePassword('s3cret-and-right');
  const endpoints = guarded.urls;
  await refused(
    { at: 'nobody', endpoints },
    { code: 'unauthenticated', exit: 2, says: [guarded.urls[0] ?? ''], hint: /user/ },
  );
  await refused(
    { at: 'guesser', endpoints, store: ', user: root, password: "${env:ETCD_PASSWORD}"' },
    { code: 'unauthenticated', exit: 2, says: [guarded.urls[0] ?? ''], hint: /password/ },
  );
});

test('a store whose certificate nobody vouches for is not trusted', async () => {
  await using certificates = await testCertificates();
  const { untrusted, caFile } = certificates;
  await using strange = await startEtcd({ tls: { ...untrusted, caFile } });
  await refused(
    { at: 'careful', endpoints: strange.urls, store: `, tls: { ca: ${caFile} }` },
    {
      code: 'unauthenticated',
      exit: 2,
      says: ['signed by nobody who is trusted', strange.urls[0] ?? ''],
      hint: 'tls.ca',
    },
  );
});

const { signal } = new AbortController();
