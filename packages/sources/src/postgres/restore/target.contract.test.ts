import { readFile } from 'node:fs/promises';
import { type SchemaStatement, SystemClock } from '@holdfast/core';
import { quoteName, runPsql, temporaryDatabase } from '@holdfast/testing';
import { afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { openReader, type ReaderData } from '../full/reader.ts';
import { parseTarget } from '../session/url.ts';
import { type LoaderData, openLoader } from './loader.ts';
import { type Copy, copyDatabase, inBlocks, never, readChunk, restoreCopy } from './restore.fixture.ts';
import { openTarget } from './target.ts';

const server = inject('postgres');
const name = `r_${process.pid}`;
const url = urlOf(name);

function urlOf(database: string): string {
  const made = new URL(server);
  made.pathname = `/${encodeURIComponent(database)}`;
  return made.href;
}

const databases = (): Promise<string> =>
  runPsql(server, `SELECT datname FROM pg_database WHERE datname LIKE '${name}%' ORDER BY 1`);

/** A line per row. In which order privileges were granted says nothing. */
function inPlainWords(schema: readonly SchemaStatement[]): string[] {
  return schema.map(({ section, type, name, text }) => {
    const what =
      type === 'ACL' && section === 'database' ? (JSON.parse(text) as string[]).sort().join() : text;
    return [section, type, name, what].join(' | ');
  });
}

let copy: Copy;
let source: Awaited<ReturnType<typeof temporaryDatabase>>;

beforeAll(async () => {
  source = await temporaryDatabase(server, 'restore_from');
  await source.psql(await readFile(new URL('./restore.fixture.sql', import.meta.url), 'utf8'));
  copy = await copyDatabase(source.url);
  return async () => {
    await withoutSubscription(source.url);
    await source[Symbol.asyncDispose]();
    await runPsql(server, 'DROP ROLE restore_app, "restore odd ""role"');
  };
});

/** A database with a subscription cannot be dropped. */
const withoutSubscription = (at: string): Promise<string> =>
  runPsql(
    at,
    `SET default_transaction_read_only = off; SET session_replication_role = replica; ALTER SUBSCRIPTION restore_sub SET (slot_name = NONE);
     DROP SUBSCRIPTION restore_sub`,
  );

afterEach(async () => {
  for (const left of (await databases()).split('\n').filter((line) => line !== '')) {
    await runPsql(server, `DROP DATABASE ${quoteName(left)} WITH (FORCE)`);
  }
});

describe('what was loaded', () => {
  it('is read back before it is published, without the journal', async () => {
    const options = {
      id: 'r1',
      noOwner: false,
      startTimeoutMs: 0,
      type: 'logical',
      clock: new SystemClock(),
      signal: never,
    } as const;
    await using target = await openTarget(parseTarget(url), { from: copy.from, ...options });
    await target.create(copy.schema, { signal: never });
    const rows = copy.chunks.filter(({ header }) => header.kind === 'rows');
    {
      await using loader = await openLoader(target.token.data as LoaderData, { signal: never });
      for (const { header, lines } of rows)
        await loader.load(header, inBlocks(lines), { id: header.chunk, signal: never });
    }
    await target.finish({ signal: never, progress: () => {} });
    await using reader = await openReader(target.token.data as ReaderData, { signal: never });
    const plans = await target.readBack({ signal: never });
    expect(plans.map((plan) => plan.path)).toEqual(rows.map(({ header }) => header.chunk));
    for (const [i, plan] of plans.entries()) expect(await readChunk(reader, plan)).toEqual(rows[i]);
  });
});

describe('a restore of a whole database', () => {
  it('by a role that is no superuser gives it what it may have', async () => {
    const user = `${name}_maker`;
    await using plain = await temporaryDatabase(server, 'restore_plain');
    await plain.psql(`CREATE EXTENSION hstore; CREATE TABLE t (id int PRIMARY KEY, h hstore);
      INSERT INTO t SELECT g, 'a=>1' FROM generate_series(1, 10) g; SELECT lo_from_bytea(99, 'abc');
      CREATE TABLE u (t int REFERENCES t); INSERT INTO u VALUES (1); COMMENT ON TABLE u IS 'refers'`);
    await runPsql(server, `CREATE ROLE ${quoteName(user)} LOGIN CREATEDB`);
    try {
      const at = new URL(url);
      at.username = user;
      await restoreCopy(at.href, await copyDatabase(plain.url), { noOwner: true });
      expect(await runPsql(at.href, 'SELECT count(*), max(h::text) FROM t JOIN u ON u.t <= t.id')).toBe(
        '10|"a"=>"1"',
      );
    } finally {
      await runPsql(server, `DROP DATABASE IF EXISTS ${quoteName(name)}; DROP ROLE ${quoteName(user)}`);
    }
  });

  it('gives the same schema, rows, sequences, large objects and properties', async () => {
    await restoreCopy(url, copy, { loaders: 2 });
    expect(await databases()).toBe(name);
    const again = await copyDatabase(url);
    expect(inPlainWords(again.schema)).toEqual(inPlainWords(copy.schema));
    expect(again.chunks.map((chunk) => [chunk.header, chunk.rows])).toEqual(
      copy.chunks.map((chunk) => [chunk.header, chunk.rows]),
    );
    for (const [i, chunk] of copy.chunks.entries()) {
      expect(Buffer.from(again.chunks[i]?.lines ?? []).toString()).toBe(Buffer.from(chunk.lines).toString());
    }
    expect(await runPsql(url, `SELECT count(*) FROM pg_namespace WHERE nspname = 'holdfast_restore'`)).toBe(
      '0',
    );
    await withoutSubscription(url);
  });
});
