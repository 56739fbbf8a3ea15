import { once } from 'node:events';
import { readFile, stat } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { connect, createServer } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type TestCertificate, type TestCertificates, testCertificates } from './test-certificates.ts';

let certificates: TestCertificates;

beforeAll(async () => {
  certificates = await testCertificates();
});

afterAll(() => certificates[Symbol.asyncDispose]());

/** What a client that trusts the authority says of a server. */
async function said({ certFile, keyFile }: TestCertificate): Promise<string> {
  const server = createServer({ cert: await readFile(certFile), key: await readFile(keyFile) });
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const ca = await readFile(certificates.caFile);
  const socket = connect({ port, host: '127.0.0.1', servername: 'localhost', ca });
  try {
    await once(socket, 'secureConnect');
    return 'trusted';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  } finally {
    socket.destroy();
    server.close();
  }
}

test('each certificate is good or bad in the way that its name says', async () => {
  expect(await said(certificates.good)).toBe('trusted');
  expect(await said(certificates.expired)).toBe('CERT_HAS_EXPIRED');
  expect(await said(certificates.wrongName)).toBe('ERR_TLS_CERT_ALTNAME_INVALID');
  expect(await said(certificates.untrusted)).toBe('UNABLE_TO_VERIFY_LEAF_SIGNATURE');
});

test('keys are for their owner alone', async () => {
  expect((await stat(certificates.good.keyFile)).mode & 0o077).toBe(0);
});
