import { HoldfastError, Secret } from '@holdfast/core';
import { FakeClock, freePort } from '@holdfast/testing';
import { expect, it } from 'vitest';
import { contract } from '../contract/contract.ts';
import { Client } from './client.ts';
import { type Fetch, notBegunHeader } from './connection.ts';

const { signal } = new AbortController();
const json = (value: unknown, status = 200, headers = {}): Response =>
  new Response(JSON.stringify(value), { status, headers });
const status = (): Response => json(contract.getStatus.examples[0].output);
const started = (): Response => json(contract.runTask.examples[0].output, 202);
const refusing = (code: ErrorCodeOfNode) => (): Response => {
  throw Object.assign(new TypeError('fetch failed'), { cause: Object.assign(new Error(code), { code }) });
};
type ErrorCodeOfNode = 'ECONNREFUSED' | 'ECONNRESET';

type Answers = Readonly<Record<string, (init: Parameters<Fetch>[1]) => Response | Promise<Response>>>;

/** A client of servers that are these functions, and whom it asked. */
function clientOf(answers: Answers): { readonly client: Client; readonly asked: string[]; clock: FakeClock } {
  const asked: string[] = [];
  const clock = new FakeClock();
  const send: Fetch = async (url, init) => {
    const { hostname } = new URL(url);
    asked.push(hostname);
    return (answers[hostname] ?? refusing('ECONNREFUSED'))(init);
  };
  const names = Object.keys(answers).join(',');
  return { client: new Client({ url: `http://${names}`, clock, fetch: send }), asked, clock };
}

async function errorOf(promise: Promise<unknown>): Promise<HoldfastError> {
  return promise.then(
    () => expect.unreachable('it should have failed'),
    (caught: unknown) => HoldfastError.from(caught),
  );
}

it.each([
  ['http://a:7000,b', ['http://a:7000/v1/status', 'http://b:6362/v1/status']],
  ['https://a,b:7001', ['https://a/v1/status', 'https://b:7001/v1/status']],
  ['http://a:1, https://b/x ,http://a:1', ['http://a:1/v1/status', 'https://b/x/v1/status']],
  ['http://[::1]:7000,[::2]', ['http://[::1]:7000/v1/status', 'http://[::2]:6362/v1/status']],
])('%s names these servers', async (url, addresses) => {
  const asked: string[] = [];
  const send: Fetch = async (address) => {
    asked.push(address);
    return refusing('ECONNREFUSED')();
  };
  await errorOf(new Client({ url, fetch: send }).getStatus({ signal }));
  expect(asked).toEqual(addresses);
});

it.each([
  ['http://127.0.0.1:1,', 'no http or https URL'],
  ['http://127.0.0.1:1,ftp://b', 'no http or https URL'],
  ['http://127.0.0.1:1,b', 'unencrypted'],
])('the list %s is refused before anything is sent', (url, says) => {
  expect(() => new Client({ url, token: new Secret('0123456789abcdef') })).toThrow(says);
});

it('a server that does not live is passed over, and the one that answered is asked first from then on', async () => {
  const { client, asked } = clientOf({ a: refusing('ECONNREFUSED'), b: status, c: status });
  await client.getStatus({ signal });
  await client.getStatus({ signal });
  expect(asked).toEqual(['a', 'b', 'b']);
  expect(client.server).toBe('http://b:6362');
});

it('it works over real sockets, too', async () => {
  const [dead, alsoDead] = [await freePort(), await freePort()];
  const client = new Client({ url: `http://127.0.0.1:${dead},127.0.0.1:${alsoDead}` });
  const error = await errorOf(client.runTask({ task: 'orders', signal }));
  expect(error).toMatchObject({ code: 'unavailable' });
  expect(error.reason).toBe(
    `none of the 2 servers can be asked: no Holdfast node answers at http://127.0.0.1:${dead} (ECONNREFUSED); no Holdfast node answers at http://127.0.0.1:${alsoDead} (ECONNREFUSED)`,
  );
});

it('a read whose answer was lost is asked of the next', async () => {
  const { client, asked } = clientOf({ a: refusing('ECONNRESET'), b: status });
  await client.getStatus({ signal });
  expect(asked).toEqual(['a', 'b']);
});

it('a write goes to the next where nobody took it', async () => {
  const stopping = { error: { code: 'unavailable', message: 'this node is stopping' } };
  const { client, asked } = clientOf({
    a: refusing('ECONNREFUSED'),
    b: () => json(stopping, 503, { [notBegunHeader]: 'true' }),
    c: started,
  });
  await client.runTask({ task: 'orders', signal });
  expect(asked).toEqual(['a', 'b', 'c']);
});

it.each([
  ['a connection that broke', refusing('ECONNRESET')],
  ['a proxy that got no answer', () => new Response('<html>', { status: 502 })],
])('a write that may have been done is not repeated, and that is said: %s', async (_, answer) => {
  const { client, asked } = clientOf({ a: answer, b: started });
  const error = await errorOf(client.runTask({ task: 'orders', signal }));
  expect(asked).toEqual(['a']);
  expect(error).toMatchObject({
    code: 'unavailable',
    hint: expect.stringContaining('it may have been done all the same'),
  });
});

it('what only looks at things is asked of the next though it is a POST', async () => {
  const { client, asked } = clientOf({
    a: refusing('ECONNRESET'),
    b: () => json(contract.planObjects.examples[0].output),
  });
  await client.planObjects({ files: [{ name: 'a.yaml', text: '' }], signal });
  expect(asked).toEqual(['a', 'b']);
});

it('a server that hangs is passed over after a while; a write waits for the whole time', async () => {
  const hanging = (init: Parameters<Fetch>[1]): Promise<Response> =>
    new Promise((_, reject) =>
      init.signal.addEventListener('abort', () => reject(init.signal.reason), { once: true }),
    );
  const reading = clientOf({ a: hanging, b: status });
  const read = reading.client.getStatus({ signal });
  await reading.clock.advance(15_000);
  await read;
  const writing = clientOf({ a: hanging, b: started });
  const write = errorOf(writing.client.runTask({ task: 'orders', signal }));
  await writing.clock.advance(15_000);
  expect(writing.clock.sleeping).toBe(1);
  await writing.clock.advance(45_000);
  expect(await write).toMatchObject({ code: 'timeout', hint: expect.stringContaining('may have been done') });
  expect(writing.asked).toEqual(['a']);
});

it('what a server answers is the answer; only one that cannot reach what it needs is passed over', async () => {
  const unknown = { error: { code: 'not_found', message: 'there is no task x' } };
  const missing = clientOf({ a: () => json(unknown, 404), b: status });
  expect(await errorOf(missing.client.getStatus({ signal }))).toMatchObject({ code: 'not_found' });
  expect(missing.asked).toEqual(['a']);
  const away = { error: { code: 'unavailable', message: 'the store does not answer', hint: 'wait' } };
  const first = clientOf({ a: () => json(away, 503), b: status });
  await first.client.getStatus({ signal });
  const both = clientOf({ a: refusing('ECONNREFUSED'), b: () => json(away, 503) });
  expect(await errorOf(both.client.getStatus({ signal }))).toMatchObject({ hint: 'wait' });
  const writing = clientOf({ a: () => json(away, 503), b: started });
  expect(await errorOf(writing.client.runTask({ task: 'orders', signal }))).toMatchObject({ hint: 'wait' });
});

it('a caller who stops waiting has nobody else asked', async () => {
  const abort = new AbortController();
  const { client, asked } = clientOf({
    a: () => {
      abort.abort(new HoldfastError('cancelled', 'enough'));
      return refusing('ECONNRESET')();
    },
    b: status,
  });
  expect(await errorOf(client.getStatus({ signal: abort.signal }))).toMatchObject({ reason: 'enough' });
  expect(asked).toEqual(['a']);
});

it('a stream that breaks off is told, and the next one comes from the next server', async () => {
  const event = 'id: 1\nevent: objects\ndata: {"kind":"objects","revision":1}\n\n';
  const breaking = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.error(new TypeError('terminated')),
  });
  const { client, asked } = clientOf({ a: () => new Response(breaking), b: () => new Response(event) });
  expect(await errorOf(client.events({ signal }).next())).toMatchObject({ code: 'unavailable' });
  const events = client.events({ signal });
  expect((await events.next()).value).toMatchObject({ revision: 1 });
  await events.return();
  expect(asked).toEqual(['a', 'b']);
});
