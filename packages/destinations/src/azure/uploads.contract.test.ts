import { fork } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { HoldfastError, SystemClock } from '@holdfast/core';
import {
  bodyOf,
  collect,
  gatedBody,
  listedKeys,
  seededBytes,
  sha256Of,
  startAzurite,
  TcpProxy,
  temporaryFolder,
} from '@holdfast/testing';
import { describe, expect, test } from 'vitest';
import { azuriteForTests, leftUnder, openAzure, rawContainer, urlOf } from './azure.fixture.ts';
import { Between } from './between.fixture.ts';

const azurite = azuriteForTests();
const { signal } = new AbortController();
const clock = new SystemClock();
const mebibyte = 1_048_576;
const size = 20 * mebibyte;
const bytes = seededBytes(size, 1);
const promise = { signal, resumable: true, sizeBytes: size, sha256: sha256Of(bytes) } as const;
const smallBlocks = 'blockSize=1';

async function until(met: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await met())) await clock.sleep(20, signal);
}

describe('an upload in blocks', () => {
  test('that is aborted in its middle settles at once and stages no further block', async () => {
    const { server } = azurite;
    const container = await server.createContainer();
    await using between = await Between.open(server);
    await using place = await openAzure(server, {
      container,
      endpoint: between.endpoint,
      parameters: smallBlocks,
    });
    const controller = new AbortController();
    let asked = 0;
    const endless = (async function* () {
      for (;;) {
        asked += 1;
        yield bytes.subarray(0, 300_000);
      }
    })();
    const writing = place.write('k', endless, { signal: controller.signal });
    writing.catch(() => undefined);
    await until(() => between.count('PUT', 'block') >= 6);
    controller.abort(new HoldfastError('lease_lost', 'another node is responsible now'));
    await expect(writing).rejects.toMatchObject({ code: 'lease_lost' });
    const staged = between.count('PUT', 'block');
    const then = asked;
    await clock.sleep(300, signal);
    expect(between.count('PUT', 'block')).toBe(staged);
    expect(asked).toBe(then);
    await until(async () => (await leftUnder(server, container, 'k')).length === 0);
  });

  test('to a server that stalls ends when it is aborted', async () => {
    const { server } = azurite;
    await using proxy = await TcpProxy.open(server.port);
    await using place = await openAzure(server, {
      endpoint: server.endpointAt(proxy.port),
      parameters: smallBlocks,
    });
    const controller = new AbortController();
    const body = gatedBody(bytes.subarray(0, 3 * mebibyte), bytes.subarray(3 * mebibyte));
    const writing = place.write('k', body, { ...promise, signal: controller.signal });
    writing.catch(() => undefined);
    await body.reached;
    await proxy.setMode('stall');
    body.open();
    await clock.sleep(300, signal);
    controller.abort();
    await expect(writing).rejects.toMatchObject({ code: 'cancelled' });
    await proxy.setMode('pass');
    proxy.cut();
    expect(await place.stat('k', { signal })).toBeUndefined();
  });

  test('whose line is cut at any byte is unavailable, and nothing is seen of it', async () => {
    const { server } = azurite;
    await using proxy = await TcpProxy.open(server.port);
    await using place = await openAzure(server, {
      endpoint: server.endpointAt(proxy.port),
      parameters: smallBlocks,
    });
    for (const at of [1, 500, 700_000, 5 * mebibyte]) {
      proxy.cutAfter(at);
      const writing = place.write('k', bodyOf(bytes), { signal, sizeBytes: size });
      await expect(writing, String(at)).rejects.toMatchObject({ code: 'unavailable' });
      expect(await place.stat('k', { signal })).toBeUndefined();
    }
  });

  test('that is broken off by kill -9 is gone on with: only what is missing is sent', async () => {
    const { server } = azurite;
    const container = await server.createContainer();
    await using folder = await temporaryFolder('unfinished');
    const file = folder.join('object');
    await writeFile(file, bytes);
    const sent = String(12 * mebibyte);
    const child = fork(
      fileURLToPath(new URL('./unfinished-child.fixture.ts', import.meta.url)),
      [urlOf(server, container, { parameters: smallBlocks }), 'k', file, sent],
      { execArgv: ['--no-warnings'] },
    );
    const exited = once(child, 'exit');
    // The last of them may be the one that waits for more to come.
    await until(
      async () => child.exitCode !== null || (await leftUnder(server, container, 'k')).length >= 11,
    );
    expect(child.exitCode).toBeNull();
    child.kill('SIGKILL');
    await exited;
    await using proxy = await TcpProxy.open(server.port);
    await using place = await openAzure(server, {
      container,
      endpoint: server.endpointAt(proxy.port),
      parameters: smallBlocks,
    });
    expect(await listedKeys(place)).toEqual([]);
    const there = (await leftUnder(server, container, 'k')).reduce((sum, each) => sum + each, 0);
    proxy.resetCounters();
    await place.write('k', bodyOf(bytes), { ...promise, ifAbsent: true });
    expect(proxy.toServerBytes).toBeGreaterThan(size - there);
    expect(proxy.toServerBytes).toBeLessThan(size - there + 100_000);
    expect(sha256Of(await collect(place.read('k', { signal })))).toBe(promise.sha256);
  });

  test('that broke off without being resumable leaves nothing, nor does a resumable one after delete', async () => {
    const { server } = azurite;
    const container = await server.createContainer();
    await using place = await openAzure(server, { container, parameters: smallBlocks });
    const broken = async function* () {
      yield* bodyOf(bytes.subarray(0, 6 * mebibyte));
      throw new HoldfastError('unavailable', 'the line was cut');
    };
    await expect(place.write('k', broken(), { signal })).rejects.toMatchObject({ code: 'unavailable' });
    expect(await leftUnder(server, container, 'k')).toEqual([]);
    await expect(place.write('k', broken(), promise)).rejects.toMatchObject({ code: 'unavailable' });
    expect(await leftUnder(server, container, 'k')).not.toEqual([]);
    await place.delete('k', { signal });
    expect(await leftUnder(server, container, 'k')).toEqual([]);
    const all = rawContainer(server, container).listBlobsFlat({ includeUncommitedBlobs: true });
    for await (const blob of all) expect.unreachable(blob.name);
  });

  test('sends nothing large to a place where the object already is, of whatever size', async () => {
    const { server } = azurite;
    await using between = await Between.open(server);
    await using place = await openAzure(server, { endpoint: between.endpoint, parameters: smallBlocks });
    await place.write('k', bodyOf(Buffer.from('of another size')), { signal });
    const writing = place.write('k', bodyOf(bytes), { ...promise, ifAbsent: true });
    await expect(writing).rejects.toMatchObject({ code: 'conflict' });
    expect(between.count('PUT', 'block')).toBe(0);
    expect((await collect(place.read('k', { signal }))).toString()).toBe('of another size');
  });

  test('of bytes that are changed on the way is unavailable, and nothing of it is stored', async () => {
    const { server } = azurite;
    await using between = await Between.open(server);
    between.changeBody = (body, { comp }) => {
      if (body.length > 0 && comp !== 'blocklist') body.writeUInt8(body.readUInt8(0) ^ 1, 0);
      return body;
    };
    await using place = await openAzure(server, { endpoint: between.endpoint, parameters: smallBlocks });
    for (const part of [bytes.subarray(0, 1000), bytes.subarray(0, 3 * mebibyte)]) {
      await expect(place.write('k', bodyOf(part), { signal })).rejects.toMatchObject({
        code: 'unavailable',
        reason: expect.stringContaining('other than they were sent'),
      });
      expect(await place.stat('k', { signal })).toBeUndefined();
    }
  });

  test('is corrupt when the service says that it has stored other bytes, and they do not stay', async () => {
    const { server } = azurite;
    await using between = await Between.open(server);
    between.changeAnswer = (headers, { method, comp }) => {
      if (method === 'PUT' && comp !== 'blocklist')
        headers['content-md5'] = Buffer.alloc(16).toString('base64');
    };
    await using place = await openAzure(server, { endpoint: between.endpoint, parameters: smallBlocks });
    for (const part of [bytes.subarray(0, 1000), bytes.subarray(0, 3 * mebibyte)]) {
      await expect(place.write('k', bodyOf(part), { signal })).rejects.toMatchObject({ code: 'corrupt' });
      expect(await place.stat('k', { signal })).toBeUndefined();
    }
  });

  test('into a store that is full is exhausted, and nothing of it is seen', async () => {
    await using server = await startAzurite({ memoryMaxMiB: 12 });
    const container = await server.createContainer();
    await using place = await openAzure(server, { container, parameters: smallBlocks });
    await place.write('before', bodyOf(bytes.subarray(0, 1000)), { signal });
    await expect(place.write('k', bodyOf(bytes), { signal })).rejects.toMatchObject({ code: 'exhausted' });
    expect(await listedKeys(place)).toEqual(['before']);
    expect(await leftUnder(server, container, 'k')).toEqual([]);
  });

  test('holds no more blocks in memory than are on their way', async () => {
    const { server } = azurite;
    await using proxy = await TcpProxy.open(server.port);
    await using place = await openAzure(server, {
      endpoint: server.endpointAt(proxy.port),
      parameters: smallBlocks,
    });
    await place.stat('k', { signal });
    await proxy.setMode('stallToClient');
    let taken = 0;
    const body = (async function* () {
      for await (const block of bodyOf(bytes)) {
        taken += block.length;
        yield block;
      }
    })();
    const controller = new AbortController();
    const writing = place.write('k', body, { signal: controller.signal });
    writing.catch(() => undefined);
    await clock.sleep(500, signal);
    expect(taken).toBeLessThan(7 * mebibyte);
    controller.abort();
    await expect(writing).rejects.toMatchObject({ code: 'cancelled' });
  });

  test('whose object was marked as discarded is none, and the next writer replaces it', async () => {
    const { server } = azurite;
    const container = await server.createContainer();
    await using place = await openAzure(server, { container });
    // As it is left by a process that is killed between the two requests that discard blocks.
    await rawContainer(server, container)
      .getBlockBlobClient('k')
      .upload('', 0, { metadata: { holdfast_discard: 'yes' } });
    expect(await place.stat('k', { signal })).toBeUndefined();
    expect(await listedKeys(place)).toEqual([]);
    await expect(collect(place.read('k', { signal }))).rejects.toMatchObject({ code: 'not_found' });
    const write = () => place.write('k', bodyOf(Buffer.from('new')), { signal, ifAbsent: true });
    await write();
    expect((await collect(place.read('k', { signal }))).toString()).toBe('new');
    await expect(write()).rejects.toMatchObject({ code: 'conflict' });
  });

  test('of a name under which another program has left blocks of its own drops them', async () => {
    const { server } = azurite;
    const container = await server.createContainer();
    await using place = await openAzure(server, { container, parameters: smallBlocks });
    const raw = rawContainer(server, container).getBlockBlobClient('k');
    await raw.stageBlock(Buffer.from('0001').toString('base64'), 'theirs', 6);
    await place.write('k', bodyOf(bytes), { ...promise, ifAbsent: true });
    expect(sha256Of(await collect(place.read('k', { signal })))).toBe(promise.sha256);
    expect(await leftUnder(server, container, 'k')).toEqual([]);
  });

  test('leaves no connection behind once the place is disposed of', async () => {
    const { server } = azurite;
    await using proxy = await TcpProxy.open(server.port);
    {
      await using place = await openAzure(server, {
        endpoint: server.endpointAt(proxy.port),
        parameters: smallBlocks,
      });
      await place.write('k', bodyOf(bytes), { signal });
      for await (const _ of place.read('k', { signal })) break;
      expect(proxy.live).toBeGreaterThan(0);
    }
    await until(() => proxy.live === 0);
  });
});
