import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createSecureServer, createServer } from 'node:http2';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { type ClusterStore, HoldfastError, Secret, SystemClock } from '@holdfast/core';
import {
  type EtcdCluster,
  freePort,
  startEtcd,
  type TestCertificates,
  temporaryFolder,
  testCertificates,
} from '@holdfast/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Maintenance } from './etcd.generated.ts';
import { type EtcdStoreOptions, openEtcdStore } from './index.ts';

const { signal } = new AbortController();
const clock = new SystemClock();
const say = (text: string) => expect.stringContaining(text);

let certificates: TestCertificates;
let plain: EtcdCluster;
let secure: EtcdCluster;
beforeAll(async () => {
  certificates = await testCertificates();
  const { good, caFile } = certificates;
  [plain, secure] = await Promise.all([startEtcd(), startEtcd({ tls: { ...good, caFile } })]);
  await secure.requirePassword('root’s');
  await secure.addUser('holdfast', 'right', '/holdfast/');
});
afterAll(async () => {
  await Promise.all([plain, secure].map((etcd) => etcd[Symbol.asyncDispose]()));
  await certificates[Symbol.asyncDispose]();
});

function open(o: Partial<EtcdStoreOptions> = {}): Promise<ClusterStore> {
  return openEtcdStore({ endpoints: plain.urls, clock, ...o }, { signal });
}

function openSecure(o: Partial<EtcdStoreOptions> = {}): Promise<ClusterStore> {
  return open({
    endpoints: secure.urls,
    tls: { ca: certificates.caFile },
    user: 'holdfast',
    password: new Secret('right'),
    ...o,
  });
}

async function failing(opening: Promise<ClusterStore>): Promise<HoldfastError> {
  try {
    await using _ = await opening;
  } catch (error) {
    return HoldfastError.from(error);
  }
  throw new Error('it opened');
}

describe('nobody there', () => {
  test('when all endpoints refuse connections they are named, each with its reason', async () => {
    const urls = [`http://127.0.0.1:${await freePort()}`, `http://localhost:${await freePort()}`];
    const error = await failing(open({ endpoints: urls }));
    expect(error.code).toBe('unavailable');
    for (const url of urls) expect(error.message).toContain(`${url}: nobody listens there`);
    expect(await failing(open({ endpoints: ['http://no-such-host.invalid:2379'] }))).toMatchObject({
      code: 'unavailable',
      message: say('no such host'),
    });
  });

  test('one endpoint that answers is enough', async () => {
    await using store = await open({ endpoints: [`http://127.0.0.1:${await freePort()}`, ...plain.urls] });
    expect(await store.get('k', { signal })).toBeUndefined();
  });

  test('a server that says nothing is given up in time', async () => {
    const silent = createTcpServer((socket) => socket.on('error', () => {}));
    await once(silent.listen(0, '127.0.0.1'), 'listening');
    const { port } = silent.address() as AddressInfo;
    for (const scheme of ['http', 'https']) {
      const o = { endpoints: [`${scheme}://127.0.0.1:${port}`], callMaxMs: 300 };
      expect(await failing(open(o))).toMatchObject({
        code: 'unavailable',
        message: say('did not answer in time'),
      });
    }
    silent.close();
  });

  test('an abort ends the opening at once', async () => {
    const silent = createTcpServer((socket) => socket.on('error', () => {}));
    await once(silent.listen(0, '127.0.0.1'), 'listening');
    const { port } = silent.address() as AddressInfo;
    const abort = new AbortController();
    const o = { endpoints: [`http://127.0.0.1:${port}`], clock, callMaxMs: 600_000 };
    const opening = failing(openEtcdStore(o, { signal: abort.signal }));
    const reason = new HoldfastError('cancelled', 'enough');
    abort.abort(reason);
    expect(await opening).toBe(reason);
    silent.close();
  });
});

describe('TLS', () => {
  test('a certificate that nobody trusted has signed is refused, with the option that names an authority', async () => {
    expect(await failing(openSecure({ tls: {} }))).toMatchObject({
      code: 'unauthenticated',
      message: say('signed by nobody who is trusted'),
      hint: say('tls.ca'),
    });
  });

  for (const [name, message] of Object.entries({
    expired: 'has expired',
    wrongName: 'is made out to DNS:another.example',
    untrusted: 'signed by nobody who is trusted',
  } as const)) {
    test(`a certificate that is ${name} is refused, and said to be`, async () => {
      const { caFile } = certificates;
      const certificate = certificates[name as 'expired' | 'wrongName' | 'untrusted'];
      const [cert, key] = await Promise.all([
        readFile(certificate.certFile, 'utf8'),
        readFile(certificate.keyFile, 'utf8'),
      ]);
      const server = createSecureServer({ cert, key });
      await once(server.listen(0, '127.0.0.1'), 'listening');
      const { port } = server.address() as AddressInfo;
      const endpoints = [`https://127.0.0.1:${port}`];
      const error = await failing(open({ endpoints, tls: { ca: caFile } }));
      server.close();
      expect(error).toMatchObject({
        code: 'unauthenticated',
        message: say(message),
        hint: expect.any(String),
      });
    });
  }

  test('https to a port without TLS, and http to one with it, are told', async () => {
    const port = plain.members[0]?.port;
    const tls = { ca: certificates.caFile };
    expect(await failing(open({ endpoints: [`https://127.0.0.1:${port}`], tls }))).toMatchObject({
      code: 'unavailable',
      message: say('does not answer in TLS'),
      hint: say('http://'),
    });
    const securePort = secure.members[0]?.port;
    expect(
      await failing(open({ endpoints: [`http://127.0.0.1:${securePort}`], callMaxMs: 3_000 })),
    ).toMatchObject({
      code: 'unavailable',
      hint: say('https://'),
    });
  });

  test('members that demand a certificate get it, or the operator is told', async () => {
    const { good, caFile } = certificates;
    await using etcd = await startEtcd({ tls: { ...good, caFile, clientCertificates: true } });
    const endpoints = etcd.urls;
    expect(await failing(open({ endpoints, tls: { ca: caFile } }))).toMatchObject({
      code: 'unauthenticated',
      hint: say('tls.cert'),
    });
    const { certFile: cert, keyFile: key } = certificates.good;
    await using store = await open({ endpoints, tls: { ca: caFile, cert, key } });
    expect(await store.get('k', { signal })).toBeUndefined();
  });
});

describe('users', () => {
  test('without a user, with an unknown one, or with a wrong password, nobody comes in', async () => {
    const { caFile } = certificates;
    const unauthenticated = { code: 'unauthenticated', hint: expect.any(String) };
    const anonymous = open({ endpoints: secure.urls, tls: { ca: caFile } });
    expect(await failing(anonymous)).toMatchObject({ ...unauthenticated, hint: say('user') });
    for (const o of [{ user: 'nobody' }, { password: new Secret('wrong horse') }]) {
      const error = await failing(openSecure(o));
      expect(error).toMatchObject({ ...unauthenticated, hint: say('password') });
      expect(JSON.stringify([error.message, error.hint, String(error.cause)])).not.toContain('horse');
    }
  });

  test('a user who may not use the prefix is told at the opening which right is missing', async () => {
    expect(await failing(openSecure({ prefix: '/elsewhere/' }))).toMatchObject({
      code: 'permission_denied',
      hint: say('grant-permission'),
    });
  });

  test('a user who may only read is told when he writes', async () => {
    await secure.ctl('role', 'add', 'reader');
    await secure.ctl('role', 'grant-permission', 'reader', '--prefix=true', 'read', '/holdfast/');
    await secure.ctl('user', 'add', 'reader:eyes');
    await secure.ctl('user', 'grant-role', 'reader', 'reader');
    await using store = await openSecure({ user: 'reader', password: new Secret('eyes') });
    expect(await store.get('k', { signal })).toBeUndefined();
    const put = store.transact({ puts: [{ key: 'k', value: 'x' }] }, { signal });
    await expect(put).rejects.toMatchObject({ code: 'permission_denied' });
  });

  test('a user and a password for an etcd that asks for none do no harm', async () => {
    await using store = await open({ user: 'holdfast', password: new Secret('right') });
    expect(await store.get('k', { signal })).toBeUndefined();
  });

  test('what describes the store has no secret in it', async () => {
    await using store = await openSecure();
    expect(store.description).toBe(`etcd:${secure.urls[0]}/holdfast/`);
  });
});

test('an etcd that is full refuses to write with what to do about it, and goes on reading', async () => {
  await using etcd = await startEtcd({ args: ['--quota-backend-bytes', `${4 * 1024 * 1024}`] });
  await using store = await open({ endpoints: etcd.urls });
  await store.transact({ puts: [{ key: 'k', value: 'x' }] }, { signal });
  const fill = async (): Promise<void> => {
    for (let i = 0; i < 50; i += 1) {
      await store.transact({ puts: [{ key: 'big', value: `${i}`.padEnd(500_000, '-') }] }, { signal });
    }
  };
  await expect(fill()).rejects.toMatchObject({ code: 'exhausted', hint: say('alarm disarm') });
  expect(await store.get('k', { signal })).toMatchObject({ value: 'x' });
});

test('an etcd that takes less than its default is told apart from a fault of ours', async () => {
  await using etcd = await startEtcd({ args: ['--max-txn-ops', '8', '--max-request-bytes', '100000'] });
  await using store = await open({ endpoints: etcd.urls });
  const many = Array.from({ length: 9 }, (_, i) => ({ key: `${i}`, value: 'x' }));
  await expect(store.transact({ puts: many }, { signal })).rejects.toMatchObject({
    code: 'config_invalid',
    hint: say('--max-txn-ops'),
  });
  const big = [{ key: 'k', value: 'x'.repeat(200_000) }];
  await expect(store.transact({ puts: big }, { signal })).rejects.toMatchObject({
    code: 'config_invalid',
    hint: say('--max-request-bytes'),
  });
});

test('an etcd before 3.4 is refused', async () => {
  const handler = connectNodeAdapter({
    routes: (router) => router.service(Maintenance, { status: () => ({ version: '3.3.27' }) }),
  });
  const old = createServer(handler);
  await once(old.listen(0, '127.0.0.1'), 'listening');
  const { port } = old.address() as AddressInfo;
  expect(await failing(open({ endpoints: [`http://127.0.0.1:${port}`] }))).toMatchObject({
    code: 'unsupported',
    message: say('3.3.27'),
    hint: say('3.4'),
  });
  old.close();
});

test('certificates and keys are given as they are or as paths; what is wrong with them is told', async () => {
  await using folder = await temporaryFolder();
  const { caFile } = certificates;
  expect(await failing(openSecure({ tls: { ca: folder.join('none.pem') } }))).toMatchObject({
    code: 'config_invalid',
    message: say('tls.ca'),
  });
  const mixed = { ca: caFile, cert: certificates.good.certFile, key: certificates.untrusted.keyFile };
  expect(await failing(openSecure({ tls: mixed }))).toMatchObject({ code: 'config_invalid' });
});
