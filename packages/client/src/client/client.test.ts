import { type ErrorCode, HoldfastError, Secret } from '@holdfast/core';
import { FakeClock, freePort } from '@holdfast/testing';
import { expect, it } from 'vitest';
import { contract } from '../contract/contract.ts';
import { Client, type ClientOptions } from './client.ts';
import type { Fetch } from './connection.ts';

const never = new AbortController().signal;
const token = new Secret('0123456789abcdef');
const url = 'http://127.0.0.1:6362';

/** A client of a server that is this function. */
function clientOf(answer: (...sent: Parameters<Fetch>) => Response, o: Partial<ClientOptions> = {}): Client {
  const clock = new FakeClock();
  return new Client({ url, clock, fetch: async (...sent) => answer(...sent), ...o });
}

const json = (value: unknown, status = 200): Response => new Response(JSON.stringify(value), { status });

const failed = (error: unknown): Promise<HoldfastError> =>
  Promise.resolve(error).then(
    () => expect.unreachable('it should have been refused'),
    (caught) => caught,
  );

it('sends path, query, body and token as the contract says', async () => {
  const sent: Parameters<Fetch>[] = [];
  const client = clientOf(
    (...request) => {
      sent.push(request);
      return sent.length === 1
        ? json({ runs: [], more: false })
        : json(contract.delayTask.examples[0].output);
    },
    { token, url: `${url}/holdfast/` },
  );
  await client.listRuns({ task: 'orders', limit: 2, signal: never });
  await client.delayTask({ task: 'orders', for: '1h', signal: never });
  expect(sent.map(([address]) => address)).toEqual([
    `${url}/holdfast/v1/runs?task=orders&limit=2`,
    `${url}/holdfast/v1/tasks/orders/delay`,
  ]);
  expect(sent[0]?.[1]).toMatchObject({ method: 'GET', redirect: 'manual' });
  expect(sent[0]?.[1].body).toBeUndefined();
  expect(sent[1]?.[1]).toMatchObject({ method: 'POST', body: '{"for":"1h"}' });
  expect(sent[1]?.[1].headers).toMatchObject({
    authorization: 'Bearer 0123456789abcdef',
    'content-type': 'application/json',
  });
});

it.each([
  ['a name that would lead elsewhere', { task: '..' }],
  ['a name with a slash', { task: 'a/b' }],
  ['no name', {}],
])('%s is refused before anything is sent', async (_, given) => {
  const client = clientOf(() => expect.unreachable('nothing is sent'));
  const error = await failed(client.getTask({ ...(given as { task: string }), signal: never }));
  expect(error).toMatchObject({ code: 'config_invalid', message: expect.stringContaining('getTask.task') });
});

it.each([
  ['ftp://127.0.0.1', 'no http or https URL'],
  ['127.0.0.1:6362', 'no http or https URL'],
  ['http://u:p@127.0.0.1:6362', 'has a user'],
  ['http://127.0.0.1:6362/?a=b', 'a query'],
  ['http://node-a:6362', 'unencrypted'],
])('the address %s is refused', (address, says) => {
  expect(() => new Client({ url: address, token })).toThrow(says);
});

it('nothing listens there: unavailable, and how to start it', async () => {
  const free = `http://127.0.0.1:${await freePort()}`;
  const client = new Client({ url: free });
  expect(await failed(client.getStatus({ signal: never }))).toMatchObject({
    code: 'unavailable',
    reason: `no Holdfast node answers at ${free} (ECONNREFUSED)`,
    hint: 'start it with holdfast start, or name another with --server',
  });
});

it('a port that fetch does not speak to is said to be one', async () => {
  const client = new Client({ url: 'http://127.0.0.1:6667' });
  expect(await failed(client.getStatus({ signal: never }))).toMatchObject({ code: 'config_invalid' });
});

it.each<[number, string, ErrorCode, string]>([
  [404, '{"error":{"code":"not_found","message":"no such task","hint":"look"}}', 'not_found', 'no such task'],
  [409, '{"error":{"code":"of_tomorrow","message":"new"}}', 'precondition_failed', 'new'],
  [503, '{"error":{"code":"of_tomorrow","message":"new"}}', 'unavailable', 'new'],
  [404, '<html>nginx</html>', 'precondition_failed', 'is not a Holdfast node'],
  [502, '<html>nginx</html>', 'unavailable', 'is not a Holdfast node'],
  [503, '{"error":"Service Unavailable"}', 'unavailable', 'is not a Holdfast node'],
  [302, '', 'precondition_failed', 'is not a Holdfast node'],
  [200, '<html>nginx</html>', 'precondition_failed', 'sends no JSON'],
  [200, '{"node":1}', 'unsupported', 'in a form that this version does not know'],
])('status %i with %s is %s', async (status, text, code, says) => {
  const client = clientOf(() => new Response(text, { status }));
  const error = await failed(client.getStatus({ signal: never }));
  expect(error).toBeInstanceOf(HoldfastError);
  expect(error).toMatchObject({ code, message: expect.stringContaining(says) });
});

it('a node that is not ready is an answer, not an error; one that is stopping is an error', async () => {
  const notReady = clientOf(() => json({ ready: false, reasons: ['x'] }, 503));
  expect(await notReady.getReadiness({ signal: never })).toEqual({ ready: false, reasons: ['x'] });
  const stopping = clientOf(() => json({ error: { code: 'unavailable', message: 'stopping' } }, 503));
  expect(await failed(stopping.getReadiness({ signal: never }))).toMatchObject({ code: 'unavailable' });
});

it('fields of a newer node are passed over', async () => {
  const health = { live: true, version: '9.0.0' };
  const client = clientOf(() => json({ ...health, mood: 'good' }));
  expect(await client.getHealth({ signal: never })).toEqual(health);
});

it('an answer that does not come is a timeout; a long poll has its wait on top', async () => {
  const clock = new FakeClock();
  const hanging: Fetch = (_, { signal }) =>
    new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  const client = new Client({ url, clock, fetch: hanging, timeoutMs: 1_000 });
  const error = failed(client.getStatus({ signal: never }));
  await clock.advance(1_000);
  expect(await error).toMatchObject({ code: 'timeout' });
  let over = false;
  const run = 'orders-20261121T063000123Z';
  const polling = failed(client.getRun({ run, wait: '30s', signal: never })).finally(() => {
    over = true;
  });
  await clock.advance(30_999);
  expect(over).toBe(false);
  await clock.advance(1);
  expect(await polling).toMatchObject({ code: 'timeout' });
  expect(clock.sleeping).toBe(0);
});

it('an abort rejects with its reason', async () => {
  const abort = new AbortController();
  const client = clientOf((_, { signal }) => {
    abort.abort(new HoldfastError('lease_lost', 'gone'));
    throw signal.reason;
  });
  expect(await failed(client.getStatus({ signal: abort.signal }))).toMatchObject({ code: 'lease_lost' });
  expect(await failed(client.getStatus({ signal: abort.signal }))).toMatchObject({ code: 'lease_lost' });
});

it('silence on a stream of events is a broken connection', async () => {
  const clock = new FakeClock();
  const client = clientOf(() => new Response(new ReadableStream()), { clock });
  const next = failed(client.events({ signal: never }).next());
  await clock.advance(44_999);
  expect(clock.sleeping).toBe(1);
  await clock.advance(1);
  expect(await next).toMatchObject({ code: 'unavailable', message: expect.stringContaining('45000 ms') });
});

it('events of kinds that only a newer node knows are passed over', async () => {
  const client = clientOf(
    () =>
      new Response(
        'id: 1\nevent: mood\ndata: {}\n\nid: 2\nevent: objects\ndata: {"kind":"objects","revision":2}\n\n',
      ),
  );
  const events = client.events({ signal: never });
  expect((await events.next()).value).toEqual({ id: '2', kind: 'objects', revision: 2 });
  expect(await failed(events.next())).toMatchObject({ code: 'unavailable' });
});
