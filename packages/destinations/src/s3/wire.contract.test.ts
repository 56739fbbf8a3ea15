import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { HoldfastError, SystemClock } from '@holdfast/core';
import {
  bodyOf,
  collect,
  listedKeys,
  type Radosgw,
  seededBytes,
  sha256Of,
  startRadosgw,
  TcpProxy,
} from '@holdfast/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { withRetries } from '../wrap/index.ts';
import { mebibyte, never, openPlace, type PlaceToOpen } from './s3.fixture.ts';
import type { S3Destination } from './s3-destination.ts';

const signal = never;
const clock = new SystemClock();
const bytes = seededBytes(40 * mebibyte + 5, 1);
const said = { signal, resumable: true, sizeBytes: bytes.length, sha256: sha256Of(bytes) };

let server: Radosgw;
beforeAll(async () => {
  server = await startRadosgw();
});
afterAll(() => server[Symbol.asyncDispose]());

async function open(port: number, o: Partial<PlaceToOpen> = {}): Promise<S3Destination> {
  const bucket = o.bucket ?? (await server.createBucket());
  return openPlace({
    ...server.owner,
    endpoint: `http://127.0.0.1:${port}`,
    ...o,
    bucket,
    parameters: 'partSize=5',
  });
}

async function failureOf(act: Promise<unknown>): Promise<HoldfastError> {
  const error = await act.catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(HoldfastError);
  return error as HoldfastError;
}

async function openUploads(bucket: string): Promise<number> {
  const listing = await server.request({ method: 'GET', path: `/${bucket}?uploads=` });
  return listing.split('<Upload>').length - 1;
}

test('a reset in the middle of a write is unavailable, and a resumable write sends only what is missing', async () => {
  await using proxy = await TcpProxy.open(server.port);
  const bucket = await server.createBucket();
  await using place = await open(proxy.port, { bucket });
  proxy.cutAfter(27 * mebibyte);
  expect(await failureOf(place.write('k', bodyOf(bytes), said))).toMatchObject({ code: 'unavailable' });
  expect(await listedKeys(place)).toEqual([]);
  expect(await openUploads(bucket)).toBe(1);
  proxy.resetCounters();
  await place.write('k', bodyOf(bytes), said);
  // Parts that had arrived are not sent again: of 40 MiB at least two whole parts.
  expect(proxy.toServerBytes).toBeLessThan(bytes.length - 2 * 5 * mebibyte);
  expect(sha256Of(await collect(place.read('k', { signal })))).toBe(said.sha256);
  expect(await openUploads(bucket)).toBe(0);
});

test('what a large object has left when it broke off goes with delete, also after a small one of its key', async () => {
  await using proxy = await TcpProxy.open(server.port);
  const bucket = await server.createBucket();
  await using place = await open(proxy.port, { bucket });
  proxy.cutAfter(27 * mebibyte);
  await failureOf(place.write('k', bodyOf(bytes), said));
  expect(await openUploads(bucket)).toBe(1);
  const small = bytes.subarray(0, 3 * mebibyte);
  const its = { signal, resumable: true, sizeBytes: small.length, sha256: sha256Of(small) };
  await place.write('k', bodyOf(small), its);
  expect(sha256Of(await collect(place.read('k', { signal })))).toBe(its.sha256);
  await place.delete('k', { signal });
  expect([await openUploads(bucket), await listedKeys(place)]).toEqual([0, []]);
});

test('a reset in the middle of a write that is not resumable leaves nothing', async () => {
  await using proxy = await TcpProxy.open(server.port);
  const bucket = await server.createBucket();
  await using place = await open(proxy.port, { bucket });
  for (const at of [1 * mebibyte, 12 * mebibyte]) {
    proxy.cutAfter(at);
    const writing = place.write('k', bodyOf(bytes), { signal, sizeBytes: bytes.length });
    expect(await failureOf(writing)).toMatchObject({ code: 'unavailable' });
  }
  expect(await listedKeys(place)).toEqual([]);
  expect(await openUploads(bucket)).toBe(0);
});

test('a write that is tried again through resets ends whole', async () => {
  await using proxy = await TcpProxy.open(server.port);
  await using place = withRetries(await open(proxy.port), { clock, waitFirstMs: 10 });
  let cuts = 0;
  const body = {
    async *[Symbol.asyncIterator]() {
      cuts += 1;
      if (cuts <= 3) proxy.cutAfter(9 * mebibyte);
      yield* bodyOf(bytes);
    },
  };
  await place.write('k', body, { ...said, ifAbsent: true });
  expect(cuts).toBeGreaterThan(3);
  expect(sha256Of(await collect(place.read('k', { signal })))).toBe(said.sha256);
});

test('a read that is cut tells of it, and goes on where it was when it is tried again', async () => {
  await using proxy = await TcpProxy.open(server.port);
  const direct = await open(proxy.port);
  await using place = withRetries(direct, { clock, waitFirstMs: 10 });
  await place.write('k', bodyOf(bytes), said);
  proxy.cutAfter(10 * mebibyte, 'toClient');
  expect(await failureOf(collect(direct.read('k', { signal })))).toMatchObject({ code: 'unavailable' });
  proxy.resetCounters();
  proxy.cutAfter(10 * mebibyte, 'toClient');
  expect(sha256Of(await collect(place.read('k', { signal })))).toBe(said.sha256);
  expect(proxy.toClientBytes).toBeLessThan(bytes.length + 12 * mebibyte);
});

test('a server that falls silent ends every call as a timeout', async () => {
  await using proxy = await TcpProxy.open(server.port);
  await using place = await open(proxy.port, { idleMsMax: 400 });
  await place.write('k', bodyOf(Buffer.from('x')), { signal });
  await proxy.setMode('stall');
  const calls = [
    place.prepare({ signal }),
    place.write('small', bodyOf(Buffer.from('x')), { signal }),
    place.write('large', bodyOf(bytes), said),
    collect(place.read('k', { signal })),
    place.stat('k', { signal }),
    listedKeys(place),
    place.delete('k', { signal }),
  ];
  for (const { code, reason } of await Promise.all(calls.map(failureOf)))
    expect([code, reason]).toEqual(['timeout', expect.stringContaining('fell silent')]);
});

test('an abort ends a call to a silent server at once, and nothing is stored afterwards', async () => {
  await using proxy = await TcpProxy.open(server.port);
  await using place = await open(proxy.port);
  await place.prepare({ signal });
  await proxy.setMode('stall');
  for (const size of [0, 3 * mebibyte, bytes.length]) {
    const controller = new AbortController();
    const o = {
      ...said,
      sizeBytes: size,
      sha256: sha256Of(bytes.subarray(0, size)),
      signal: controller.signal,
    };
    const writing = failureOf(place.write(`of-${size}`, bodyOf(bytes.subarray(0, size)), o));
    await clock.sleep(100, signal);
    controller.abort();
    expect((await writing).code).toBe('cancelled');
  }
  await proxy.setMode('pass');
  await clock.sleep(200, signal);
  expect((await listedKeys(place)).filter((key) => key !== 'of-0')).toEqual([]);
});

test('a list that is cut in its middle is told, and is complete when it is tried again', async () => {
  await using proxy = await TcpProxy.open(server.port);
  const direct = await open(proxy.port);
  await using place = withRetries(direct, { clock, waitFirstMs: 10 });
  const keys = Array.from({ length: 1200 }, (_, i) => `k/${String(i).padStart(4, '0')}`);
  for (let at = 0; at < keys.length; at += 30)
    await Promise.all(
      keys.slice(at, at + 30).map((key) => direct.write(key, bodyOf(Buffer.of()), { signal })),
    );
  for (const cut of [1000, 100_000]) {
    proxy.cutAfter(cut, 'toClient');
    expect(await failureOf(listedKeys(direct))).toMatchObject({ code: 'unavailable' });
    proxy.cutAfter(cut, 'toClient');
    expect(await listedKeys(place)).toEqual(keys);
  }
});

test('a server that is started again has what was stored, and calls meanwhile are unavailable', async () => {
  await using place = await open(server.port);
  await place.write('k', bodyOf(bytes), said);
  await server.kill();
  expect(await failureOf(place.stat('k', { signal }))).toMatchObject({ code: 'unavailable' });
  await server.start();
  expect(sha256Of(await collect(place.read('k', { signal })))).toBe(said.sha256);
});

test('after kill -9 in mid-upload, the next process sends only what is missing', async () => {
  await using proxy = await TcpProxy.open(server.port);
  const bucket = await server.createBucket();
  const { accessKeyId, secretAccessKey } = server.owner;
  const endpoint = `http://127.0.0.1:${proxy.port}`;
  const query = new URLSearchParams({ endpoint, accessKeyId, secretAccessKey, partSize: '5' });
  const script = fileURLToPath(new URL('./writer-child.fixture.ts', import.meta.url));
  const args = ['--no-warnings', script, `s3://${bucket}/?${query}`, 'k', String(bytes.length)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  // It hangs after 32 MiB, of which six parts of 5 MiB can be sent.
  while (proxy.toServerBytes < 30 * mebibyte) await clock.sleep(20, signal);
  child.kill('SIGKILL');
  await exited;
  await using place = await open(proxy.port, { bucket });
  expect(await listedKeys(place)).toEqual([]);
  proxy.resetCounters();
  await place.write('k', bodyOf(bytes), said);
  expect(proxy.toServerBytes).toBeLessThan(bytes.length - 5 * 5 * mebibyte + mebibyte);
  expect(sha256Of(await collect(place.read('k', { signal })))).toBe(said.sha256);
});

test('a part that is too large for memory is sent as it comes, and gone on with', async () => {
  await using proxy = await TcpProxy.open(server.port);
  const large = seededBytes(100 * mebibyte, 2);
  const whole = { signal, resumable: true, sizeBytes: large.length, sha256: sha256Of(large) };
  const o = { bucket: await server.createBucket(), endpoint: `http://127.0.0.1:${proxy.port}` };
  await using place = openPlace({ ...server.owner, ...o, parameters: 'partSize=40' });
  proxy.cutAfter(90 * mebibyte);
  expect(await failureOf(place.write('k', bodyOf(large), whole))).toMatchObject({ code: 'unavailable' });
  proxy.resetCounters();
  await place.write('k', bodyOf(large, 1_000_003), whole);
  expect(proxy.toServerBytes).toBeLessThan(21 * mebibyte);
  expect(sha256Of(await collect(place.read('k', { signal })))).toBe(whole.sha256);

  // What another content has left is found out, removed, and the attempt after that begins anew.
  proxy.cutAfter(60 * mebibyte);
  await failureOf(place.write('other', bodyOf(large), whole));
  const changed = Uint8Array.from(large);
  changed[0] = (changed[0] ?? 0) ^ 1;
  await using again = withRetries(openPlace({ ...server.owner, ...o, parameters: 'partSize=40' }), {
    clock,
    waitFirstMs: 1,
  });
  await again.write('other', bodyOf(changed), { ...whole, sha256: sha256Of(changed) });
  expect(sha256Of(await collect(place.read('other', { signal })))).toBe(sha256Of(changed));
});
