import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { type ApiEvent, contract, type RunView } from '@holdfast/client';
import { SystemClock } from '@holdfast/core';
import { expect, it } from 'vitest';
import { never, openTestServer, type TestServer, until } from './server.fixture.ts';

const ended = contract.getRun.examples[0].output as RunView;
const running = contract.getRun.examples[1].output as RunView;
const revision = (n: number): ApiEvent => ({ kind: 'objects', revision: n });

async function openStream(test: TestServer): Promise<IncomingMessage> {
  const [response] = await once(get(`${test.server.url}/v1/events`, { agent: false }), 'response');
  return response as IncomingMessage;
}

it('the client reads events in order, each with an id, until it stops', async () => {
  await using test = await openTestServer({ clientClock: new SystemClock() });
  const abort = new AbortController();
  const events = test.client.events({ signal: abort.signal });
  const first = events.next();
  await until(() => test.server.streams === 1);
  test.send({ kind: 'run', run: ended });
  test.send(revision(13));
  expect((await first).value).toMatchObject({ kind: 'run', run: ended, id: expect.stringMatching(/-1$/) });
  expect((await events.next()).value).toMatchObject({ kind: 'objects', revision: 13 });
  const last = events.next();
  abort.abort(new Error('enough'));
  await expect(last).rejects.toMatchObject({ code: 'cancelled' });
  await until(() => test.server.streams === 0);
});

it('leaving the loop lets go of the connection', async () => {
  await using test = await openTestServer({ clientClock: new SystemClock() });
  for (let n = 0; n < 3; n += 1) {
    const reading = (async () => {
      for await (const event of test.client.events({ signal: never })) return event;
    })();
    await until(() => test.server.streams === 1);
    test.send(revision(n));
    expect(await reading).toMatchObject({ revision: n });
    await until(() => test.server.streams === 0);
  }
});

it('a comment comes every 15 seconds, on the wire as the standard says', async () => {
  await using test = await openTestServer();
  const response = await openStream(test);
  expect(response.headers['content-type']).toBe('text/event-stream');
  expect(response.headers['x-content-type-options']).toBe('nosniff');
  let text = '';
  response.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  await until(() => text === ': connected\n\n');
  await test.clock.advance(15_000);
  test.send(revision(13));
  await until(() => text.includes('data'));
  expect(text).toMatch(
    /^: connected\n\n: heartbeat\n\nid: \w+-1\nevent: objects\ndata: \{"kind":"objects","revision":13\}\n\n$/,
  );
  response.destroy();
});

it('the end of the server ends the streams, and the client says so', async () => {
  const test = await openTestServer({ clientClock: new SystemClock() });
  const next = test.client.events({ signal: never }).next();
  await until(() => test.server.streams === 1);
  await test[Symbol.asyncDispose]();
  await expect(next).rejects.toMatchObject({ code: 'unavailable' });
});

it('a client that never reads is dropped without holding memory; the others go on', async () => {
  await using test = await openTestServer({ clientClock: new SystemClock() });
  const reader = test.client.events({ signal: never });
  const first = reader.next();
  await until(() => test.server.streams === 1);
  const socket = connect(test.server.address.port, '127.0.0.1').pause();
  socket.on('error', () => {});
  socket.write(`GET /v1/events HTTP/1.1\r\nhost: 127.0.0.1:${test.server.address.port}\r\n\r\n`);
  await until(() => test.server.streams === 2);
  const text = 'x'.repeat(4_000);
  let sent = 0;
  let read = 0;
  const reading = (async () => {
    await first;
    for await (const _ of reader) {
      read += 1;
      if (read === 4_999) return;
    }
  })();
  while (sent < 5_000) {
    for (let n = 0; n < 100; n += 1) {
      test.send({ kind: 'log', line: { at: ended.createdAt, level: 'info', text } });
      sent += 1;
    }
    await new Promise((resolve) => setImmediate(resolve));
    // The other one is given the time to read.
    await until(() => read > sent - 400);
  }
  await reading;
  await until(() => test.server.streams === 0);
  expect(test.log.filter(({ msg }) => String(msg).includes('did not keep up')).length).toBe(1);
  socket.destroy();
});

it('there are so many readers and no more', async () => {
  await using test = await openTestServer({ limits: { streamsMax: 2 } });
  const streams = [await openStream(test), await openStream(test)];
  const third = await test.fetch('/v1/events');
  expect(third.status).toBe(503);
  expect(await third.json()).toMatchObject({ error: { code: 'exhausted' } });
  streams[0]?.destroy();
  await until(() => test.server.streams === 1);
  (await openStream(test)).destroy();
  streams[1]?.destroy();
});

it('an event that is not of the contract is logged, and nobody sees it', async () => {
  await using test = await openTestServer();
  const response = await openStream(test);
  test.send({ kind: 'objects', revision: -1 });
  expect(test.log.some(({ msg }) => msg === 'an event could not be sent')).toBe(true);
  response.destroy();
});

it('a long poll answers when the run has ended', async () => {
  await using test = await openTestServer();
  test.answer('getRun', running);
  const asking = test.client.getRun({ run: running.id, wait: '30s', signal: never });
  await until(() => test.listeners === 2 && test.calls.length === 1);
  test.send({ kind: 'run', run: ended });
  test.send({ kind: 'run', run: { ...running, rows: 5 } });
  const over = { ...running, state: 'succeeded' as const };
  test.answer('getRun', over);
  test.send({ kind: 'run', run: over });
  expect(await asking).toEqual(over);
  expect(test.calls.length).toBe(2);
  expect(test.listeners).toBe(1);
});

it('a long poll answers when its time is over, and at once when the run has ended before', async () => {
  await using test = await openTestServer();
  expect(await test.client.getRun({ run: ended.id, wait: '60s', signal: never })).toEqual(ended);
  test.answer('getRun', running);
  let answered = false;
  const asking = test.client.getRun({ run: running.id, wait: '30s', signal: never }).finally(() => {
    answered = true;
  });
  await until(() => test.clock.sleeping === 3);
  await test.clock.advance(29_999);
  expect(answered).toBe(false);
  await test.clock.advance(1);
  expect(await asking).toEqual(running);
});

it('a long poll whose caller has gone is over', async () => {
  await using test = await openTestServer();
  test.answer('getRun', running);
  const caller = new AbortController();
  const asking = test.client.getRun({ run: running.id, wait: '60s', signal: caller.signal });
  await until(() => test.listeners === 2);
  caller.abort();
  await expect(asking).rejects.toMatchObject({ code: 'cancelled' });
  await until(() => test.listeners === 1);
});
