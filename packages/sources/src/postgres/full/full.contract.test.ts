import { readFile } from 'node:fs/promises';
import { type ChunkPlan, type FrozenView, HoldfastError, relationOf, SystemClock } from '@holdfast/core';
import { runPsql, type TemporaryDatabase, temporaryDatabase } from '@holdfast/testing';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { copyToJsonReference } from '../copy/copy-to-json.reference.ts';
import { postgresDriver } from '../index.ts';
import { openReader } from '../worker.ts';
import type { How } from './plan.ts';
import { readChunk, valuesOf } from './read-all.fixture.ts';

const { signal } = new AbortController();
const server = inject('postgres');
const clock = new SystemClock();
/** What every session of ours sets, said to psql. */
const sameForm = `SET timezone = 'UTC'; SET datestyle = 'ISO'; SET intervalstyle = 'postgres'; SET extra_float_digits = 3;
  SET bytea_output = 'hex'; SET lc_monetary = 'C'; SET search_path = ''`;

async function openFull(url: string, keepChanges = false, label = 'test'): Promise<FrozenView> {
  const source = await postgresDriver.open(url, { signal, clock });
  return await source.openFull({ signal, type: 'logical', keepChanges, label });
}

async function failure(work: Promise<AsyncDisposable>): Promise<HoldfastError> {
  try {
    await using _ = await work;
  } catch (caught) {
    if (caught instanceof HoldfastError) return caught;
    throw caught;
  }
  throw new Error('expected a HoldfastError');
}

const chunkOf = (view: FrozenView, path: string): ChunkPlan => {
  const found = view.chunks.find((chunk) => chunk.path === path);
  if (!found) throw new Error(`no chunk ${path} in ${view.chunks.map((each) => each.path).join(' ')}`);
  return found;
};

describe('a full of a database with everything in it', () => {
  let database: TemporaryDatabase;
  let view: FrozenView;
  beforeAll(async () => {
    database = await temporaryDatabase(server, 'torture');
    await database.psql(await readFile(new URL('./torture.fixture.sql', import.meta.url), 'utf8'));
    view = await openFull(database.url);
  });
  afterAll(async () => {
    await view?.[Symbol.asyncDispose]();
    await database?.[Symbol.asyncDispose]();
  });

  it('has a chunk for every table that holds rows, below its partitioned tables', () => {
    expect(view.chunks.map((chunk) => chunk.path)).toEqual([
      '/schema',
      '/sequences',
      '/large-objects/@0-4294967295',
      '/large-object-owners',
      '/public.events/public.events_2026/odd~2eschema~2f~25.events_2026_a',
      '/odd~2eschema~2f~25.we~20~22ird~2etab~2fle',
      '/public.child',
      '/public.computed',
      '/public.empty',
      '/public.events/public.events_2025',
      '/public.events/public.events_rest',
      '/public.no_columns',
      '/public.numbers',
      '/public.only_generated',
      '/public.others',
      '/public.parent',
      '/public.texts',
      '/public.times',
      '/public.typed',
      '/public.unlogged',
    ]);
    expect(chunkOf(view, '/public.computed').columns).toEqual([
      { name: 'id', type: 'integer' },
      { name: 'a', type: 'integer' },
      { name: 'z', type: 'text' },
    ]);
    expect((chunkOf(view, '/public.unlogged').how as How & { unlogged?: true }).unlogged).toBe(true);
  });

  it('gives every row as psql prints it, through a reader in another thread’s place', async () => {
    await using reader = await openReader(structuredClone(view.token.data), { signal });
    for (const chunk of view.chunks.filter((each) => each.kind === 'rows')) {
      const { sql } = chunk.how as Extract<How, { kind: 'copy' }>;
      const printed = await database.psql(`${sameForm};\n${sql};`);
      const { lines, rows } = await readChunk(reader, chunk, signal);
      // psql's last newline is cut off; an empty answer is none or, of a table without columns, one row.
      const text = rows === 0 ? '' : `${printed}\n`;
      expect(lines, chunk.path).toBe(copyToJsonReference(text, chunk.columns.length));
    }
  });

  it('says what is in it', async () => {
    const rowsOf = async (path: string): Promise<unknown[][]> =>
      valuesOf((await readChunk(view, chunkOf(view, path), signal)).lines);
    expect(await rowsOf('/public.no_columns')).toEqual([[], []]);
    expect(await rowsOf('/public.only_generated')).toEqual([[]]);
    expect(await rowsOf('/public.parent')).toEqual([['1']]);
    expect(await rowsOf('/public.child')).toEqual([['2', '3']]);
    expect(await rowsOf('/public.events/public.events_rest')).toEqual([['3', 'z', '2030-01-01']]);
    expect(await rowsOf('/sequences')).toEqual([
      ['odd.schema/%', 'se"q', '5', 't'],
      ['public', 'computed_id_seq', '2', 't'],
      ['public', 'untouched', '-3', 'f'],
    ]);
    const objects = await rowsOf('/large-objects/@0-4294967295');
    expect(objects.map(([oid, page]) => [oid, page])).toEqual(
      [0, 1, 2].map((page) => [objects[0]?.[0], String(page)]),
    );
    expect(objects.map((row) => String(row[2]).replace('\\x', '')).join('')).toBe('00ff10'.repeat(2000));
    const owners = await rowsOf('/large-object-owners');
    expect(owners.map((row) => row.slice(1))).toEqual([
      ['postgres', null, 'a comment'],
      ['postgres', null, null],
    ]);
  });

  it('has the schema as statements that make the same database', async () => {
    const { lines } = await readChunk(view, chunkOf(view, '/schema'), signal);
    const rows = valuesOf(lines) as [string, string, string, string][];
    await using copy = await temporaryDatabase(server, 'torture_copy');
    const statements = rows.filter(([section]) => section !== 'database').map(([, , , text]) => text);
    await copy.psql(statements.filter((text) => !text.startsWith('CREATE SCHEMA public')).join('\n'));
    await using again = await openFull(copy.url);
    const second = valuesOf((await readChunk(again, chunkOf(again, '/schema'), signal)).lines);
    expect(second.filter(([section]) => section !== 'database')).toEqual(
      rows.filter(([section]) => section !== 'database'),
    );
    expect(rows.filter(([, type]) => type === 'MATERIALIZED VIEW DATA').map(([, , name]) => name)).toEqual([
      'public.b_first',
      'public.a_second',
    ]);
    const of = (type: string) => rows.filter(([section, each]) => section === 'database' && each === type);
    expect(of('ENCODING')).toEqual([['database', 'ENCODING', '', 'UTF8']]);
    expect(of('EXTENSION').map(([, , name]) => name)).toEqual(['citext', 'plpgsql']);
    expect(of('ROLE').map(([, , name]) => name)).toContain('postgres');
  });

  it('knows the database for as long as it is the same, and says when the view was', async () => {
    const serverTimeMs = async (): Promise<number> =>
      Number(await database.psql('SELECT floor(extract(epoch from clock_timestamp()) * 1000)'));
    const beforeMs = await serverTimeMs();
    await using second = await openFull(database.url);
    expect(second.source).toEqual(view.source);
    expect(view.source).toMatchObject({
      type: 'postgres',
      name: database.name,
      version: expect.stringMatching(/^\d+/),
    });
    expect(second.mark.position).toMatch(/^[0-9A-F]+\/[0-9A-F]+$/);
    expect(second.mark.timeMs).toBeGreaterThanOrEqual(beforeMs);
    expect(second.mark.timeMs).toBeLessThanOrEqual(await serverTimeMs());
    const source = await postgresDriver.open(database.url, { signal, clock });
    const info = await source.inspect({ signal });
    expect(info).toMatchObject({ ...view.source, tables: 14, unmetForFull: [], unmetForIncremental: [] });
    expect(info.sizeBytes).toBeGreaterThan(1_000_000);
    expect(info.folders).toHaveLength(1);
  });
});

/** A writer at work, until it is disposed. */
function movingMoney(database: TemporaryDatabase): AsyncDisposable {
  let stopped = false;
  const work = (async () => {
    while (!stopped) {
      await database.psql(`BEGIN; UPDATE a SET v = v - 1 WHERE id <= 2000; UPDATE b SET v = v + 1 WHERE id <= 2000;
        INSERT INTO a SELECT max(id) + 1, 0 FROM a; COMMIT`);
    }
  })();
  return {
    async [Symbol.asyncDispose]() {
      stopped = true;
      await work;
    },
  };
}

describe('a view', () => {
  it.each([false, true])(
    'shows one moment, whatever is written meanwhile (keepChanges: %s)',
    async (keep) => {
      await using database = await temporaryDatabase(server, 'frozen');
      // Money moves, its sum does not: a view of two moments would show another sum.
      await database.psql(`CREATE TABLE a AS SELECT n AS id, 100 AS v FROM generate_series(1, 2000) n;
      CREATE TABLE b AS SELECT * FROM a; ALTER TABLE a ADD PRIMARY KEY (id)`);
      await using _ = movingMoney(database);
      const label = `frozen_${keep}`;
      await using view = await openFull(database.url, keep, label);
      await using reader = await openReader(view.token.data, { signal });
      await using second = await openReader(view.token.data, { signal });
      const seen = new Set<string>();
      for (let round = 0; round < 5; round++) {
        const a = valuesOf((await readChunk(reader, chunkOf(view, '/public.a'), signal)).lines);
        const b = valuesOf((await readChunk(second, chunkOf(view, '/public.b'), signal)).lines);
        const sum = [...a, ...b].reduce((total, row) => total + Number(row[1]), 0);
        seen.add(`${sum} in ${a.length}`);
      }
      expect([...seen]).toEqual([expect.stringMatching(/^400000 in /)]);
      const slots = `SELECT slot_name FROM pg_replication_slots WHERE database = current_database()`;
      expect(await database.psql(slots)).toBe(keep ? `holdfast_${label}` : '');
    },
  );

  it('of an empty database has a schema', async () => {
    await using database = await temporaryDatabase(server, 'empty');
    await using view = await openFull(database.url);
    expect(view.chunks.map((chunk) => chunk.path)).toEqual(['/schema']);
    const { lines, rows } = await readChunk(view, chunkOf(view, '/schema'), signal);
    expect(rows).toBe(valuesOf(lines).length);
    expect(rows).toBeGreaterThan(5);
  });

  it('splits a large table so that no row is left out or twice', async () => {
    await using database = await temporaryDatabase(server, 'large');
    await database.psql(`CREATE TABLE t AS SELECT n, repeat('x', 900) AS s FROM generate_series(1, 100000) n;
      DELETE FROM t WHERE n % 10 = 0`);
    await using view = await openFull(database.url);
    const ranges = view.chunks.filter((chunk) => relationOf(chunk.path) === '/public.t');
    expect(ranges.length).toBeGreaterThan(2);
    const seen = new Set<unknown>();
    let rows = 0;
    for (const chunk of ranges) {
      const read = await readChunk(view, chunk, signal);
      rows += read.rows;
      for (const [n] of valuesOf(read.lines)) seen.add(n);
    }
    expect([rows, seen.size]).toEqual([90_000, 90_000]);
  });

  it('keeps its tables from being dropped, and stands in the way of no writer', async () => {
    await using database = await temporaryDatabase(server, 'locks');
    await database.psql('CREATE TABLE t (n int)');
    await using view = await openFull(database.url);
    await expect(database.psql(`SET lock_timeout = '100ms'; DROP TABLE t`)).rejects.toThrow('lock timeout');
    await database.psql(
      `SET lock_timeout = '100ms'; INSERT INTO t VALUES (1); UPDATE t SET n = 2; CREATE INDEX ON t (n)`,
    );
    expect((await readChunk(view, chunkOf(view, '/public.t'), signal)).rows).toBe(0);
  });

  it('is refused when the user may not read everything, naming all of it', async () => {
    await using database = await temporaryDatabase(server, 'denied');
    const role = `r_${database.name}`;
    await database.psql(`CREATE ROLE ${role} LOGIN; CREATE TABLE one (n int); CREATE TABLE two (n int); CREATE TABLE open (n int);
      CREATE TABLE hidden (n int); GRANT SELECT ON open, hidden TO ${role}; ALTER TABLE hidden ENABLE ROW LEVEL SECURITY;
      CREATE SEQUENCE s; SELECT lo_from_bytea(0, 'x')`);
    const url = database.url.replace('postgres@', `${role}@`);
    try {
      const tables = await failure(openFull(url));
      expect(tables.code).toBe('permission_denied');
      expect(tables.reason).toContain('may not read public.one, public.two;');
      expect(tables.reason).toContain(`row level security hides rows from user ${role} in public.hidden`);
      await database.psql(
        `GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${role}; ALTER TABLE hidden DISABLE ROW LEVEL SECURITY`,
      );
      expect((await failure(openFull(url))).reason).toContain('the sequence public.s');
      await database.psql(`GRANT SELECT ON SEQUENCE s TO ${role}`);
      expect((await failure(openFull(url))).reason).toContain('the large objects');
      await database.psql(`GRANT pg_read_all_data TO ${role}`);
      await using view = await openFull(url);
      await using reader = await openReader(view.token.data, { signal });
      for (const chunk of view.chunks) await readChunk(chunk.local ? view : reader, chunk, signal);
      const keeping = await failure(openFull(url, true));
      expect([keeping.code, keeping.hint]).toEqual([
        'permission_denied',
        expect.stringContaining('REPLICATION'),
      ]);
    } finally {
      await database.psql(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    }
  });

  it('is refused by text that is not UTF-8, in a database that does not say what its text is', async () => {
    const name = `ascii_${process.pid}`;
    await runPsql(server, `CREATE DATABASE ${name} ENCODING 'SQL_ASCII' TEMPLATE template0 LOCALE 'C'`);
    const url = server.replace(/\/[^/]*$/, `/${name}`);
    try {
      await runPsql(url, `CREATE TABLE good AS SELECT 'é' AS t; CREATE TABLE bad AS SELECT E'caf\\xe9' AS t`);
      await using view = await openFull(url);
      expect((await readChunk(view, chunkOf(view, '/public.good'), signal)).lines).toBe('["é"]\n');
      await expect(readChunk(view, chunkOf(view, '/public.bad'), signal)).rejects.toThrow(
        /\[unsupported\] public\.bad holds text that is not UTF-8/,
      );
    } finally {
      await runPsql(server, `DROP DATABASE ${name} WITH (FORCE)`);
    }
  });
});
