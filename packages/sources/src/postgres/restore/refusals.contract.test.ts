import { type Finding, SystemClock } from '@holdfast/core';
import { quoteName, runPsql, temporaryDatabase } from '@holdfast/testing';
import { afterEach, describe, expect, inject, it } from 'vitest';
import { parseTarget } from '../session/url.ts';
import { type Copy, never, restoreCopy } from './restore.fixture.ts';
import { smallCopy } from './small-copy.fixture.ts';
import { openTarget } from './target.ts';

const server = inject('postgres');
const name = `refused_${process.pid}`;
const url = urlOf(name);

function urlOf(database: string, user?: string): string {
  const made = new URL(server);
  made.pathname = `/${encodeURIComponent(database)}`;
  if (user !== undefined) made.username = user;
  return made.href;
}

/** With all that could have been changed about them. */
const databases = (): Promise<string> =>
  runPsql(
    server,
    `SELECT datname, d::text, shobj_description(oid, 'pg_database') FROM pg_database d WHERE datname LIKE '${name}%' ORDER BY 1`,
  );

afterEach(async () => {
  const left = await runPsql(server, `SELECT datname FROM pg_database WHERE datname LIKE '${name}%'`);
  for (const each of left.split('\n').filter((line) => line !== '')) {
    await runPsql(server, `DROP DATABASE ${quoteName(each)} WITH (FORCE)`);
  }
});

async function problemsOf(
  copy: Copy,
  o: { at?: string; noOwner?: boolean } = {},
): Promise<readonly Finding[]> {
  await using target = await openTarget(parseTarget(o.at ?? url), {
    from: copy.from,
    id: 'r1',
    noOwner: o.noOwner ?? false,
    startTimeoutMs: 0,
    type: 'logical',
    clock: new SystemClock(),
    signal: never,
  });
  const found = [...target.problems, ...(await target.check(copy.schema, { signal: never }))];
  // What stands in the way also stands in the way of who does not ask.
  if (found.length > 0)
    await expect(target.create(copy.schema, { signal: never })).rejects.toThrow(found[0]?.message);
  return found;
}

describe('a restore is refused before anything is made', () => {
  it('into a database that holds anything, and says what', async () => {
    await runPsql(server, `CREATE DATABASE ${quoteName(name)}`);
    const things = [
      ['CREATE TABLE orders ()', 'table public.orders', 'DROP TABLE orders'],
      ['CREATE VIEW v AS SELECT 1', 'view public.v', 'DROP VIEW v'],
      ['CREATE SEQUENCE s', 'sequence public.s', 'DROP SEQUENCE s'],
      ["CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", 'function public.f', 'DROP FUNCTION f'],
      ["CREATE TYPE mood AS ENUM ('a')", 'type public.mood', 'DROP TYPE mood'],
      ['CREATE TYPE pair AS (a int, b int)', 'type public.pair', 'DROP TYPE pair'],
      ['CREATE SCHEMA sales', 'schema sales', 'DROP SCHEMA sales'],
      ['CREATE EXTENSION hstore', 'extension hstore', 'DROP EXTENSION hstore'],
      ['SELECT lo_create(4711)', 'large object 4711', 'SELECT lo_unlink(4711)'],
      ['CREATE PUBLICATION p', 'publication p', 'DROP PUBLICATION p'],
      [
        'ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC',
        'default privileges',
        'ALTER DEFAULT PRIVILEGES REVOKE SELECT ON TABLES FROM PUBLIC',
      ],
    ] as const;
    const before = await databases();
    for (const [make, what, undo] of things) {
      await runPsql(url, make);
      const found = await problemsOf(smallCopy());
      expect(found, make).toEqual([
        expect.objectContaining({
          code: 'precondition_failed',
          message: `the database ${name} is not empty: there is ${what}`,
        }),
      ]);
      await runPsql(url, undo);
    }
    expect(await problemsOf(smallCopy())).toEqual([]);
    expect(await databases()).toBe(before);
  });

  it('into a database with many things, of which some are named', async () => {
    await runPsql(server, `CREATE DATABASE ${quoteName(name)}`);
    await runPsql(
      url,
      'CREATE TABLE a (); CREATE TABLE b (); CREATE TABLE c (); CREATE TABLE d (); CREATE TABLE e (); CREATE TABLE f ()',
    );
    const [found] = await problemsOf(smallCopy());
    expect(found?.message).toContain(
      'table public.a, table public.b, table public.c, table public.d, table public.e and 1 more',
    );
  });

  it('into an empty database that somebody uses, naming the process', async () => {
    await runPsql(server, `CREATE DATABASE ${quoteName(name)}`);
    const { default: pg } = await import('pg');
    const client = new pg.Client({ connectionString: url, application_name: 'a person' });
    await client.connect();
    try {
      const { rows } = await client.query('SELECT pg_backend_pid() AS pid');
      const [found] = await problemsOf(smallCopy());
      expect(found?.message).toBe(
        `the empty database ${name} is in use by process ${rows[0].pid} (a person of postgres)`,
      );
    } finally {
      await client.end();
    }
  });

  it('of a backup of a newer server', async () => {
    const found = await problemsOf(smallCopy([], { version: '99.1' }));
    expect(found).toEqual([
      expect.objectContaining({ code: 'unsupported', hint: 'use a server of version 99 or newer' }),
    ]);
    expect(await databases()).toBe('');
  });

  it('by a role that may not create databases', async () => {
    const user = `${name}_plain`;
    await runPsql(server, `CREATE ROLE ${quoteName(user)} LOGIN`);
    try {
      const found = await problemsOf(smallCopy(), { at: urlOf(name, user) });
      expect(found.map((each) => each.message)).toEqual([`the role ${user} may not create databases`]);
    } finally {
      await runPsql(server, `DROP ROLE ${quoteName(user)}`);
    }
  });

  it('for all roles that are missing, unless owners are not wanted', async () => {
    const copy = smallCopy([
      {
        section: 'pre-data',
        type: 'TABLE',
        name: 'public.x',
        text: 'CREATE TABLE public.x ();\nALTER TABLE public.x OWNER TO nobody_b;',
      },
      { section: 'database', type: 'ROLE', name: 'nobody_a', text: '' },
    ]);
    const found = await problemsOf(copy);
    expect(found.map((each) => each.message)).toEqual(['the server lacks the roles nobody_a, nobody_b']);
    expect(found[0]?.hint).toContain('CREATE ROLE "nobody_a"; CREATE ROLE "nobody_b";');
    expect(await databases()).toBe('');
    expect(await problemsOf(copy, { noOwner: true })).toEqual([]);
  });

  it('for extensions, tablespaces and locales that the server does not have', async () => {
    const property = (type: string, text: string, named = '') => ({
      section: 'database' as const,
      type,
      name: named,
      text,
    });
    const base = smallCopy();
    const copy = {
      ...base,
      schema: [
        ...base.schema.filter((row) => row.type !== 'COLLATE'),
        property('COLLATE', 'xx_XX.UTF-8'),
        property('EXTENSION', '1.0', 'nosuch'),
        property('TABLESPACE', 'nosuchspace'),
      ],
    };
    const messages = (await problemsOf(copy)).map((each) => each.message);
    expect(messages).toEqual([
      'the server does not have the extension nosuch (1.0)',
      'the server lacks the tablespace nosuchspace',
      expect.stringContaining('the server lacks the locale xx_XX.UTF-8 of the backup: '),
    ]);
    expect(await databases()).toBe('');
  });

  it('into a template, and without any database to restore from beside', async () => {
    await expect(problemsOf(smallCopy(), { at: urlOf('template1') })).rejects.toMatchObject({
      code: 'config_invalid',
    });
  });

  it('of a snapshot', async () => {
    const opening = openTarget(parseTarget(url), {
      from: smallCopy().from,
      id: 'r1',
      noOwner: false,
      startTimeoutMs: 0,
      type: 'snapshot',
      clock: new SystemClock(),
      signal: never,
    });
    await expect(opening).rejects.toMatchObject({ code: 'unsupported' });
  });
});

describe('a second restore into the same target', () => {
  it('waits, then fails naming the first', async () => {
    let second: unknown;
    let waitedMs = 0;
    await restoreCopy(url, smallCopy(), {
      id: 'first',
      after: async (step) => {
        if (step !== 'create') return;
        const startedMs = performance.now();
        second = await restoreCopy(url, smallCopy(), { id: 'other', startTimeoutMs: 600 }).catch(
          (error) => error,
        );
        waitedMs = performance.now() - startedMs;
      },
    });
    expect(second).toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('holdfast restore first of postgres'),
    });
    expect(waitedMs).toBeGreaterThanOrEqual(600);
    expect(await runPsql(url, 'SELECT count(*) FROM t')).toBe('100');
  });

  it('finds what the first has made when that ends in time', async () => {
    let second: Promise<unknown> | undefined;
    await restoreCopy(url, smallCopy(), {
      id: 'first',
      after: (step) => {
        if (step === 'create')
          second = restoreCopy(url, smallCopy(), { id: 'other', startTimeoutMs: 20_000 }).catch(
            (error) => error,
          );
      },
    });
    expect(await second).toMatchObject({
      message: expect.stringContaining('is not empty: there is table public.t'),
    });
  });

  it('into another target goes on at the same time', async () => {
    await using other = await temporaryDatabase(server, `${name}_b`);
    await restoreCopy(url, smallCopy(), {
      after: async (step) => {
        if (step === 'create') await restoreCopy(other.url, smallCopy());
      },
    });
    expect(await other.psql('SELECT count(*) FROM t')).toBe('100');
  });
});
