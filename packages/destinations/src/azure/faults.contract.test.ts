import { readFile, writeFile } from 'node:fs/promises';
import { type CredentialCommand, HoldfastError, SystemClock } from '@holdfast/core';
import {
  type AzuriteServer,
  bodyOf,
  collect,
  freePort,
  gatedBody,
  listedKeys,
  seededBytes,
  sha256Of,
  TcpProxy,
  type TemporaryFolder,
  temporaryFolder,
} from '@holdfast/testing';
import { describe, expect, test } from 'vitest';
import { azuriteForTests, openAzure, sasOf, urlOf } from './azure.fixture.ts';
import { AzureDestination } from './azure-destination.ts';
import { Between } from './between.fixture.ts';
import { parseAzureUrl } from './url.ts';

const azurite = azuriteForTests();
const { signal } = new AbortController();
const clock = new SystemClock();
const mebibyte = 1_048_576;

function open(url: string): AzureDestination {
  return new AzureDestination({ location: parseAzureUrl(url), clock });
}

/** What each verb says; `ok` where it works. */
async function said(place: AzureDestination): Promise<Record<string, string>> {
  const attempt = async (act: () => Promise<unknown>): Promise<string> => {
    try {
      await act();
      return 'ok';
    } catch (error) {
      return HoldfastError.from(error).code;
    }
  };
  return {
    prepare: await attempt(() => place.prepare({ signal })),
    write: await attempt(() => place.write('k', bodyOf(seededBytes(1000, 1)), { signal })),
    read: await attempt(() => collect(place.read('k', { signal }))),
    stat: await attempt(() => place.stat('k', { signal })),
    list: await attempt(() => listedKeys(place)),
    delete: await attempt(() => place.delete('k', { signal })),
  };
}

function allAre(code: string): Record<string, string> {
  const verbs = ['prepare', 'write', 'read', 'stat', 'list', 'delete'];
  return Object.fromEntries(verbs.map((verb) => [verb, code]));
}

describe('a place that', () => {
  test('is given a wrong account key says so', async () => {
    const { server } = azurite;
    const wrong = Buffer.alloc(64, 7).toString('base64');
    const url = urlOf(server, await server.createContainer()).replace(
      /accountKey=[^&]+/,
      `accountKey=${encodeURIComponent(wrong)}`,
    );
    await using place = open(url);
    expect(await said(place)).toEqual(allAre('unauthenticated'));
    const refused = await place.prepare({ signal }).catch((error: HoldfastError) => error);
    expect(refused).toMatchObject({ hint: expect.stringContaining('key belongs to this account') });
    expect(String(refused)).not.toContain(wrong.slice(0, 10));
  });

  test('is of an unknown account says so', async () => {
    const { server } = azurite;
    const endpoint = `http://127.0.0.1:${server.port}/nosuchaccount`;
    await using place = open(
      urlOf(server, 'backups', { endpoint }).replace(`account=${server.account}`, 'account=nosuchaccount'),
    );
    await expect(place.prepare({ signal })).rejects.toMatchObject({
      code: 'precondition_failed',
      reason: expect.stringContaining('knows no such storage account'),
    });
  });

  test('has no container says so, with the command that creates it', async () => {
    const { server } = azurite;
    await using place = open(urlOf(server, 'no-such-container'));
    await expect(place.prepare({ signal })).rejects.toMatchObject({
      code: 'precondition_failed',
      reason: expect.stringContaining('there is no container no-such-container'),
      hint: expect.stringContaining('az storage container create --name no-such-container'),
    });
    const writing = place.write('k', bodyOf(Buffer.from('x')), { signal });
    await expect(writing).rejects.toMatchObject({ code: 'precondition_failed' });
    await expect(listedKeys(place)).rejects.toMatchObject({ code: 'precondition_failed' });
    await expect(place.delete('k', { signal })).rejects.toMatchObject({ code: 'precondition_failed' });
  });

  test('is given a SAS token that has expired says when it did', async () => {
    const { server } = azurite;
    const container = await server.createContainer();
    await using place = await openAzure(server, {
      container,
      sasToken: sasOf(server, container, { expiresInMs: -3_600_000 }),
    });
    expect(await said(place)).toEqual(allAre('unauthenticated'));
    const refused = await place.prepare({ signal }).catch((error: HoldfastError) => error);
    expect(String(refused)).toMatch(/the SAS token expired at 20\d\d-/);
    expect(String(refused)).not.toContain('sig=');
  });

  test('is given a SAS token that may only read refuses to write, and says what is missing', async () => {
    const { server } = azurite;
    const container = await server.createContainer();
    await using owner = await openAzure(server, { container });
    await owner.prepare({ signal });
    await owner.write('k', bodyOf(Buffer.from('x')), { signal });
    await using place = await openAzure(server, {
      container,
      sasToken: sasOf(server, container, { permissions: 'rl' }),
    });
    expect(await said(place)).toEqual({
      ...allAre('ok'),
      prepare: 'permission_denied',
      write: 'permission_denied',
      delete: 'permission_denied',
    });
    await expect(place.write('k2', bodyOf(Buffer.from('x')), { signal })).rejects.toMatchObject({
      hint: expect.stringContaining('rcwdl'),
    });
  });

  test('is given a SAS token that may only write takes backups, and says what it cannot', async () => {
    const { server } = azurite;
    const container = await server.createContainer();
    await using place = await openAzure(server, {
      container,
      sasToken: sasOf(server, container, { permissions: 'cw' }),
      parameters: 'blockSize=1',
    });
    const warnings = await place.prepare({ signal });
    expect(warnings.join()).toContain('may write');
    expect(place.features).toMatchObject({ writeOnly: true, resumableWrite: false });
    const bytes = seededBytes(3 * mebibyte, 1);
    const promise = {
      signal,
      ifAbsent: true,
      resumable: true,
      sizeBytes: bytes.length,
      sha256: sha256Of(bytes),
    };
    await place.write('large', bodyOf(bytes), promise);
    await place.write('small', bodyOf(bytes.subarray(0, 1000)), { signal, ifAbsent: true });
    await expect(place.write('large', bodyOf(bytes), promise)).rejects.toMatchObject({ code: 'conflict' });
    await expect(listedKeys(place)).rejects.toMatchObject({ code: 'permission_denied' });
    await using owner = await openAzure(server, { container });
    expect(sha256Of(await collect(owner.read('large', { signal })))).toBe(promise.sha256);
    expect(await listedKeys(owner)).toEqual(['large', 'small']);
  });

  test('is given a SAS token that may not delete or list warns of it', async () => {
    const { server } = azurite;
    const container = await server.createContainer();
    await using place = await openAzure(server, {
      container,
      sasToken: sasOf(server, container, { permissions: 'rcw' }),
    });
    const warnings = await place.prepare({ signal });
    expect(warnings).toEqual([
      expect.stringContaining('may not delete'),
      expect.stringContaining('may not list'),
    ]);
    expect(place.repositoryId).toBeDefined();
  });
});

/** Prints the first token once, and the second ever after. */
async function twoTokens(folder: TemporaryFolder, first: object, second: object): Promise<CredentialCommand> {
  await writeFile(folder.join('first'), JSON.stringify(first));
  await writeFile(folder.join('second'), JSON.stringify(second));
  const script = `if mkdir ${folder.join('used')} 2>/dev/null; then cat ${folder.join('first')}; else echo x >> ${folder.join('calls')}; cat ${folder.join('second')}; fi`;
  return { command: ['/bin/sh', '-c', script], timeoutMs: 10_000 };
}

describe('credentials from a program', () => {
  async function written(server: AzuriteServer, first: object, container: string): Promise<void> {
    await using folder = await temporaryFolder('tokens');
    const credentials = await twoTokens(folder, first, { sasToken: sasOf(server, container) });
    await using place = await openAzure(server, { container, credentials, parameters: 'blockSize=1' });
    const bytes = seededBytes(9 * mebibyte, 1);
    const body = gatedBody(bytes.subarray(0, 4 * mebibyte), bytes.subarray(4 * mebibyte));
    const writing = place.write('k', body, { signal, sizeBytes: bytes.length });
    await body.reached;
    await clock.sleep(2_500, signal);
    body.open();
    await writing;
    expect(sha256Of(await collect(place.read('k', { signal })))).toBe(sha256Of(bytes));
  }

  test('are asked for again when a SAS token expires in the middle of an upload', async () => {
    const { server } = azurite;
    const container = await server.createContainer();
    await written(server, { sasToken: sasOf(server, container, { expiresInMs: 2_000 }) }, container);
  });

  test('are asked for again before they expire', async () => {
    const { server } = azurite;
    const container = await server.createContainer();
    const expiration = new Date(clock.now() + 60_000).toISOString();
    await written(server, { sasToken: sasOf(server, container), expiration }, container);
  });

  test('are asked for once by all requests that were refused at the same time', async () => {
    const { server } = azurite;
    const container = await server.createContainer();
    await using folder = await temporaryFolder('tokens');
    const refused = { sasToken: sasOf(server, container, { expiresInMs: -1000 }) };
    const credentials = await twoTokens(folder, refused, { accountKey: server.accountKey });
    await using place = await openAzure(server, { container, credentials });
    const keys = Array.from({ length: 8 }, (_, i) => `k${i}`);
    await Promise.all(keys.map((key) => place.write(key, bodyOf(Buffer.from(key)), { signal })));
    expect(await listedKeys(place)).toEqual(keys);
    expect(await readFile(folder.join('calls'), 'utf8')).toBe('x\n');
  });

  test('that are refused again and again end in an error', async () => {
    const { server } = azurite;
    const container = await server.createContainer();
    await using folder = await temporaryFolder('tokens');
    const refused = { sasToken: sasOf(server, container, { expiresInMs: -1000 }) };
    const credentials = await twoTokens(folder, refused, refused);
    await using place = await openAzure(server, { container, credentials });
    await expect(place.prepare({ signal })).rejects.toMatchObject({ code: 'unauthenticated' });
  });
});

describe('a service that', () => {
  for (const [status, code] of [
    [503, 'ServerBusy'],
    [429, 'TooManyRequests'],
    [500, 'InternalError'],
    [500, 'OperationTimedOut'],
  ] as const) {
    test(`answers ${status} ${code} is unavailable, each request made once, and works again afterwards`, async () => {
      await using between = await Between.open(azurite.server);
      await using place = await openAzure(azurite.server, { endpoint: between.endpoint });
      await place.prepare({ signal });
      between.judge = () => ({ status, code, headers: { 'retry-after': '7' } });
      const before = between.seen.length;
      await expect(place.stat('k', { signal })).rejects.toMatchObject({
        code: 'unavailable',
        retryAfterMs: 7000,
      });
      expect(between.seen.length).toBe(before + 1);
      expect(await said(place)).toEqual(allAre('unavailable'));
      between.judge = () => undefined;
      expect(await said(place)).toEqual(allAre('ok'));
    });
  }

  test('is full says exhausted', async () => {
    await using between = await Between.open(azurite.server);
    await using place = await openAzure(azurite.server, { endpoint: between.endpoint });
    between.judge = () => ({ status: 409, code: 'MemoryExtentStoreAtSizeLimit' });
    const writing = place.write('k', bodyOf(Buffer.from('x')), { signal });
    await expect(writing).rejects.toMatchObject({ code: 'exhausted' });
  });

  test('keeps an object by a policy or a legal hold refuses to delete it, and says why', async () => {
    await using between = await Between.open(azurite.server);
    await using place = await openAzure(azurite.server, { endpoint: between.endpoint });
    await place.write('k', bodyOf(Buffer.from('x')), { signal });
    between.judge = ({ method }) =>
      method === 'DELETE' ? { status: 409, code: 'BlobImmutableDueToPolicy' } : undefined;
    await expect(place.delete('k', { signal })).rejects.toMatchObject({
      code: 'permission_denied',
      hint: expect.stringContaining('retention'),
    });
    // Its own probe is kept as well, the second time too.
    for (let i = 0; i < 2; i += 1)
      expect((await place.prepare({ signal })).join()).toContain('may not delete');
  });

  test('has another time refuses, and the clock of this machine is named', async () => {
    await using between = await Between.open();
    await using place = await openAzure(azurite.server, { container: 'backups', endpoint: between.endpoint });
    between.judge = () => ({
      status: 403,
      code: 'AuthenticationFailed',
      headers: { date: new Date(clock.now() - 3_600_000).toUTCString() },
    });
    await expect(place.prepare({ signal })).rejects.toMatchObject({
      code: 'unauthenticated',
      reason: expect.stringContaining('60 minutes ahead of'),
      hint: expect.stringContaining('timedatectl'),
    });
  });

  test('nobody listens for is unavailable', async () => {
    const { server } = azurite;
    await using place = await openAzure(server, {
      container: 'backups',
      endpoint: server.endpointAt(await freePort()),
    });
    await expect(place.prepare({ signal })).rejects.toMatchObject({
      code: 'unavailable',
      reason: expect.stringContaining('ECONNREFUSED'),
    });
  });

  test('ends an answer early is unavailable, and never a short object', async () => {
    const { server } = azurite;
    await using proxy = await TcpProxy.open(server.port);
    await using place = await openAzure(server, { endpoint: server.endpointAt(proxy.port) });
    await place.write('k', bodyOf(seededBytes(5 * mebibyte, 1)), { signal });
    for (const at of [10, 1000, 2 * mebibyte]) {
      proxy.cutAfter(at, 'toClient');
      await expect(collect(place.read('k', { signal }))).rejects.toMatchObject({ code: 'unavailable' });
    }
    expect((await collect(place.read('k', { signal }))).length).toBe(5 * mebibyte);
  });

  test('stalls in the middle of a list, a read or a request ends with the signal', async () => {
    const { server } = azurite;
    await using proxy = await TcpProxy.open(server.port);
    await using place = await openAzure(server, { endpoint: server.endpointAt(proxy.port) });
    await place.write('k', bodyOf(seededBytes(1000, 1)), { signal });
    await proxy.setMode('stall');
    for (const act of [
      (o: { signal: AbortSignal }) => place.stat('k', o),
      (o: { signal: AbortSignal }) => collect(place.read('k', o)),
      (o: { signal: AbortSignal }) => place.list('', o)[Symbol.asyncIterator]().next(),
      (o: { signal: AbortSignal }) => place.prepare(o),
      (o: { signal: AbortSignal }) => place.write('k2', bodyOf(Buffer.from('x')), o),
      (o: { signal: AbortSignal }) => place.delete('k', o),
    ]) {
      const controller = new AbortController();
      const acting = act({ signal: controller.signal });
      acting.catch(() => undefined);
      await clock.sleep(100, signal);
      controller.abort();
      await expect(acting).rejects.toMatchObject({ code: 'cancelled' });
    }
  });
});
