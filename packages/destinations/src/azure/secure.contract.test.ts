import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { type AddressInfo, createServer as createSilent, type Socket } from 'node:net';
import { HoldfastError, SystemClock } from '@holdfast/core';
import {
  type AzuriteServer,
  bodyOf,
  collect,
  FakeClock,
  startAzurite,
  type TestCertificate,
  testCertificates,
} from '@holdfast/testing';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { AzureDestination } from './azure-destination.ts';
import { parseAzureUrl } from './url.ts';

const { signal } = new AbortController();
const clock = new SystemClock();

function open(server: AzuriteServer, parameters: Readonly<Record<string, string>>): AzureDestination {
  const { account, endpoint } = server;
  const query = new URLSearchParams({ account, endpoint, ...parameters });
  return new AzureDestination({ location: parseAzureUrl(`azure://backups?${query}`), clock });
}

async function refusal(certificate: TestCertificate, caFile?: string): Promise<HoldfastError> {
  await using server = await startAzurite({ tls: certificate });
  await using place = open(server, { accountKey: server.accountKey, ...(caFile && { caFile }) });
  return HoldfastError.from(await place.prepare({ signal }).catch((error: unknown) => error));
}

describe('over HTTPS', () => {
  test('a certificate is refused that is of another name, expired, or of an unknown authority', async () => {
    await using made = await testCertificates();
    for (const [certificate, caFile, code] of [
      [made.untrusted, made.caFile, 'UNABLE_TO_VERIFY'],
      [made.good, undefined, 'UNABLE_TO_VERIFY'],
      [made.wrongName, made.caFile, 'ALTNAME'],
      [made.expired, made.caFile, 'EXPIRED'],
    ] as const) {
      const refused = await refusal(certificate, caFile);
      expect(refused).toMatchObject({ code: 'precondition_failed', hint: expect.stringContaining('caFile') });
      expect(refused.reason).toContain(code);
    }
  });

  test('the authority in caFile is trusted, and then the container is what is missing', async () => {
    await using made = await testCertificates();
    expect(await refusal(made.good, made.caFile)).toMatchObject({
      code: 'precondition_failed',
      reason: expect.stringContaining('no container'),
    });
  });

  test('a caFile that is not there is said', async () => {
    await using made = await testCertificates();
    expect(await refusal(made.good, '/no/such/ca.pem')).toMatchObject({
      code: 'config_invalid',
      reason: expect.stringContaining('/no/such/ca.pem'),
    });
  });
});

test('a service that takes a connection and never shakes hands is unavailable after half a minute', async () => {
  const silent = createSilent();
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const fake = new FakeClock();
  const { port } = silent.address() as AddressInfo;
  const accountKey = Buffer.alloc(64).toString('base64');
  const endpoint = `https://127.0.0.1:${port}`;
  const parameters = new URLSearchParams({ account: 'acct1', endpoint, accountKey });
  const location = parseAzureUrl(`azure://backups?${parameters}`);
  await using place = new AzureDestination({ location, clock: fake });
  const looking = place.stat('k', { signal });
  looking.catch(() => undefined);
  const [client] = (await once(silent, 'connection')) as [Socket];
  await once(client, 'data');
  await fake.advance(30_000);
  await expect(looking).rejects.toMatchObject({
    code: 'unavailable',
    reason: expect.stringContaining('ETIMEDOUT'),
  });
  silent.close();
});

/** Gives tokens to the machine that it runs on, as Azure's own machines have it. */
async function tokenService(): Promise<AsyncDisposable & { readonly url: string; readonly asked: string[] }> {
  const asked: string[] = [];
  const service = createServer((from: IncomingMessage, to) => {
    asked.push(from.url ?? '');
    if (from.url?.includes('unknown')) return void to.writeHead(400).end('{}');
    const now = Math.floor(clock.now() / 1000);
    const claims = {
      aud: 'https://storage.azure.com',
      iss: 'https://sts.windows-ppe.net/ab1f708d-50f6-404c-a006-d71b2ac7a606/',
      nbf: now - 60,
      iat: now - 60,
      exp: now + 3600,
    };
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const token = `${part({ alg: 'RS256', typ: 'JWT' })}.${part(claims)}.${Buffer.from('any').toString('base64url')}`;
    to.setHeader('content-type', 'application/json');
    to.end(
      JSON.stringify({
        access_token: token,
        expires_on: String(now + 3600),
        resource: 'https://storage.azure.com',
        token_type: 'Bearer',
      }),
    );
  });
  service.listen(0, '127.0.0.1');
  await once(service, 'listening');
  return {
    asked,
    url: `http://127.0.0.1:${(service.address() as AddressInfo).port}/token`,
    async [Symbol.asyncDispose]() {
      service.closeAllConnections();
      service.close();
    },
  };
}

describe('an identity', () => {
  // One service for all: the library remembers where it was for the whole process, and keeps its tokens.
  let tokens: Awaited<ReturnType<typeof tokenService>>;
  beforeAll(async () => {
    tokens = await tokenService();
    vi.stubEnv('IDENTITY_ENDPOINT', tokens.url);
    vi.stubEnv('IDENTITY_HEADER', 'known to the machine alone');
  });
  afterAll(async () => {
    vi.unstubAllEnvs();
    await tokens[Symbol.asyncDispose]();
  });

  for (const identity of ['managed', 'default'] as const) {
    test(`${identity} of the machine writes and reads, by tokens of its own`, async () => {
      await using made = await testCertificates();
      const clientId = `of-${identity}`;
      await using server = await startAzurite({ tls: made.good, tokens: true });
      await server.createContainer('backups', made.caFile);
      await using place = open(server, { identity, caFile: made.caFile, clientId });
      await place.prepare({ signal });
      await place.write('k', bodyOf(Buffer.from('by a token')), { signal, ifAbsent: true });
      expect((await collect(place.read('k', { signal }))).toString()).toBe('by a token');
      expect(tokens.asked.filter((url) => url.includes(clientId))).toHaveLength(1);
    });
  }

  test('that the machine does not have is unauthenticated, with what to look at', async () => {
    await using made = await testCertificates();
    await using server = await startAzurite({ tls: made.good, tokens: true });
    await using place = open(server, { identity: 'managed', caFile: made.caFile, clientId: 'unknown' });
    await expect(place.prepare({ signal })).rejects.toMatchObject({
      code: 'unauthenticated',
      hint: expect.stringContaining('managed identity'),
    });
  });
});
