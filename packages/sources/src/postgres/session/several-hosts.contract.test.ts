import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { HoldfastError, SystemClock } from '@holdfast/core';
import { freePort, type PostgresServer, startPostgres, startStandby } from '@holdfast/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { diagnose } from '../doctor/diagnose.ts';
import { openFull } from '../full/open-full.ts';
import { openReader, type ReaderData } from '../full/reader.ts';
import { openSession, pinnedTo, type Session, staysAt } from './session.ts';
import { parseTarget } from './url.ts';

const { signal } = new AbortController();
let primary: PostgresServer;
let standby: PostgresServer;
let dead: string;

beforeAll(async () => {
  primary = await startPostgres();
  await primary.psql('postgres', 'CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)');
  standby = await startStandby(primary);
  await standby.catchUp(primary);
  dead = `127.0.0.1:${await freePort()}`;
});
afterAll(async () => {
  await standby?.remove();
  await primary?.remove();
});

/** Servers, ports or whole hosts, in the order of the URL. */
function urlOf(hosts: readonly (PostgresServer | string)[], search = ''): string {
  const named = hosts.map((host) => (typeof host === 'string' ? host : `127.0.0.1:${host.port}`));
  return `postgres://postgres@${named.join(',')}/postgres${search}`;
}

const open = (hosts: readonly (PostgresServer | string)[], search = ''): Promise<Session> =>
  openSession(parseTarget(urlOf(hosts, search), {}), { signal });

async function failure(work: Promise<unknown>): Promise<HoldfastError> {
  const caught = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (caught instanceof HoldfastError) return caught;
  throw new Error(`expected a HoldfastError, got ${String(caught)}`);
}

/** A host behind which the server can be exchanged, as behind a floating address, or that never says a word. */
class FloatingHost implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #leadsTo: PostgresServer | undefined;

  private constructor() {
    this.#server = createServer((client) => this.#pass(client));
  }

  static async open(address = '127.0.0.1'): Promise<FloatingHost> {
    const floating = new FloatingHost();
    floating.#server.listen(0, address);
    await once(floating.#server, 'listening');
    return floating;
  }

  /** As a URL names it. */
  get host(): string {
    const { address, port } = this.#server.address() as AddressInfo;
    return `${address.includes(':') ? `[${address}]` : address}:${port}`;
  }

  leadTo(server: PostgresServer | undefined): this {
    this.#leadsTo = server;
    return this;
  }

  #pass(client: Socket): void {
    this.#sockets.add(client);
    client.on('error', () => client.destroy());
    if (this.#leadsTo === undefined) return;
    const server = connect(this.#leadsTo.port, '127.0.0.1');
    this.#sockets.add(server);
    client.pipe(server).pipe(client);
    server.on('error', () => client.destroy());
    server.on('close', () => client.destroy());
    client.on('close', () => server.destroy());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

describe('a URL with several hosts', () => {
  it.each([
    ['primary', false],
    ['read-write', false],
    ['standby', true],
    ['read-only', true],
    ['prefer-standby', true],
  ])('leads to the server of the role, whatever stands before it: %s', async (role, wanted) => {
    for (const servers of [
      [dead, primary, standby],
      [standby, dead, primary],
    ]) {
      await using session = await open(servers, `?target_session_attrs=${role}`);
      expect(session.member.standby).toBe(wanted);
      expect(session.wire.host.port).toBe(wanted ? standby.port : primary.port);
    }
  });

  it('says of each host why it was not taken', async () => {
    const error = await failure(open([dead, standby], '?target_session_attrs=primary'));
    expect(error.code).toBe('unavailable');
    expect(error.reason).toMatch(
      /^no server fits: connecting at 127.*ECONNREFUSED.*; 127.* is a standby, wanted/,
    );
    expect(error.reason).toContain(dead);
    expect(error.reason).toContain(`127.0.0.1:${standby.port}/postgres is a standby`);
  });

  it('leads to the primary past a host that never answers, within the time-out', async () => {
    await using silent = (await FloatingHost.open()).leadTo(undefined);
    const search = '?target_session_attrs=primary&connect_timeout=1';
    await using session = await open([silent.host, primary], search);
    expect(session.wire.host.port).toBe(primary.port);
    const error = await failure(open([silent.host, standby], search));
    expect(error.reason).toContain(`${silent.host} did not answer within 1 s`);
  });

  it('gives up a server that lets nobody in any more, though its port answers', async () => {
    await using silent = await FloatingHost.open();
    silent.leadTo(standby);
    await using first = await open([silent.host], '?connect_timeout=1');
    expect(first.alive).toBe(true);
    process.kill(standby.pid, 'SIGSTOP');
    try {
      const error = await failure(open([silent.host], '?connect_timeout=1'));
      expect([error.code, error.reason]).toEqual(['unavailable', expect.stringContaining('did not answer')]);
    } finally {
      process.kill(standby.pid, 'SIGCONT');
    }
  });

  it('takes an address of version 6, in brackets', async () => {
    await using six = await FloatingHost.open('::1');
    await using session = await open([dead, six.leadTo(primary).host], '?target_session_attrs=primary');
    expect(session.where).toBe(`${six.host}/postgres`);
  });

  it('may name one server twice', async () => {
    await using again = await FloatingHost.open();
    await using session = await open([primary, again.leadTo(primary).host], '?target_session_attrs=primary');
    expect(session.wire.host.port).toBe(primary.port);
  });

  it('is told about, host by host, by doctor', async () => {
    const findings = await diagnose(
      parseTarget(urlOf([dead, standby, primary], '?target_session_attrs=primary'), {}),
      {
        signal,
      },
    );
    const hosts = findings.filter(({ check }) => check.startsWith('host '));
    expect(hosts.map(({ ok, severity, message }) => [ok, severity, message])).toEqual([
      [false, 'warning', expect.stringContaining('ECONNREFUSED')],
      [true, 'info', 'is a standby on timeline 1'],
      [true, 'info', 'is a primary on timeline 1; this is the server that is backed up'],
    ]);
  });
});

describe('what is pinned to a server', () => {
  it('goes to no other one that the host may lead to', async () => {
    await using floating = (await FloatingHost.open()).leadTo(primary);
    await using session = await open([floating.host]);
    const pinned = pinnedTo(session);
    {
      await using again = await openSession(pinned, { signal });
      expect(again.member).toEqual(session.member);
    }
    floating.leadTo(standby);
    const error = await failure(openSession(pinned, { signal }));
    expect([error.code, error.reason]).toEqual([
      'unavailable',
      expect.stringContaining('is not the server any more at which this began'),
    ]);
    expect((await failure(openSession(pinned, { signal, replication: 'database' }))).reason).toContain(
      'not the server any more',
    );
    // The standby's system identifier is the primary's: what only stays at the host may go there.
    await using stays = await openSession(staysAt(session), { signal });
    expect(stays.member.standby).toBe(true);
  });

  it('is a whole backup: its readers refuse another server', async () => {
    await using floating = (await FloatingHost.open()).leadTo(primary);
    const target = parseTarget(urlOf([floating.host]), {});
    const clock = new SystemClock();
    await using view = await openFull(target, {
      type: 'logical',
      keepChanges: false,
      label: 'x',
      clock,
      signal,
    });
    await using reader = await openReader(view.token.data as ReaderData, { signal });
    expect(reader).toBeDefined();
    floating.leadTo(standby);
    const error = await failure(openReader(view.token.data as ReaderData, { signal }));
    expect(error.reason).toContain('not the server any more');
  });

  it('is the server that the run began with', async () => {
    await using other = await startPostgres();
    const clock = new SystemClock();
    const o = { type: 'logical', keepChanges: false, label: 'x', clock, signal } as const;
    const error = await failure(openFull(parseTarget(urlOf([other]), {}), { ...o, identity: '1/5' }));
    expect([error.code, error.reason]).toEqual([
      'source_failed',
      expect.stringContaining('another database'),
    ]);
  });

  it('says at which standby it reads, and how far that has come', async () => {
    const o = { type: 'logical', keepChanges: false, label: 'x', clock: new SystemClock(), signal } as const;
    await using view = await openFull(parseTarget(urlOf([standby]), {}), o);
    expect(view.notices[0]).toMatch(
      /^read at the standby 127\.0\.0\.1:\d+\/postgres, which has replayed the log up to 0\//,
    );
  });
});

describe('after a failover', () => {
  it('a second primary, or one that was left behind, is not taken', async () => {
    const [one, two] = [primary, standby];
    await two.promote();
    const search = '?target_session_attrs=primary';
    const split = await failure(open([one, two], search));
    expect(split.code).toBe('precondition_failed');
    expect(split.reason).toBe(
      `two servers claim to be the primary: 127.0.0.1:${one.port}/postgres (timeline 1) and 127.0.0.1:${two.port}/postgres (timeline 2)`,
    );
    await using follower = await startStandby(two);
    await follower.catchUp(two);
    await two.stop('kill');
    const behind = await failure(open([one, two, follower], search));
    expect(behind.code).toBe('unavailable');
    expect(behind.reason).toContain(
      `127.0.0.1:${one.port}/postgres is a primary that was left behind on timeline 1 (127.0.0.1:${follower.port}/postgres is on timeline 2)`,
    );
    await two.start();
    await one.stop('kill');
    await using session = await open([one, two, follower], search);
    expect(session.wire.host.port).toBe(two.port);
    await one.start();
  });
});
