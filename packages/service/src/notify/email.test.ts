// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these placeholders are Holdfast's own

import type { AddressInfo, Socket } from 'node:net';
import { createServer } from 'node:net';
import { inspect } from 'node:util';
import { HoldfastError } from '@holdfast/core';
import { FakeClock } from '@holdfast/testing';
import type { SMTPServerOptions } from 'smtp-server';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Delivered, type DeliverOptions, deliver } from './deliver.ts';
import { type DeclaredEmail, mailServer } from './email.ts';
import { letterOf } from './letter.ts';
import { mailReceiver, ownCertificate } from './mail-server.fixture.ts';
import { gather, type Notice } from './notice.ts';
import { isRefusal } from './receiver-errors.ts';

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
const declared = { type: 'email', from: 'Holdfast <holdfast@example.com>', to: ['ops@example.com'] } as const;
let tls: Awaited<ReturnType<typeof ownCertificate>>;
beforeAll(async () => {
  tls = await ownCertificate();
});

function send(
  server: string,
  o: Partial<DeliverOptions & Pick<DeclaredEmail, 'from' | 'to'>> & { what?: Notice } = {},
): Promise<Delivered> {
  const { what = notice, from = declared.from, to = declared.to, ...options } = o;
  return deliver(what, { type: 'email', from, to, server }, { signal, clock, ...options });
}

async function failure(...args: Parameters<typeof send>): Promise<HoldfastError> {
  const caught = await send(...args).then(
    () => undefined,
    (error: unknown) => error,
  );
  if (caught instanceof HoldfastError) return caught;
  throw new Error(`expected a HoldfastError, not ${inspect(caught)}`);
}

const onlyMonitor: SMTPServerOptions = {
  authOptional: false,
  onAuth({ username, password }, _session, done) {
    if (username === 'monitor' && password === 'p@ss/w:rd') done(null, { user: username });
    else done(new Error(`no such user with ${password}`));
  },
};

const refusing = (responseCode: number, address = ''): SMTPServerOptions => ({
  onRcptTo(recipient, _session, done) {
    const isRefused = address === '' || recipient.address === address;
    done(isRefused ? Object.assign(new Error('not here'), { responseCode }) : null);
  },
});

describe('an e-mail', () => {
  it('says in plain words what happened, when, and where to look', async () => {
    await using receiver = await mailReceiver({ disabledCommands: ['STARTTLS'] });
    expect(await send(`smtp://127.0.0.1:${receiver.port}`)).toEqual({ refused: [] });
    const [mail] = receiver.mails;
    expect(mail).toMatchObject({ from: 'holdfast@example.com', to: ['ops@example.com'], isEncrypted: false });
    const raw = mail?.raw ?? '';
    const head = raw.slice(0, raw.indexOf('\r\n\r\n'));
    const body = raw.slice(head.length).replaceAll('=\r\n', '').replaceAll('\r\n', '\n');
    expect(head).toMatch(/^Subject: \[holdfast\] failure: task orders$/m);
    expect(head).toMatch(/^From: Holdfast <holdfast@example.com>$/m);
    expect(head).toMatch(/^To: ops@example.com$/m);
    expect(head).toMatch(/^Date: Fri, 20 Nov 2026 14:00:05 \+0000$/m);
    expect(head).toMatch(/^Auto-Submitted: auto-generated$/im);
    expect(head).toMatch(/^Message-ID:\s+<2026.11.20T14.00.00.000Z.orders.failure.on.call@example.com>$/m);
    expect(head).toMatch(/^Content-Type: text\/plain; charset=utf-8$/m);
    expect(body).toContain(
      [
        'Backup of task orders failed: could not connect',
        '',
        'When: 2026-11-20 14:00:00 UTC',
        'Task: orders',
        'Run:  orders-20261120T135900000Z',
        'Node: node-a',
        '',
        'Error: [unavailable] could not connect',
        'What to do: is the server up?',
        '',
        'Where to look:',
        '  holdfast status',
        '  holdfast history orders',
        '  holdfast logs orders-20261120T135900000Z',
      ].join('\n'),
    );
  });

  it('logs in with what placeholders hold, encrypted by STARTTLS', async () => {
    await using receiver = await mailReceiver({ ...onlyMonitor, ...tls });
    await send(`smtp://monitor:\${env:PASS}@localhost:${receiver.port}`, {
      env: { PASS: 'p@ss/w:rd' },
      ca: tls.cert,
    });
    expect(receiver.mails).toMatchObject([{ user: 'monitor', isEncrypted: true }]);
  });

  it('is encrypted from the start by smtps', async () => {
    await using receiver = await mailReceiver({ ...tls, secure: true });
    await send(`smtps://localhost:${receiver.port}`, { ca: tls.cert });
    expect(receiver.mails).toMatchObject([{ isEncrypted: true }]);
  });

  it.each([false, true])('goes to nobody whose certificate is not trusted (smtps: %s)', async (secure) => {
    await using receiver = await mailReceiver({ ...tls, secure });
    const error = await failure(`${secure ? 'smtps' : 'smtp'}://localhost:${receiver.port}`);
    expect(error).toMatchObject({
      code: 'unavailable',
      hint: expect.stringContaining('NODE_EXTRA_CA_CERTS'),
    });
    expect(receiver.mails).toEqual([]);
  });

  it('sends no password in the clear to another machine', async () => {
    let isAsked = false;
    await using receiver = await mailReceiver({
      allowInsecureAuth: true,
      disabledCommands: ['STARTTLS'],
      onAuth(_login, _session, done) {
        isAsked = true;
        done(null, { user: 'monitor' });
      },
    });
    // 0.0.0.0 is a way to this machine that does not look like it.
    const error = await failure(`smtp://monitor:secret@0.0.0.0:${receiver.port}`);
    expect(error).toMatchObject({ code: 'unavailable', hint: expect.stringContaining('TLS') });
    expect(isAsked).toBe(false);
    await send(`smtp://monitor:secret@127.0.0.1:${receiver.port}`);
    expect(isAsked).toBe(true);
  });

  it('says that user and password are wrong, and not which they are', async () => {
    await using receiver = await mailReceiver({ ...onlyMonitor, ...tls });
    const error = await failure(`smtp://monitor:wr0ng-secret@localhost:${receiver.port}`, { ca: tls.cert });
    expect(error.code).toBe('unauthenticated');
    expect(error.message).toContain('no such user with [secret]');
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain('wr0ng-secret');
  });

  it('cannot get further headers or receivers from names', async () => {
    await using receiver = await mailReceiver({ disabledCommands: ['STARTTLS'] });
    const evil = 'orders\r\nBcc: evil@example.com\r\n\r\nHello';
    await send(`smtp://127.0.0.1:${receiver.port}`, {
      what: { ...notice, task: evil, node: evil, id: evil },
      from: 'holdfast@example.com\r\nX-Evil: 1',
    });
    const [mail] = receiver.mails;
    expect(mail?.to).toEqual(['ops@example.com']);
    const head = mail?.raw.split('\r\n\r\n')[0] ?? '';
    expect(head).toMatch(/^Subject: \[holdfast\] failure: task orders Bcc: evil@example.com Hello$/m);
    expect(head).not.toMatch(/^(Bcc|X-Evil|Hello)/im);
  });

  it('is refused for good by 550, and for now by 451', async () => {
    await using refuses = await mailReceiver({ disabledCommands: ['STARTTLS'], ...refusing(550) });
    const never = await failure(`smtp://127.0.0.1:${refuses.port}`);
    expect(never).toMatchObject({ code: 'precondition_failed' });
    expect(never.message).toContain('not here');
    expect(isRefusal(never)).toBe(true);
    await using busy = await mailReceiver({ disabledCommands: ['STARTTLS'], ...refusing(451) });
    expect(await failure(`smtp://127.0.0.1:${busy.port}`)).toMatchObject({ code: 'unavailable' });
  });

  it('reaches the others when one address is refused, and says which', async () => {
    await using receiver = await mailReceiver({
      disabledCommands: ['STARTTLS'],
      ...refusing(550, 'gone@example.com'),
    });
    const to = ['ops@example.com', 'gone@example.com'];
    const delivered = await send(`smtp://127.0.0.1:${receiver.port}`, { to });
    expect(delivered).toEqual({ refused: ['gone@example.com'] });
    expect(receiver.mails).toMatchObject([{ to: ['ops@example.com'] }]);
  });

  it('is given up after thirty seconds at a server that says nothing', async () => {
    const own = new FakeClock();
    const arrived = Promise.withResolvers<Socket>();
    const server = createServer((socket) => arrived.resolve(socket));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const failed = failure(`smtp://127.0.0.1:${(server.address() as AddressInfo).port}`, { clock: own });
    const socket = await arrived.promise;
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.resume();
    await own.advance(30_000);
    expect(await failed).toMatchObject({ code: 'timeout' });
    await closed;
    server.close();
    expect(own.sleeping).toBe(0);
  });

  it('waits for a server that is not there', async () => {
    expect(await failure('smtp://127.0.0.1:1')).toMatchObject({ code: 'unavailable' });
  });
});

describe('the URL of a mail server', () => {
  it('has a port of its own for each scheme', () => {
    expect(mailServer('smtp://mail.example.com')).toEqual({
      host: 'mail.example.com',
      port: 587,
      secure: false,
      requireTls: false,
    });
    expect(mailServer('smtps://u%40x:p%3A@[::1]')).toMatchObject({
      host: '::1',
      port: 465,
      user: 'u@x',
      password: 'p:',
    });
  });

  it.each(['http://s3cret', 'smtp:s3cret', 'smtp://a:s3cret%@h', 'smtp://h/?pass=s3cret', 's3cret'])(
    'is refused without quoting it: %s',
    (text) => {
      const attempt = () => mailServer(text);
      expect(attempt).toThrow('config_invalid');
      expect(attempt).not.toThrow('s3cret');
    },
  );
});

describe('the text of an e-mail', () => {
  it('of many messages is a list', () => {
    const message = (task: string) =>
      ({ ...notice, task, id: task, to: 'ops', event: 'failure', run: `${task}-1` }) as const;
    const { subject, text } = letterOf(gather([message('shop'), message('orders')]));
    expect(subject).toBe('[holdfast] failure: 2 messages of node node-a');
    expect(text).toContain('told in one message: 2 messages: 2 failed.');
    expect(text).toContain('2026-11-20 14:00:00 UTC  failure  shop-1\n  backup of task orders failed');
    expect(text).toContain('  holdfast logs RUN');
  });

  it('of a test names no task', () => {
    const { subject, text } = letterOf({
      id: '1',
      event: 'test',
      atMs: 0,
      node: 'node-a',
      text: 'this is a test',
    });
    expect(subject).toBe('[holdfast] test: from node node-a');
    expect(text).not.toContain('Where to look');
  });
});
