import { chmod, writeFile } from 'node:fs/promises';
import { HoldfastError } from '@holdfast/core';
import { temporaryDatabase, temporaryFolder } from '@holdfast/testing';
import { describe, expect, inject, it, vi } from 'vitest';
import { beginView, exportSnapshot } from '../full/snapshot.ts';
import { openSession } from '../session/session.ts';
import { parseTarget } from '../session/url.ts';
import { dumpSchema, findProgram } from './pg-dump.ts';

const { signal } = new AbortController();
const server = inject('postgres');

async function failure(work: Promise<unknown>): Promise<HoldfastError> {
  const caught = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (caught instanceof HoldfastError) return caught;
  throw new Error(`expected a HoldfastError, got ${String(caught)}`);
}

/** Runs `work` with a pg_dump of our own making in front of all others. */
async function withProgram(script: string, work: () => Promise<void>): Promise<void> {
  await using folder = await temporaryFolder();
  await writeFile(
    folder.join('pg_dump'),
    `#!/bin/sh\n[ "$1" = --version ] && { echo 'pg_dump (PostgreSQL) 99.1'; exit; }\n${script}\n`,
  );
  await chmod(folder.join('pg_dump'), 0o755);
  vi.stubEnv('HOLDFAST_PG_BIN', folder.path);
  try {
    await work();
  } finally {
    vi.unstubAllEnvs();
  }
}

describe('pg_dump', () => {
  it('is the oldest that is not older than the server', async () => {
    await using session = await openSession(parseTarget(server, {}), { signal });
    const found = await findProgram('pg_dump', session.version);
    expect(found.major).toBe(Math.floor(session.version / 10_000));
    const none = await failure(findProgram('pg_dump', 990_001));
    expect([none.code, none.hint]).toEqual(['unsupported', expect.stringContaining('postgresql-client-99')]);
  });

  it('sees what its snapshot saw', async () => {
    await using database = await temporaryDatabase(server, 'dump');
    await database.psql('CREATE TABLE before (n int)');
    await using session = await openSession(parseTarget(database.url, {}), { signal });
    await beginView(session);
    const snapshot = await exportSnapshot(session);
    await database.psql('CREATE TABLE after (n int)');
    const text = await dumpSchema(session, { snapshot, section: 'pre-data', lockTimeoutMs: 1000, signal });
    expect(text).toContain('CREATE TABLE public.before');
    expect(text).not.toContain('public.after');
    const gone = await failure(
      dumpSchema(session, {
        snapshot: '00000003-0000001B-1',
        section: 'pre-data',
        lockTimeoutMs: 1000,
        signal,
      }),
    );
    expect([gone.code, gone.reason]).toEqual(['source_failed', expect.stringContaining('exit code 1')]);
  });

  it.each([
    [
      'fails after printing everything',
      'echo; echo "-- PostgreSQL database dump complete"; echo; echo boom >&2; exit 3',
      'exit code 3: boom',
    ],
    ['ends well with half of the output', 'echo "CREATE TABLE"', 'not complete'],
    ['ends well with nothing', 'exit 0', 'not complete'],
  ])('that %s gives no schema', async (_name, script, reason) => {
    await using session = await openSession(parseTarget(server, {}), { signal });
    await withProgram(script, async () => {
      const error = await failure(
        dumpSchema(session, { snapshot: 'x', section: 'pre-data', lockTimeoutMs: 1, signal }),
      );
      expect([error.code, error.reason]).toEqual(['source_failed', expect.stringContaining(reason)]);
    });
  });

  it('is ended by an abort, and is told its password by no argument', async () => {
    const control = new AbortController();
    const url = server.replace('postgres@', 'postgres:s3cret@');
    await using session = await openSession(parseTarget(url, {}), { signal });
    await withProgram('echo "$@" >&2; [ "$PGPASSWORD" = s3cret ] || exit 9; exec sleep 60', async () => {
      const work = failure(
        dumpSchema(session, { snapshot: 'x', section: 'pre-data', lockTimeoutMs: 1, signal: control.signal }),
      );
      await session.query('SELECT pg_catalog.pg_sleep(0.3)');
      control.abort();
      expect((await work).code).toBe('cancelled');
    });
    await withProgram('echo "$@" >&2; exit 9', async () => {
      const error = await failure(
        dumpSchema(session, { snapshot: 'x', section: 'pre-data', lockTimeoutMs: 1, signal }),
      );
      expect(error.reason).toContain('--schema-only');
      expect(error.reason).not.toContain('s3cret');
    });
  });
});
