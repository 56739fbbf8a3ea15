import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { freePort } from '../servers/free-port.ts';
import { TcpProxy } from './tcp-proxy.ts';

const mebibyte = 1_048_576;

/** A server that gives back what it gets, and a proxy before it. */
async function echoing(): Promise<{ proxy: TcpProxy; got: { bytes: number } }> {
  const got = { bytes: 0 };
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('data', (bytes) => {
      got.bytes += bytes.length;
    });
    socket.on('error', () => {});
    socket.pipe(socket);
  });
  const port = await freePort();
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const proxy = await TcpProxy.open(port);
  onTestFinished(async () => {
    await proxy[Symbol.asyncDispose]();
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { proxy, got };
}

async function client(proxy: TcpProxy): Promise<Socket> {
  const socket = connect({ port: proxy.port, host: '127.0.0.1' });
  onTestFinished(() => void socket.destroy());
  await once(socket, 'connect');
  return socket;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(2);
}

async function echoOf(socket: Socket, bytes: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  socket.on('data', (part: Buffer) => parts.push(part));
  socket.end(Buffer.alloc(bytes, 'echo'));
  await once(socket, 'close');
  return Buffer.concat(parts);
}

test('bytes go through both ways, whole, and are counted', async () => {
  const { proxy } = await echoing();
  const echo = await echoOf(await client(proxy), 9 * mebibyte + 1);
  expect(echo.equals(Buffer.alloc(9 * mebibyte + 1, 'echo'))).toBe(true);
  expect([proxy.toServerBytes, proxy.toClientBytes, proxy.connections]).toEqual([
    echo.length,
    echo.length,
    1,
  ]);
  await until(() => proxy.live === 0);
  proxy.resetCounters();
  expect([proxy.toServerBytes, proxy.toClientBytes, proxy.connections]).toEqual([0, 0, 0]);
});

test('a refused connection finds nobody, until the line passes again; open ones go on', async () => {
  const { proxy } = await echoing();
  const before = await client(proxy);
  await proxy.setMode('refuse');
  await expect(client(proxy)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  expect(await echoOf(before, 10)).toHaveLength(10);
  await proxy.setMode('pass');
  expect(await echoOf(await client(proxy), 10)).toHaveLength(10);
});

test('a stalled line keeps open connections, and brings what was underway once it passes', async () => {
  const { proxy, got } = await echoing();
  const socket = await client(proxy);
  await proxy.setMode('stall');
  const echo = echoOf(socket, mebibyte);
  await sleep(50);
  expect(got.bytes).toBe(0);
  await proxy.setMode('stallToClient');
  await until(() => got.bytes > 0);
  expect(proxy.toClientBytes).toBe(0);
  await proxy.setMode('pass');
  expect(await echo).toHaveLength(mebibyte);
});

test('reset ends a connection at its next byte', async () => {
  const { proxy, got } = await echoing();
  const socket = await client(proxy);
  await proxy.setMode('reset');
  socket.write('x');
  await expect(once(socket, 'data')).rejects.toMatchObject({ code: 'ECONNRESET' });
  expect([got.bytes, proxy.cuts, proxy.live]).toEqual([0, 1, 0]);
});

test('cutAfter lets exactly so many bytes through, then resets, once', async () => {
  const { proxy, got } = await echoing();
  proxy.cutAfter(100_000);
  const socket = await client(proxy);
  socket.write(Buffer.alloc(mebibyte));
  socket.on('data', () => {});
  await expect(once(socket, 'close')).rejects.toMatchObject({ code: 'ECONNRESET' });
  expect([proxy.toServerBytes, proxy.cuts]).toEqual([100_000, 1]);
  expect(got.bytes).toBeLessThanOrEqual(100_000);
  expect(got.bytes).toBeGreaterThan(0);
  expect(await echoOf(await client(proxy), mebibyte)).toHaveLength(mebibyte);
});

test('cut resets all connections that are open, and takes new ones', async () => {
  const { proxy } = await echoing();
  const sockets = [await client(proxy), await client(proxy)];
  await until(() => proxy.live === 2);
  const ends = sockets.map((socket) => once(socket, 'data').catch((error) => error.code));
  proxy.cut();
  expect(await Promise.all(ends)).toEqual(['ECONNRESET', 'ECONNRESET']);
  expect(await echoOf(await client(proxy), 10)).toHaveLength(10);
});

// 128 pieces and more, one after the other, would take 38 s.
test('a delay holds each byte, but not the flow', { timeout: 30_000 }, async () => {
  const { proxy } = await echoing();
  const socket = await client(proxy);
  proxy.delayMs = 150;
  const startedMs = performance.now();
  expect(await echoOf(socket, 8 * mebibyte)).toHaveLength(8 * mebibyte);
  expect(performance.now() - startedMs).toBeGreaterThan(295);
});

test('a limit of the rate holds for all connections together, and can be lifted on the way', async () => {
  const { proxy } = await echoing();
  proxy.toServer.bytesPerSecond = 200_000;
  const echoes = [echoOf(await client(proxy), mebibyte), echoOf(await client(proxy), mebibyte)];
  const startedMs = performance.now();
  await until(() => proxy.toServerBytes >= 60_000);
  expect(performance.now() - startedMs).toBeGreaterThan(250);
  proxy.bytesPerSecond = 0;
  for (const echo of await Promise.all(echoes)) expect(echo).toHaveLength(mebibyte);
});

test('a server that is down resets the client', async () => {
  await using proxy = await TcpProxy.open(await freePort());
  const socket = await client(proxy);
  await expect(once(socket, 'data')).rejects.toMatchObject({ code: 'ECONNRESET' });
  await until(() => proxy.live === 0);
});
