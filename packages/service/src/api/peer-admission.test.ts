import { Secret } from '@holdfast/core';
import { FakeClock } from '@holdfast/testing';
import { expect, it } from 'vitest';
import { signPeerRequest } from './peer-signature.ts';
import { openTestServer, post, type TestServer } from './server.fixture.ts';

const secret = new Secret('0123456789abcdef-of-the-cluster');
const token = new Secret('0123456789abcdef-of-people');
const cluster = { node: 'node-b', secret };

interface Signing {
  readonly method?: string;
  readonly path?: string;
  readonly body?: string;
  readonly to?: string;
  readonly secret?: Secret;
  readonly apartMs?: number;
}

function signed(o: Signing = {}): string {
  const { method = 'GET', path = '/v1/status', body, to = 'node-b', apartMs = 0 } = o;
  const request = { method, path, body, from: 'node-a', to };
  return signPeerRequest(request, o.secret ?? secret, new FakeClock().now() + apartMs);
}

/** The status of the answer, and what it says. */
async function ask(
  test: TestServer,
  authorization: string,
  o: { path?: string; body?: string; headers?: Record<string, string> } = {},
): Promise<{ status: number; text: string }> {
  const { path = '/v1/status', body, headers = {} } = o;
  const given = { authorization, ...headers };
  const answer = await test.fetch(path, body === undefined ? { headers: given } : post(body, given));
  return { status: answer.status, text: await answer.text() };
}

it('a node of the cluster is let in beside people, and handlers learn its name', async () => {
  await using test = await openTestServer({ token, cluster });
  expect((await ask(test, signed())).status).toBe(200);
  expect((await ask(test, `Bearer ${token.reveal()}`)).status).toBe(200);
  expect(test.calls.map(({ input }) => input.peer)).toEqual(['node-a', undefined]);
});

it('what people send never makes them a node', async () => {
  await using test = await openTestServer({ cluster });
  expect((await ask(test, '', { path: '/v1/status?peer=node-a' })).status).toBe(400);
  const run = '/v1/tasks/orders/run';
  expect((await ask(test, '', { path: run, body: '{"peer":"node-a"}' })).status).toBe(400);
  expect(test.calls).toEqual([]);
});

it.each<[string, Signing, string]>([
  [
    'another secret',
    { secret: new Secret('another-0123456789') },
    'the cluster.secret of node-a is not that of node-b',
  ],
  ['another path', { path: '/v1/tasks' }, 'the cluster.secret of node-a is not that of node-b'],
  ['another query', { path: '/v1/status?x=1' }, 'the cluster.secret of node-a is not that of node-b'],
  ['another method', { method: 'POST' }, 'the cluster.secret of node-a is not that of node-b'],
  ['another node', { to: 'node-c' }, 'node-a meant to ask node-c, and has reached node-b'],
  ['a time long ago', { apartMs: -301_000 }, 'the clocks of node-a and node-b are 301 s apart'],
  ['a time to come', { apartMs: 301_000 }, 'the clocks of node-a and node-b are 301 s apart'],
])('a request that was signed for %s is refused', async (_, of, says) => {
  await using test = await openTestServer({ cluster });
  const { status, text } = await ask(test, signed(of));
  expect(status).toBe(401);
  expect(JSON.parse(text).error).toMatchObject({ code: 'unauthenticated', message: says });
  expect(test.calls).toEqual([]);
});

it('each part of the header is signed', async () => {
  await using test = await openTestServer({ cluster });
  const whole = signed();
  const [scheme = '', ...parts] = whole.split('.');
  for (let at = 0; at < parts.length; at++) {
    const other = parts.with(
      at,
      (parts[at] ?? '').replace(/^./, (first) => (first === '1' ? '2' : '1')),
    );
    expect((await ask(test, [scheme, ...other].join('.'))).status).toBe(401);
  }
  expect(test.calls).toEqual([]);
  expect((await ask(test, whole)).status).toBe(200);
});

it('a broken header, and one for a node without a secret, are refused', async () => {
  await using test = await openTestServer({ cluster });
  expect((await ask(test, 'Holdfast-Node 2.x')).text).toContain('cannot read the signature');
  await using open = await openTestServer({ cluster: { node: 'node-b', secret: undefined } });
  expect((await ask(open, signed())).text).toContain('node-b has no cluster.secret');
});

it('the body is signed, and a write is taken once', async () => {
  await using test = await openTestServer({ cluster });
  const path = '/v1/tasks/orders/delay';
  const body = '{"for":"1h"}';
  const authorization = signed({ method: 'POST', path, body });
  const changed = await ask(test, authorization, { path, body: '{"for":"9h"}' });
  expect(changed).toMatchObject({ status: 401 });
  expect(changed.text).toContain('the body is not the one that node-a has signed');
  expect((await ask(test, signed({ method: 'POST', path, body }), { path, body })).status).toBe(200);
  const once = signed({ method: 'POST', path, body });
  expect((await ask(test, once, { path, body })).status).toBe(200);
  const again = await ask(test, once, { path, body });
  expect(again.status).toBe(401);
  expect(again.text).toContain('a request of node-a has come a second time');
  expect(test.calls).toHaveLength(2);
});

it('the secret of a cluster is as long as a token', async () => {
  const short = { node: 'node-b', secret: new Secret('short') };
  await expect(openTestServer({ cluster: short })).rejects.toMatchObject({
    code: 'config_invalid',
    message: expect.stringContaining('cluster.secret is shorter than 16 characters'),
  });
});
