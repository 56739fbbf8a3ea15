// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these placeholders are Holdfast's own
import { createHmac } from 'node:crypto';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import { HoldfastError, SystemClock, version } from '@holdfast/core';
import { FakeClock } from '@holdfast/testing';
import { describe, expect, it } from 'vitest';
import { type DeliverOptions, deliver } from './deliver.ts';
import { ownCertificate } from './mail-server.fixture.ts';
import { gather, type Notice } from './notice.ts';
import { isRefusal } from './receiver-errors.ts';
import { webhookReceiver } from './webhook-receiver.fixture.ts';

const notice: Notice = {
  id: '2026-11-20T14:00:00.000Z-orders-failure-on-call',
  event: 'failure',
  task: 'orders',
  run: 'orders-20261120T135900000Z',
  atMs: Date.UTC(2026, 10, 20, 14),
  node: 'node-a',
  text: 'backup of task orders failed: could not connect',
  error: { code: 'unavailable', message: 'could not connect', hint: 'is the server up?' },
};

const { signal } = new AbortController();
const clock = new FakeClock({ startMs: Date.UTC(2026, 10, 20, 14, 0, 5) });

async function failure(
  url: string,
  o: Partial<DeliverOptions> & { secret?: string } = {},
): Promise<HoldfastError> {
  const { secret, ...options } = o;
  const to = { type: 'webhook', url, ...(secret !== undefined && { secret }) } as const;
  const caught = await deliver(notice, to, { signal, clock, ...options }).then(
    () => undefined,
    (error: unknown) => error,
  );
  if (caught instanceof HoldfastError) return caught;
  throw new Error(`expected a HoldfastError, not ${inspect(caught)}`);
}

describe('a webhook', () => {
  it('posts what happened as JSON', async () => {
    await using receiver = await webhookReceiver(204);
    await deliver(notice, { type: 'webhook', url: `${receiver.url}/hook?room=1` }, { signal, clock });
    const [request] = receiver.received;
    expect(request).toMatchObject({ method: 'POST', path: '/hook?room=1' });
    expect(request?.headers).toMatchObject({
      'content-type': 'application/json; charset=utf-8',
      'user-agent': `holdfast/${version}`,
    });
    expect(request?.headers['x-holdfast-signature']).toBeUndefined();
    expect(JSON.parse(request?.body ?? '')).toEqual({
      id: notice.id,
      event: 'failure',
      task: 'orders',
      run: 'orders-20261120T135900000Z',
      text: 'backup of task orders failed: could not connect',
      error: { code: 'unavailable', message: 'could not connect', hint: 'is the server up?' },
      at: '2026-11-20T14:00:00.000Z',
      node: 'node-a',
      holdfast: version,
    });
  });

  it('signs the time and the bytes of the body, as a receiver verifies them', async () => {
    await using receiver = await webhookReceiver(200);
    const to = { type: 'webhook', url: '${env:HOOK}', secret: '${env:KEY}' } as const;
    const umlauts = { ...notice, text: 'Sicherung der Aufträge: ✗' };
    await deliver(umlauts, to, { signal, clock, env: { HOOK: receiver.url, KEY: 's3cret/ü' } });
    const [request] = receiver.received;
    const header = String(request?.headers['x-holdfast-signature']);
    const { t, v1 } = Object.fromEntries(header.split(',').map((part) => part.split('=')));
    expect(t).toBe(String(Date.UTC(2026, 10, 20, 14, 0, 5) / 1000));
    expect(v1).toBe(createHmac('sha256', 's3cret/ü').update(`${t}.${request?.body}`).digest('hex'));
  });

  it('sends several messages as a list, under the worst of their events', async () => {
    await using receiver = await webhookReceiver(200);
    const message = (task: string, event: 'failure' | 'recovery') =>
      ({ ...notice, id: `1-${task}`, to: 'on-call', task, event }) as const;
    const gathered = gather([message('shop', 'recovery'), message('orders', 'failure')]);
    await deliver(gathered, { type: 'webhook', url: receiver.url }, { signal, clock });
    const body = JSON.parse(receiver.received[0]?.body ?? '');
    expect(body).toMatchObject({
      id: '1-shop+1',
      event: 'failure',
      text: '2 messages: 1 failed, 1 good again',
    });
    expect(body.task).toBeUndefined();
    expect(body.tasks).toMatchObject([
      { id: '1-shop', event: 'recovery', task: 'shop', at: '2026-11-20T14:00:00.000Z' },
      { id: '1-orders', event: 'failure', task: 'orders', error: { code: 'unavailable' } },
    ]);
  });

  it('keeps the body small, however much an error has to say', async () => {
    await using receiver = await webhookReceiver(200);
    const message = {
      ...notice,
      to: 'on-call',
      task: 'orders',
      event: 'failure',
      text: '✗'.repeat(1e6),
    } as const;
    const many = Array.from({ length: 99 }, () => message);
    await deliver(gather([message, ...many]), { type: 'webhook', url: receiver.url }, { signal, clock });
    expect(receiver.received[0]?.body.length).toBeLessThan(100_000);
  });

  it.each([
    [400, 'precondition_failed'],
    [401, 'permission_denied'],
    [403, 'permission_denied'],
    [404, 'not_found'],
    [410, 'not_found'],
    [413, 'precondition_failed'],
  ])('that answers %d refuses the message', async (status, code) => {
    await using receiver = await webhookReceiver(status);
    const error = await failure(receiver.url);
    expect(error).toMatchObject({ code, hint: expect.any(String) });
    expect(error.reason).toBe(`the webhook at ${receiver.url} answers ${status}`);
    expect(isRefusal(error)).toBe(true);
  });

  it.each([408, 429, 500, 502, 503])('that answers %d may take it later', async (status) => {
    await using receiver = await webhookReceiver(status);
    const error = await failure(receiver.url);
    expect(error.code).toBe('unavailable');
    expect(isRefusal(error)).toBe(false);
  });

  it('that redirects is not followed, and where to is not told', async () => {
    await using other = await webhookReceiver(200);
    await using receiver = await webhookReceiver((response) => {
      response.writeHead(307, { location: `${other.url}/?token=s3cret` }).end();
    });
    const error = await failure(receiver.url);
    expect(error.code).toBe('precondition_failed');
    expect(error.message).toMatch(/answers 307, a redirect$/);
    expect(other.received).toEqual([]);
  });

  it('that hangs is given up after ten seconds', async () => {
    const own = new FakeClock();
    const arrived = Promise.withResolvers<void>();
    await using receiver = await webhookReceiver(() => arrived.resolve());
    const failed = failure(receiver.url, { clock: own });
    await arrived.promise;
    await own.advance(10_000);
    expect(await failed).toMatchObject({ code: 'timeout' });
    expect(own.sleeping).toBe(0);
  });

  it('that hangs is left at once when the node ends', async () => {
    const arrived = Promise.withResolvers<void>();
    await using receiver = await webhookReceiver(() => arrived.resolve());
    const end = new AbortController();
    const failed = failure(receiver.url, { signal: end.signal });
    await arrived.promise;
    end.abort(new HoldfastError('cancelled', 'the node ends'));
    expect(await failed).toMatchObject({ code: 'cancelled', reason: 'the node ends' });
  });

  it('that closes the connection, or is not there, may come back', async () => {
    await using receiver = await webhookReceiver((response) => response.destroy());
    expect(await failure(receiver.url)).toMatchObject({ code: 'unavailable' });
    const error = await failure('http://127.0.0.1:1');
    expect(error.code).toBe('unavailable');
    expect(error.message).toContain('ECONNREFUSED');
  });

  it('that takes the message and never ends its answer has taken it', async () => {
    await using receiver = await webhookReceiver((response) => response.writeHead(200).write('…'));
    await deliver(notice, { type: 'webhook', url: receiver.url }, { signal, clock });
  });

  it('that refuses with a long answer is quoted shortly, on one line', async () => {
    await using receiver = await webhookReceiver((response) => {
      response.writeHead(400).write('no\r\n\u001b[31msuch channel '.repeat(10_000));
    });
    const error = await failure(receiver.url);
    expect(error.reason).toContain('answers 400: no [31msuch channel');
    expect(error.reason.length).toBeLessThan(300);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is the question
    expect(error.reason).not.toMatch(/[\x00-\x1f]/);
  });

  it('whose certificate is not trusted gets nothing, and the hint says how to trust it', async () => {
    const { key, cert } = await ownCertificate();
    let requests = 0;
    const server = createServer({ key, cert }, (_request, response) => {
      requests++;
      response.end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `https://localhost:${(server.address() as AddressInfo).port}/hook`;
    try {
      const error = await failure(url);
      expect(error).toMatchObject({
        code: 'unavailable',
        hint: expect.stringContaining('NODE_EXTRA_CA_CERTS'),
      });
      expect(error.message).toContain('certificate');
      expect(requests).toBe(0);
      await deliver(notice, { type: 'webhook', url }, { signal, clock: new SystemClock(), ca: cert });
      expect(requests).toBe(1);
    } finally {
      server.close();
    }
  });
});

describe('what a webhook must not tell', () => {
  it('are secrets, even if the receiver sends them back', async () => {
    await using receiver = await webhookReceiver((response) => {
      const { url, headers } = response.req;
      response.writeHead(400).end(`no ${url} ${headers.authorization} topsecret`);
    });
    const at = receiver.url.replace('//', '//user:passw0rd@');
    const error = await failure(`${at}/services/T0K3N?key=v4lue`, {
      secret: '${env:KEY}',
      env: { KEY: 'topsecret' },
    });
    const printed = inspect(error, { depth: 10, showHidden: true });
    expect(error.reason).toContain('answers 400: no ');
    for (const secret of [
      'T0K3N',
      'v4lue',
      'passw0rd',
      'topsecret',
      Buffer.from('user:passw0rd').toString('base64'),
    ])
      expect(printed).not.toContain(secret);
  });

  it.each(['htps://x/s3cret', 's3cret', 'file:///s3cret', ''])('is a wrong URL: %s', async (url) => {
    const error = await failure('${env:HOOK}', { env: { HOOK: url || ' ' } });
    expect(error.code).toBe('config_invalid');
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain('s3cret');
  });

  it('names what a placeholder lacks', async () => {
    const error = await failure('https://${env:NO_SUCH}/x', { env: {} });
    expect(error).toMatchObject({ code: 'config_invalid' });
    expect(error.message).toContain('NO_SUCH');
    expect(isRefusal(error)).toBe(false);
  });
});
