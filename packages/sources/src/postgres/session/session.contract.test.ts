import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { HoldfastError } from '@holdfast/core';
import { freePort, type PostgresServer, startPostgres, temporaryFolder } from '@holdfast/testing';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { openSession, type Session } from './session.ts';
import { parseTarget } from './url.ts';

const { signal } = new AbortController();
const open = (url: string): Promise<Session> => openSession(parseTarget(url, {}), { signal });

async function failure(work: Promise<unknown>): Promise<HoldfastError> {
  const caught = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (caught instanceof HoldfastError) return caught;
  throw new Error(`expected a HoldfastError, got ${String(caught)}`);
}

describe('a session', () => {
  const url = inject('postgres');

  it('prints values in one form, whatever the database says', async () => {
    await using session = await open(url);
    const [row] = await session.rows(
      `SELECT '2026-01-02 03:04:05.678901+02'::timestamptz::text AS at, '1 day -1 hour'::interval::text AS span,
              0.1::float4::float8::text AS float, '\\x00ff'::bytea::text AS bytes, 12345.6::numeric::money::text AS money`,
    );
    expect(row).toEqual({
      at: '2026-01-02 01:04:05.678901+00',
      span: '1 day -01:00:00',
      float: '0.10000000149011612',
      bytes: '\\x00ff',
      money: '$12,345.60',
    });
  });

  it('takes parameters, many statements, and one at a time', async () => {
    await using session = await open(url);
    await session.exec('BEGIN; CREATE TEMPORARY TABLE t (n int); INSERT INTO t VALUES (1), (2); COMMIT');
    const both = await Promise.all([
      session.rows('SELECT n FROM pg_temp.t WHERE n > $1', [1]),
      session.query('DELETE FROM pg_temp.t'),
    ]);
    expect(both[0]).toEqual([{ n: 2 }]);
    expect(both[1].count).toBe(2);
  });

  it('says in the end of an error what and where', async () => {
    await using session = await open(url);
    const error = await failure(session.query('SELECT 1/0', undefined, 'dividing'));
    expect(error.reason).toBe(`dividing at ${session.where} failed: division by zero [SQLSTATE 22012]`);
    expect(await session.rows('SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  it('names what is wrong with the way to the server', async () => {
    const port = await freePort();
    expect((await failure(open(`postgres://a@127.0.0.1:${port}/db`))).code).toBe('unavailable');
    expect((await failure(open('postgres://a@/db?host=/nowhere'))).code).toBe('unavailable');
    const missing = await failure(open(url.replace(/\/[^/]*$/, '/nothing_here')));
    expect([missing.code, missing.reason]).toEqual(['not_found', expect.stringContaining('nothing_here')]);
    expect((await failure(open(`${url}?sslmode=require`))).reason).toContain('does not speak TLS');
  });

  it('goes to the first server that has the wanted role', async () => {
    const port = await freePort();
    const two = url.replace('127.0.0.1', `127.0.0.1:${port},127.0.0.1`);
    await using session = await open(`${two}?target_session_attrs=primary`);
    expect(session.version).toBeGreaterThan(130_000);
    await using second = await open(`${two}?target_session_attrs=prefer-standby`);
    expect(second.alive).toBe(true);
    const none = await failure(open(`${two}?target_session_attrs=standby`));
    expect([none.code, none.reason]).toEqual([
      'unavailable',
      expect.stringMatching(/ECONNREFUSED.*is a primary, wanted is standby/s),
    ]);
  });

  it('ends at once when its signal aborts, also at the server', async () => {
    const control = new AbortController();
    await using session = await openSession(parseTarget(url, {}), { signal: control.signal });
    await using watcher = await open(url);
    const work = failure(session.query('SELECT pg_catalog.pg_sleep(60)'));
    const sql = 'SELECT state FROM pg_catalog.pg_stat_activity WHERE pid = $1';
    const state = async (): Promise<string | undefined> =>
      (await watcher.rows<{ state: string }>(sql, [session.processId]))[0]?.state;
    while ((await state()) !== 'active');
    control.abort();
    expect((await work).code).toBe('cancelled');
    while ((await state()) !== undefined);
  }, 20_000);

  it('that the server ends is an error for whoever uses it, and for nobody else', async () => {
    await using session = await open(url);
    await using killer = await open(url);
    const work = failure(session.query('SELECT pg_catalog.pg_sleep(60)'));
    await killer.query('SELECT pg_catalog.pg_terminate_backend($1)', [session.processId]);
    expect((await work).reason).toContain('terminating connection due to administrator command');
    expect((await failure(session.query('SELECT 1'))).code).toBe('source_failed');
    expect(session.alive).toBe(false);
  });

  it('speaks the replication protocol', async () => {
    await using session = await openSession(parseTarget(url, {}), { signal, replication: 'database' });
    const [row] = await session.rows<{ timeline: number }>('IDENTIFY_SYSTEM');
    expect(row?.timeline).toBe(1);
  });
});

describe('a server with passwords and TLS', () => {
  let server: PostgresServer;
  let authority: string;
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;

  beforeAll(async () => {
    folder = await temporaryFolder();
    authority = join(folder.path, 'server.crt');
    const key = join(folder.path, 'server.key');
    await promisify(execFile)('openssl', [
      ...['req', '-new', '-x509', '-days', '2', '-nodes', '-newkey', 'rsa:2048', '-subj', '/CN=localhost'],
      ...['-addext', 'subjectAltName=DNS:localhost', '-keyout', key, '-out', authority],
    ]);
    server = await startPostgres();
    const content = async (file: string): Promise<string> =>
      (await readFile(file, 'utf8')).replaceAll("'", "''");
    // Through the server, so that the files are its own, with the mode that it insists on.
    await server.psql(
      'postgres',
      `CREATE TEMP TABLE f (line text);
       COPY f FROM PROGRAM $$umask 077; cat > server.key <<'END'\n${await content(key)}END\n$$;
       COPY f FROM PROGRAM $$umask 077; cat > server.crt <<'END'\n${await content(authority)}END\n$$;
       ALTER SYSTEM SET ssl = on; SELECT pg_reload_conf();`,
    );
    await server.requirePassword('backup', 'pässword');
  });
  afterAll(async () => {
    await server?.remove();
    await folder?.[Symbol.asyncDispose]();
  });

  const at = (user: string, search = '', host = '127.0.0.1'): string =>
    `postgres://${user}@${host}:${server.port}/postgres${search}`;

  it('lets in who has the password', async () => {
    await using session = await open(at('backup:p%C3%A4ssword'));
    expect(session.wire.encrypted).toBe(true);
    const wrong = await failure(open(at('backup:guess')));
    expect([wrong.code, wrong.reason]).toEqual(['unauthenticated', expect.stringContaining('backup')]);
    expect(wrong.reason).not.toContain('guess');
    const none = await failure(open(at('backup')));
    expect(none.code).toBe('unauthenticated');
    expect(none.hint).toContain('.pgpass');
  });

  it('is asked for its certificate as far as sslmode says', async () => {
    await using plain = await open(at('postgres', '?sslmode=disable'));
    expect(plain.wire.encrypted).toBe(false);
    await using required = await open(at('postgres', '?sslmode=require'));
    expect(required.wire.encrypted).toBe(true);
    const unknown = await failure(open(at('postgres', '?sslmode=verify-ca')));
    expect([unknown.code, unknown.hint]).toEqual(['unavailable', expect.stringContaining('sslrootcert')]);
    await using trusted = await open(at('postgres', `?sslmode=verify-ca&sslrootcert=${authority}`));
    expect(trusted.wire.encrypted).toBe(true);
    await using named = await open(
      at('postgres', `?sslmode=verify-full&sslrootcert=${authority}`, 'localhost'),
    );
    expect(named.wire.encrypted).toBe(true);
    const other = await failure(open(at('postgres', `?sslmode=verify-full&sslrootcert=${authority}`)));
    expect(other.code).toBe('unavailable');
  });

  it('sends a COPY through TLS whole', async () => {
    const { CopySocket } = await import('./copy-socket.ts');
    await using session = await open(at('postgres', '?sslmode=require'));
    const rows = new CopySocket(session).copyOut(
      `COPY (SELECT n, repeat('x', 1000) FROM generate_series(1, 50000) n) TO STDOUT`,
      { signal, what: 'reading' },
    );
    let bytes = 0;
    let next = await rows.next();
    for (; !next.done; next = await rows.next()) bytes += next.value.length;
    expect(next.value.rows).toBe(50_000);
    expect(bytes).toBeGreaterThan(50_000_000);
  });
});
