import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client, contract } from '@holdfast/client';
import { Secret } from '@holdfast/core';
import { temporaryFolder } from '@holdfast/testing';
import { expect, it } from 'vitest';
import { never, openTestServer, post, until } from './server.fixture.ts';

const token = new Secret('0123456789abcdef0123');

/** A certificate for localhost and 127.0.0.1 that has signed itself. */
async function certificate(): Promise<{ cert: string; key: Secret }> {
  await using folder = await temporaryFolder();
  const [key, cert] = [join(folder.path, 'key.pem'), join(folder.path, 'cert.pem')];
  const names = 'subjectAltName=DNS:localhost,IP:127.0.0.1';
  const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const out = ['-days', '2', '-subj', '/CN=node-a', '-addext', names, '-keyout', key, '-out', cert];
  execFileSync('openssl', [...request, ...out], { stdio: 'ignore' });
  return { cert: readFileSync(cert, 'utf8'), key: new Secret(readFileSync(key, 'utf8')) };
}

it.each(['0.0.0.0:0', '[::]:0', '10.0.0.1:6362', 'node-a.internal:6362'])(
  'listening on %s without certificate and token is refused',
  async (listen) => {
    const opening = openTestServer({ listen });
    await expect(opening).rejects.toMatchObject({
      code: 'config_invalid',
      message: expect.stringMatching(/needs a certificate and its key and a token$/),
    });
    await expect(openTestServer({ listen, token })).rejects.toMatchObject({
      message: expect.stringMatching(/needs a certificate and its key$/),
    });
  },
);

it.each(['127.0.0.1', ':6362', 'localhost:99999', '::1:6362', '[127.0.0.1]:1', 'http://127.0.0.1:1'])(
  '%s is no address to listen on',
  async (listen) => {
    await expect(openTestServer({ listen })).rejects.toMatchObject({
      code: 'config_invalid',
      hint: 'as in 127.0.0.1:6362 or [::1]:6362',
    });
  },
);

it('an address in use is refused, and named with the next step', async () => {
  await using first = await openTestServer();
  const listen = `127.0.0.1:${first.server.address.port}`;
  await expect(openTestServer({ listen })).rejects.toMatchObject({
    code: 'precondition_failed',
    message: `[precondition_failed] ${listen} is in use`,
    hint: expect.stringContaining('listen'),
  });
});

it.each(['too-short', 'with white space in the middle', 'ümlaute-ümlaute-ümlaute'])(
  'the token %j is refused',
  async (text) => {
    const opening = openTestServer({ token: new Secret(text) });
    await expect(opening).rejects.toMatchObject({
      code: 'config_invalid',
      hint: expect.stringContaining('openssl'),
    });
    await expect(opening).rejects.not.toMatchObject({ message: expect.stringContaining(text) });
  },
);

it('a certificate that is none is refused', async () => {
  const tls = { cert: 'none', key: new Secret('none') };
  await expect(openTestServer({ tls, token })).rejects.toMatchObject({ code: 'config_invalid' });
});

it('with certificate and token it may be reached from elsewhere, by those who trust it', async () => {
  const tls = await certificate();
  await using test = await openTestServer({ listen: '0.0.0.0:0', tls, token, names: ['node-a.internal'] });
  const { port } = test.server.address;
  expect(test.server.url).toBe(`https://localhost:${port}`);
  const url = `https://127.0.0.1:${port}`;
  const client = new Client({ url, token, ca: tls.cert });
  expect(await client.getStatus({ signal: never })).toMatchObject({ node: 'node-a' });
  expect(await client.pauseTask({ task: 'orders', signal: never })).toMatchObject({ state: 'paused' });
  const withoutToken = new Client({ url, ca: tls.cert }).getStatus({ signal: never });
  await expect(withoutToken).rejects.toMatchObject({
    code: 'unauthenticated',
    reason: 'this node asks for a token',
  });
  const withoutTrust = new Client({ url, token }).getStatus({ signal: never });
  await expect(withoutTrust).rejects.toMatchObject({
    code: 'unauthenticated',
    message: expect.stringContaining('is not trusted'),
  });
  const plain = new Client({ url: `http://127.0.0.1:${port}` }).getStatus({ signal: never });
  await expect(plain).rejects.toMatchObject({ code: 'unavailable' });
});

it('closing takes no more requests and lets those in flight end', async () => {
  const test = await openTestServer();
  const answer = Promise.withResolvers<unknown>();
  test.answer('pauseTask', () => answer.promise);
  const asking = test.fetch('/v1/tasks/orders/pause', post({}));
  await until(() => test.calls.length === 1);
  const closing = test[Symbol.asyncDispose]();
  await expect(test.client.getStatus({ signal: never })).rejects.toMatchObject({ code: 'unavailable' });
  answer.resolve(contract.pauseTask.examples[0].output);
  const response = await asking;
  expect(response.status).toBe(200);
  expect(response.headers.get('connection')).toBe('close');
  await closing;
  await test[Symbol.asyncDispose]();
  expect(test.listeners).toBe(0);
  expect(test.clock.sleeping).toBe(0);
});

it('closing cuts off what does not end in time', async () => {
  const test = await openTestServer();
  test.answer('pauseTask', () => new Promise(() => {}));
  const asking = test.fetch('/v1/tasks/orders/pause', post({})).then(
    ({ status }) => status,
    () => 'cut off',
  );
  await until(() => test.calls.length === 1);
  const closing = test[Symbol.asyncDispose]();
  await test.clock.advance(4_999);
  expect(test.clock.sleeping).toBeGreaterThan(0);
  await test.clock.advance(1);
  await closing;
  expect(['cut off', 503]).toContain(await asking);
});

it('a waiting run is answered as it is when the server is closed', async () => {
  const test = await openTestServer();
  const running = contract.cancelRun.examples[0].output;
  test.answer('getRun', running);
  const asking = test.client.getRun({ run: running.id, wait: '30s', signal: never });
  await until(() => test.listeners === 2 && test.calls.length === 1);
  const closing = test[Symbol.asyncDispose]();
  expect(await asking).toEqual(running);
  await closing;
});
