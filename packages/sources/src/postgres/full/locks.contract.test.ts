import { HoldfastError, SystemClock } from '@holdfast/core';
import { startPostgres, startStandby, type TemporaryDatabase, temporaryDatabase } from '@holdfast/testing';
import { describe, expect, inject, it } from 'vitest';
import { openSession, type Session } from '../session/session.ts';
import { parseTarget } from '../session/url.ts';
import { openFull } from './open-full.ts';
import { planTables } from './plan.ts';
import { readChunk, valuesOf } from './read-all.fixture.ts';
import { beginView } from './snapshot.ts';

const { signal } = new AbortController();
const server = inject('postgres');
const open = (url: string, lockTimeoutMs = 200): Promise<Session> =>
  openSession(parseTarget(url, {}), { signal, lockTimeoutMs });
const plain = { signal, type: 'logical', keepChanges: false, label: 'x', clock: new SystemClock() } as const;

async function failure(work: Promise<unknown>): Promise<HoldfastError> {
  const caught = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (caught instanceof HoldfastError) return caught;
  throw new Error(`expected a HoldfastError, got ${String(caught)}`);
}

async function threeTables(): Promise<TemporaryDatabase> {
  const database = await temporaryDatabase(server, 'locks');
  await database.psql(
    `CREATE TABLE a AS SELECT 1 AS n; CREATE TABLE b AS SELECT 1 AS n; CREATE TABLE "c.c" AS SELECT 1 AS n`,
  );
  return database;
}

describe('locking the tables of a view', () => {
  it.each([
    ['TRUNCATE b', 'public.b'],
    ['ALTER TABLE b ALTER n TYPE bigint', 'public.b'],
    ['ALTER TABLE b RENAME TO x; CREATE TABLE b AS SELECT 2 AS n', 'public.b'],
    ['DROP TABLE b', 'b'],
  ])('fails when %s came between the view and the lock', async (sql, name) => {
    await using database = await threeTables();
    await using session = await open(database.url);
    await beginView(session);
    // The first query is what takes the snapshot.
    await session.rows('SELECT 1');
    await database.psql(sql);
    // Without the check the view would show the table empty, or another one in its place.
    const error = await failure(planTables(session, { lock: true }));
    expect([error.code, error.reason]).toEqual(['source_failed', expect.stringContaining(name)]);
  });

  it('waits no longer than it may, and says for whom', async () => {
    await using database = await threeTables();
    await using holder = await open(database.url);
    await holder.exec('BEGIN; LOCK TABLE public.b IN ACCESS EXCLUSIVE MODE');
    await using session = await open(database.url);
    await beginView(session);
    const error = await failure(planTables(session, { lock: true }));
    expect(error.code).toBe('timeout');
    expect(error.reason).toContain(`public.b is locked by process ${holder.processId} (BEGIN; LOCK TABLE`);
  });
});

describe('what a full reads besides plain tables', () => {
  it('is of an extension’s tables only what the user put there', async () => {
    await using database = await temporaryDatabase(server, 'extension');
    // As an extension's script would have it with pg_extension_config_dump.
    await database.psql(`CREATE EXTENSION citext; CREATE TABLE config AS SELECT n FROM generate_series(1, 3) n;
      CREATE TABLE internal AS SELECT 1 AS n; ALTER EXTENSION citext ADD TABLE config; ALTER EXTENSION citext ADD TABLE internal;
      UPDATE pg_extension SET extconfig = ARRAY['config'::regclass::oid], extcondition = ARRAY['WHERE n > 1'] WHERE extname = 'citext'`);
    await using view = await openFull(parseTarget(database.url, {}), plain);
    const [chunk, ...others] = view.chunks.filter((each) => each.kind === 'rows');
    expect(others).toEqual([]);
    if (chunk) expect(valuesOf((await readChunk(view, chunk, signal)).lines)).toEqual([['2'], ['3']]);
  });

  it('leaves foreign tables out, and says so', async () => {
    await using database = await temporaryDatabase(server, 'foreign');
    await database.psql(`CREATE EXTENSION file_fdw; CREATE SERVER f FOREIGN DATA WRAPPER file_fdw;
      CREATE FOREIGN TABLE far (n int) SERVER f OPTIONS (filename '/etc/passwd')`);
    await using view = await openFull(parseTarget(database.url, {}), plain);
    expect(view.chunks.map((each) => each.path)).toEqual(['/schema']);
    expect(view.notices).toEqual([expect.stringContaining('public.far')]);
  });

  it('comes from a standby too, whose database is the same', async () => {
    await using primary = await startPostgres();
    await primary.psql('postgres', 'CREATE TABLE t AS SELECT 1 AS n');
    await using standby = await startStandby(primary);
    await standby.catchUp(primary);
    await using here = await openFull(parseTarget(primary.url(), {}), plain);
    await using there = await openFull(parseTarget(standby.url(), {}), plain);
    expect(there.source).toEqual(here.source);
    const [chunk] = there.chunks.filter((each) => each.kind === 'rows');
    if (chunk) expect((await readChunk(there, chunk, signal)).lines).toBe('["1"]\n');
    const [schema] = there.chunks;
    if (schema) expect((await readChunk(there, schema, signal)).lines).toContain('CREATE TABLE public.t');
    const keeping = await failure(openFull(parseTarget(standby.url(), {}), { ...plain, keepChanges: true }));
    expect(['unsupported', 'precondition_failed']).toContain(keeping.code);
  });
});
