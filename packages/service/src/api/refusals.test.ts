import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { Secret } from '@holdfast/core';
import { expect, it } from 'vitest';
import { rawRequest } from './raw-request.fixture.ts';
import { openTestServer, post } from './server.fixture.ts';

const token = new Secret('0123456789abcdef0123');
const bearer = (text: string): Record<string, string> => ({ authorization: `Bearer ${text}` });

async function errorOf(response: Response): Promise<Record<string, string>> {
  return ((await response.json()) as { error: Record<string, string> }).error;
}

it.each([
  ['/v1/tasks?limit=1', {}, 'the query has no field "limit"', 'it takes none'],
  ['/v1/runs?limitt=1', {}, 'the query has no field "limitt"', 'did you mean limit?'],
  ['/v1/runs?limit=0', {}, 'the query.limit: too small', undefined],
  ['/v1/runs?limit=', {}, 'the query.limit: expected number', undefined],
  ['/v1/runs?limit=0x10', {}, 'the query.limit: expected number', undefined],
  ['/v1/runs?limit=1&limit=2', {}, 'the query.limit: expected number', undefined],
  ['/v1/runs?state=dead', {}, 'the query.state: ', undefined],
  ['/v1/runs/orders-20261121T063000123Z?wait=1h', {}, 'the query.wait: 1s to 60s', undefined],
  ['/v1/tasks/Or_ders', {}, 'the path.task: ', undefined],
  ['/v1/tasks/%zz', {}, 'cannot be read', undefined],
  ['/v1/tasks/orders/run', post({ scoop: 'full' }), 'the body has no field "scoop"', 'did you mean scope?'],
  ['/v1/tasks/orders/run', post({ scope: 'ful' }), 'the body.scope: ', undefined],
  ['/v1/tasks/orders/delay', post({}), 'the body.for is missing', undefined],
  ['/v1/tasks/orders/delay', post({ for: 'later' }), 'the body.for: a duration', undefined],
  ['/v1/tasks/orders/run', post('{"scope":'), 'the body is not JSON', undefined],
  ['/v1/tasks/orders/run', post('{"__proto__":{}}'), 'the body is not JSON', undefined],
  ['/v1/tasks/orders/run', post(''), 'the body is empty', 'send at least {}'],
  ['/v1/tasks/orders/run', post('[]'), 'the body: expected object', undefined],
  [
    '/v1/objects/plan',
    post({ files: [{ name: 'a', test: '' }] }),
    'the body.files[0].text is missing; the body.files[0] has no field "test"',
    'did you mean text?',
  ],
])('%s is refused, saying which field, and changes nothing', async (path, init, message, hint) => {
  await using test = await openTestServer();
  const response = await test.fetch(path, init);
  const error = await errorOf(response);
  expect(response.status).toBe(400);
  expect(error.code).toBe('config_invalid');
  expect(error.message).toContain(message);
  expect(error.hint).toBe(hint);
  expect(test.calls).toEqual([]);
});

it.each([
  ['GET', '/v1/taks', 'did you mean GET /v1/tasks?'],
  ['GET', '/v1/tasks/orders/run', 'did you mean POST /v1/tasks/{task}/run?'],
  ['POST', '/health', 'did you mean GET /health?'],
  ['GET', '/favicon.ico', 'GET /openapi.json lists them'],
  ['GET', `/v1/tasks/${'a'.repeat(5_000)}`, undefined],
])('%s %s is no route, and the nearest is named', async (method, path, hint) => {
  await using test = await openTestServer();
  const response = await test.fetch(path, method === 'POST' ? post({}) : {});
  const { code, hint: given } = await errorOf(response);
  if (hint === undefined) expect([400, 404]).toContain(response.status);
  else expect([response.status, code, given]).toEqual([404, 'not_found', hint]);
});

it('a body has to be said to be JSON, so that no form of a page can send it', async () => {
  await using test = await openTestServer();
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/jsonx', undefined]) {
    const headers: Record<string, string> = type === undefined ? {} : { 'content-type': type };
    const answer = await rawRequest(`${test.server.url}/v1/tasks/orders/pause`, {
      method: 'POST',
      headers,
      body: '{}',
    });
    expect([answer.status, answer.error.code]).toEqual([415, 'config_invalid']);
  }
  const fine = await test.fetch(
    '/v1/tasks/orders/pause',
    post({}, { 'content-type': 'application/json; charset=utf-8' }),
  );
  expect(fine.status).toBe(200);
  expect(test.calls.length).toBe(1);
});

it('a body that is too large is refused; files may be larger than others', async () => {
  await using test = await openTestServer();
  const text = 'x'.repeat(1_500_000);
  const path = '/v1/tasks/orders/run';
  const tooLarge = await test.fetch(path, post({ scope: text }));
  expect(tooLarge.status).toBe(413);
  expect((await errorOf(tooLarge)).code).toBe('config_invalid');
  const files = [{ name: 'a.yaml', text }];
  expect((await test.fetch('/v1/objects/plan', post({ files }))).status).toBe(200);
  const many = [...files, ...files, ...files];
  expect((await test.fetch('/v1/objects/apply', post({ files: many }))).status).toBe(413);
  expect(test.calls.map(({ route }) => route)).toEqual(['planObjects']);
});

it.each([
  'evil.example',
  'evil.example:6362',
  '127.0.0.1',
  '127.0.0.1:1',
  'localhost:80',
  '127.0.0.1.evil.example',
  '[::1',
])('a request for Host %s does not reach a node that listens for its own machine', async (host) => {
  await using test = await openTestServer();
  const answer = await rawRequest(`${test.server.url}/v1/status`, { headers: { host } });
  expect([answer.status, answer.error.code]).toEqual([421, 'permission_denied']);
  expect(test.calls).toEqual([]);
});

it('its own names and configured ones are let in', async () => {
  await using test = await openTestServer({ names: ['Node-A.internal', 'tunnel:7000'] });
  const { port } = test.server.address;
  for (const host of [
    `localhost:${port}`,
    `127.0.0.1:${port}`,
    `[::1]:${port}`,
    'node-a.internal',
    'node-a.INTERNAL:81',
    'tunnel:7000',
  ]) {
    expect((await rawRequest(`${test.server.url}/v1/status`, { headers: { host } })).status).toBe(200);
  }
  const answer = await rawRequest(`${test.server.url}/v1/status`, { headers: { host: 'tunnel:7001' } });
  expect(answer.status).toBe(421);
});

it('pages of other origins are not served; its own are', async () => {
  await using test = await openTestServer();
  const { url } = test.server;
  const ask = (headers: Record<string, string>) =>
    rawRequest(`${url}/v1/tasks/orders/pause`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: '{}',
    });
  for (const headers of [
    { origin: 'https://evil.example' },
    { origin: 'null' },
    { origin: 'http://127.0.0.1:1' },
    { origin: url.replace('http:', 'https:') },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
  ]) {
    expect((await ask(headers as Record<string, string>)).status).toBe(403);
  }
  expect(test.calls).toEqual([]);
  expect((await ask({ origin: url, 'sec-fetch-site': 'same-origin' })).status).toBe(200);
  const read = await rawRequest(`${url}/v1/status`, { headers: { origin: 'https://evil.example' } });
  expect(read.status).toBe(403);
  expect(read.headers['access-control-allow-origin']).toBeUndefined();
});

it('with a token, only those who have it are served, also with errors', async () => {
  await using test = await openTestServer({ token });
  for (const headers of [
    {},
    bearer('wrong'),
    bearer(`${token.reveal()}x`),
    { authorization: 'Basic eDp5' },
  ]) {
    for (const path of ['/v1/status', '/metrics', '/openapi.json', '/v1/events', '/no/such/route']) {
      const response = await test.fetch(path, { headers: headers as Record<string, string> });
      expect(response.status).toBe(401);
      expect(response.headers.get('www-authenticate')).toBe('Bearer');
      expect((await errorOf(response)).code).toBe('unauthenticated');
    }
  }
  expect(test.calls).toEqual([]);
  expect((await test.fetch('/v1/status', { headers: bearer(token.reveal()) })).status).toBe(200);
  expect(JSON.stringify(test.log)).not.toContain(token.reveal());
});

it('probes need no token and no name, and learn no reasons', async () => {
  await using test = await openTestServer({ token });
  test.answer('getReadiness', { ready: false, reasons: ['the store does not answer'] });
  const host = { host: '10.1.2.3:6362' };
  expect((await rawRequest(`${test.server.url}/health`, { headers: host })).status).toBe(200);
  expect((await rawRequest(`${test.server.url}/ready`, { headers: host })).status).toBe(503);
  const strangers = await test.fetch('/ready');
  expect(await strangers.json()).toEqual({ ready: false, reasons: [] });
  const ours = await test.fetch('/ready', { headers: bearer(token.reveal()) });
  expect(await ours.json()).toEqual({ ready: false, reasons: ['the store does not answer'] });
});

it('every answer forbids browsers to make more of it', async () => {
  await using test = await openTestServer();
  for (const path of ['/v1/status', '/metrics', '/v1/tasks/A', '/none', '/health']) {
    const { headers } = await test.fetch(path);
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('access-control-allow-origin')).toBeNull();
  }
});

it('what is no HTTP is answered in our words', async () => {
  await using test = await openTestServer();
  const socket = connect(test.server.address.port, '127.0.0.1');
  socket.write('what is this\r\n\r\n');
  const answer = await text(socket);
  expect(answer).toContain('HTTP/1.1 400 Bad Request');
  expect(answer).toContain('"code":"config_invalid"');
});

it('a handler that does not come back does not keep its client waiting', async () => {
  await using test = await openTestServer({ limits: { answerMs: 2_000 } });
  test.answer('getStatus', () => new Promise(() => {}));
  const asking = test.fetch('/v1/status');
  while (test.calls.length === 0) await new Promise((resolve) => setImmediate(resolve));
  await test.clock.advance(2_000);
  const response = await asking;
  expect([response.status, (await errorOf(response)).code]).toEqual([504, 'timeout']);
});

it('a read ends with its caller, a write does not', async () => {
  await using test = await openTestServer();
  const signals: AbortSignal[] = [];
  const hang = ({ signal }: { signal: AbortSignal }) => {
    signals.push(signal);
    return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  };
  test.answer('getStatus', hang);
  test.answer('pauseTask', hang);
  for (const [path, init] of [
    ['/v1/status', {}],
    ['/v1/tasks/orders/pause', post({})],
  ] as const) {
    const caller = new AbortController();
    const before = signals.length;
    const asking = test.fetch(path, { ...init, signal: caller.signal }).catch(() => {});
    while (signals.length === before) await new Promise((resolve) => setImmediate(resolve));
    caller.abort();
    await asking;
  }
  while (!signals[0]?.aborted) await new Promise((resolve) => setImmediate(resolve));
  expect(signals[1]?.aborted).toBe(false);
  // The write goes on until the server ends it.
  const closing = test[Symbol.asyncDispose]();
  await new Promise((resolve) => setImmediate(resolve));
  await test.clock.advance(5_000);
  await closing;
});
