import { type NamedRoute, openApi, type RouteExample, routes } from '@holdfast/client';
import { HoldfastError, Secret } from '@holdfast/core';
import { expect, it } from 'vitest';
import { rawRequest } from './raw-request.fixture.ts';
import { each, never, openTestServer, post, type TestServer, until } from './server.fixture.ts';

const jsonRoutes = routes.filter(({ kind }) => kind === 'json');
const serversOwn = ['getHealth', 'getOpenApi'];

function pick(example: RouteExample, schema: NamedRoute['body']): Record<string, unknown> {
  const shape = schema?.shape ?? {};
  return Object.fromEntries(Object.entries(example.input).filter(([key]) => key in shape));
}

/** The example as any HTTP client sends it. */
function send(test: TestServer, route: NamedRoute, example: RouteExample): Promise<Response> {
  const path = route.path.replace(/\{(\w+)\}/g, (_, key: string) => String(example.input[key]));
  const query = new URLSearchParams(pick(example, route.query) as Record<string, string>);
  const url = query.size === 0 ? path : `${path}?${query}`;
  return test.fetch(url, route.method === 'GET' ? {} : post(pick(example, route.body)));
}

it('serves exactly the routes of the OpenAPI document', async () => {
  await using test = await openTestServer();
  const listed = Object.entries(openApi().paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  expect(test.server.routes.toSorted()).toEqual(listed.toSorted());
});

it.each(jsonRoutes)('$name takes every example and answers by its schema', async (route) => {
  await using test = await openTestServer();
  const documented = openApi().paths[route.path]?.[route.method.toLowerCase()]?.responses ?? {};
  for (const example of route.examples) {
    test.answer(route.name, example.output);
    const asking = send(test, route, example);
    if (example.input.wait !== undefined) {
      await until(() => test.clock.sleeping > 2);
      await test.clock.advance(1_000);
    }
    const response = await asking;
    expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(Object.keys(documented)).toContain(String(response.status));
    const expected = route.otherStatus?.applies(example.output) ? route.otherStatus.status : route.status;
    expect(response.status).toBe(expected);
    const body = await response.json();
    if (!serversOwn.includes(route.name)) expect(body).toEqual(example.output);
    expect(route.response.parse(body)).toEqual(body);
  }
});

it.each(jsonRoutes)('the client calls $name and gets what the handler answered', async (route) => {
  await using test = await openTestServer();
  const example = route.examples[0] as RouteExample;
  const method = test.client[route.name as 'getTask'] as (o: object) => Promise<unknown>;
  const answer = await method({ ...example.input, signal: never });
  if (!serversOwn.includes(route.name)) {
    expect(answer).toEqual(example.output);
    const input = test.calls[0]?.input ?? {};
    expect(input).toMatchObject(example.input);
    expect(input.signal).toBeInstanceOf(AbortSignal);
  }
});

it('text and lines arrive as they are', async () => {
  await using test = await openTestServer();
  expect(await test.client.getMetrics({ signal: never })).toContain('holdfast_runs_running 1\n');
  const response = await test.fetch('/metrics');
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  const lines = [1, 2, 3].map((n) => ({ at: '2026-11-21T06:30:04.800Z', level: 'info', text: `step ${n}` }));
  test.answer('getRunLog', () => each(lines));
  const run = 'orders-20261121T063000123Z';
  expect(await Array.fromAsync(test.client.getRunLog({ run, signal: never }))).toEqual(lines);
});

it('a log that breaks off is not taken for a whole one', async () => {
  await using test = await openTestServer();
  test.answer('getRunLog', async function* () {
    yield { at: '2026-11-21T06:30:04.800Z', level: 'info', text: 'one' };
    await new Promise((resolve) => setImmediate(resolve));
    throw new HoldfastError('unavailable', 'the file is gone');
  });
  const reading = Array.fromAsync(
    test.client.getRunLog({ run: 'orders-20261121T063000123Z', signal: never }),
  );
  await expect(reading).rejects.toMatchObject({ code: 'unavailable' });
});

it('defaults are filled in, and numbers of a query are numbers', async () => {
  await using test = await openTestServer();
  await test.client.getTask({ task: 'orders', signal: never });
  await test.client.listRuns({ limit: 7, signal: never });
  await test.client.planObjects({ files: [{ name: 'a.yaml', text: '' }], signal: never });
  expect(test.calls.map(({ input: { signal: _, ...input } }) => input)).toEqual([
    { task: 'orders', next: 5 },
    { limit: 7 },
    { files: [{ name: 'a.yaml', text: '' }], prune: false },
  ]);
});

it.each([
  ['config_invalid', 400],
  ['unauthenticated', 401],
  ['permission_denied', 403],
  ['not_found', 404],
  ['conflict', 409],
  ['precondition_failed', 409],
  ['unsupported', 422],
  ['source_failed', 502],
  ['exhausted', 503],
  ['unavailable', 503],
  ['timeout', 504],
] as const)('%s comes with status %i and reaches the caller with its hint', async (code, status) => {
  await using test = await openTestServer();
  const error = new HoldfastError(code, 'it went wrong', { hint: 'do this' });
  test.answer('runTask', () => Promise.reject(error));
  const response = await test.fetch('/v1/tasks/orders/run', post({}));
  expect(response.status).toBe(status);
  expect(await response.json()).toEqual({ error: { code, message: 'it went wrong', hint: 'do this' } });
  const caught = await test.client.runTask({ task: 'orders', signal: never }).catch((caught) => caught);
  expect(caught).toBeInstanceOf(HoldfastError);
  expect(caught).toMatchObject({ code, reason: 'it went wrong', hint: 'do this' });
});

it('what is our own fault is logged with its stack and not told', async () => {
  await using test = await openTestServer();
  test.answer('getStatus', () => Promise.reject(new TypeError('secret is not a function')));
  const response = await test.fetch('/v1/status');
  expect(response.status).toBe(500);
  const text = await response.text();
  expect(text).not.toContain('secret');
  expect(JSON.parse(text).error.code).toBe('internal');
  const logged = test.log.find(({ level }) => level === 50);
  expect(JSON.stringify(logged)).toContain('secret is not a function');
  expect(JSON.stringify(logged)).toContain('contract-walk.test.ts');
  expect(text).toContain(String(logged?.request));
});

it('an answer that is not of the contract is our own fault; fields it does not know are taken off', async () => {
  await using test = await openTestServer();
  test.answer('testNotification', { delivered: 'yes' });
  expect((await test.fetch('/v1/notifications/on-call/test', post({}))).status).toBe(500);
  test.answer('testNotification', { delivered: true, password: 'x' });
  const response = await test.fetch('/v1/notifications/on-call/test', post({}));
  expect(await response.json()).toEqual({ delivered: true });
});

it.each(routes)('each refusal that $name may meet is in the OpenAPI document', async (route) => {
  const token = new Secret('0123456789abcdef0123');
  await using test = await openTestServer({ token });
  const path = route.path.replace(/\{(\w+)\}/g, (_, key: string) => String(route.examples[0]?.input[key]));
  const url = `${test.server.url}${path}`;
  const fine = { authorization: `Bearer ${token.reveal()}`, 'content-type': 'application/json' };
  const body = route.method === 'POST' ? { body: '{}' } : {};
  const answers = [
    await rawRequest(`${url}?x=1`, { method: route.method, headers: fine, ...body }),
    await rawRequest(url, { method: route.method, headers: { 'content-type': 'application/json' }, ...body }),
    await rawRequest(url, { method: route.method, headers: { ...fine, host: 'evil.example' }, ...body }),
    await rawRequest(url, { method: route.method, headers: { ...fine, origin: 'null' }, ...body }),
    ...(route.method === 'GET'
      ? []
      : [
          await rawRequest(url, {
            method: route.method,
            headers: { ...fine, 'content-type': 'a/b' },
            ...body,
          }),
        ]),
  ].map(({ status }) => status);
  const answered = [route.status, route.otherStatus?.status];
  const refused = answers.filter((status) => !answered.includes(status));
  const documented = openApi().paths[route.path]?.[route.method.toLowerCase()]?.responses ?? {};
  expect(Object.keys(documented)).toEqual(expect.arrayContaining(refused.map(String)));
  if (!route.open) expect(refused).toEqual(expect.arrayContaining([400, 401, 403, 421]));
  expect(refused.includes(415)).toBe(route.method === 'POST');
});
