import { type TemporaryDatabase, temporaryDatabase } from '@holdfast/testing';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { ModelChain, readAll } from './model-chain.reference.ts';

let database: TemporaryDatabase;
let chain: ModelChain;

beforeEach(async () => {
  database = await temporaryDatabase(inject('postgres'), 'changes');
  chain = new ModelChain(database.url, 'chain_1');
});
afterEach(() => database[Symbol.asyncDispose]());

/** A full, then these statements, then an incremental; what the chain holds then is what the database holds. */
async function after(before: string, ...statements: string[]) {
  await database.psql(before);
  await chain.full();
  for (const each of statements) await database.psql(each);
  const told = await chain.incremental();
  expect(chain.tables).toEqual(await readAll(database.url));
  return told;
}

const operations = (told: { lines: readonly (readonly unknown[])[] }): unknown[] =>
  told.lines
    .filter(([verb]) => verb !== 'begin' && verb !== 'commit' && verb !== 'relation')
    .map(([verb]) => verb);

describe('rows that come as changes', () => {
  it('are inserted, updated, deleted and given other keys', async () => {
    const told = await after(
      `CREATE TABLE t (id int PRIMARY KEY, "a b" text); INSERT INTO t SELECT i, 'v' || i FROM generate_series(1, 10) i`,
      `INSERT INTO t VALUES (11, E'it''s\\n\\ttab "quoted" \\\\ back'); UPDATE t SET "a b" = NULL WHERE id = 2`,
      `BEGIN; DELETE FROM t WHERE id = 3; UPDATE t SET id = 30 WHERE id = 4; COMMIT; BEGIN; INSERT INTO t VALUES (99, ''); ROLLBACK`,
    );
    expect(told).toMatchObject({ changed: true, replaced: [], dropped: [], counts: { '/public.t': 4 } });
    expect(operations(told)).toEqual(['insert', 'update', 'delete', 'update']);
    expect(told.chunks).toEqual([]);
  });

  it('keep what an update did not touch and the log does not carry', async () => {
    const told = await after(
      `CREATE TABLE t (id int PRIMARY KEY, big text, small int); ALTER TABLE t ALTER big SET STORAGE EXTERNAL;
       INSERT INTO t SELECT i, repeat(md5(i::text), 200), i FROM generate_series(1, 5) i`,
      'UPDATE t SET small = -1 WHERE id = 1; UPDATE t SET id = 100 WHERE id = 2; UPDATE t SET big = NULL WHERE id = 3',
    );
    expect(told.lines).toContainEqual(['update', 0, null, ['1', {}, '-1']]);
    expect(told.lines).toContainEqual(['update', 0, ['2'], ['100', {}, '2']]);
  });

  it('keep a key that is too long to stand in its row', async () => {
    await after(
      `CREATE TABLE t (id text PRIMARY KEY, n int); ALTER TABLE t ALTER id SET STORAGE EXTERNAL;
       INSERT INTO t SELECT string_agg(md5(i::text), ''), 1 FROM generate_series(1, 70) i`,
      'UPDATE t SET n = 2',
      'UPDATE t SET n = 3; INSERT INTO t VALUES (1, 1); DELETE FROM t WHERE length(id) > 1000',
    );
  });

  it('are truncated: several tables, by cascade, in a transaction that goes on', async () => {
    const told = await after(
      `CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY REFERENCES a); CREATE TABLE c (id int PRIMARY KEY);
       INSERT INTO a SELECT generate_series(1, 5); INSERT INTO b SELECT generate_series(1, 5); INSERT INTO c VALUES (1)`,
      'INSERT INTO a VALUES (6); TRUNCATE a CASCADE; INSERT INTO a VALUES (7)',
      'BEGIN; INSERT INTO c VALUES (2); TRUNCATE c RESTART IDENTITY; INSERT INTO c VALUES (3); COMMIT',
    );
    expect(told).toMatchObject({ replaced: [], counts: { '/public.a': 3, '/public.b': 1, '/public.c': 3 } });
  });

  it('move between partitions, which may lie below partitions', async () => {
    const told = await after(
      `CREATE TABLE p (id int, k int, PRIMARY KEY (id, k)) PARTITION BY RANGE (k);
       CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
       CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20) PARTITION BY LIST (id);
       CREATE TABLE "p2 x" PARTITION OF p2 DEFAULT; INSERT INTO p SELECT i, i FROM generate_series(1, 19) i`,
      'UPDATE p SET k = k + 10 WHERE k < 5; INSERT INTO p VALUES (50, 5); TRUNCATE p1; INSERT INTO p VALUES (51, 5)',
    );
    expect(told.replaced).toEqual([]);
    expect(Object.keys(told.counts).sort()).toEqual([
      '/public.p/public.p1',
      '/public.p/public.p2/public.p2~20x',
    ]);
    await database.psql('TRUNCATE p; INSERT INTO p VALUES (1, 1), (2, 12)');
    await chain.incremental();
    expect(chain.tables).toEqual(await readAll(database.url));
  });

  it.each([
    ['FULL with a primary key', 'ALTER TABLE t REPLICA IDENTITY FULL', []],
    ['an index', 'CREATE UNIQUE INDEX u ON t (n, id); ALTER TABLE t REPLICA IDENTITY USING INDEX u', []],
    ['NOTHING', 'ALTER TABLE t REPLICA IDENTITY NOTHING', ['/public.t']],
  ])('are addressed by REPLICA IDENTITY %s', async (_, identity, replaced) => {
    const told = await after(
      `CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL, v text); INSERT INTO t SELECT i, i, 'v' FROM generate_series(1, 9) i; ${identity}`,
      `UPDATE t SET v = 'w' WHERE id = 1; UPDATE t SET n = 70 WHERE id = 7; UPDATE t SET id = 80 WHERE id = 8; DELETE FROM t WHERE id = 2; UPDATE t SET v = NULL`,
    );
    expect(told.replaced).toEqual(replaced);
  });

  it('leave out generated columns, and keep identity ones', async () => {
    const told = await after(
      `CREATE TABLE t (twice int GENERATED ALWAYS AS (n * 2) STORED, id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, n int); INSERT INTO t (n) VALUES (1)`,
      'INSERT INTO t (n) VALUES (5); UPDATE t SET n = 6 WHERE id = 1',
    );
    expect(told.lines).toContainEqual(['relation', 0, '/public.t', ['id', 'n'], ['id']]);
    expect(told.replaced).toEqual([]);
  });

  it('come from tables and columns of any name', async () => {
    await after(
      `CREATE SCHEMA "S \\ ""x"; CREATE TABLE "S \\ ""x"."t: INSERT:" ("new-tuple" int PRIMARY KEY, "a[int]:1 'b" text, "é\n" int, "select" bool)`,
      `INSERT INTO "S \\ ""x"."t: INSERT:" VALUES (1, ' new-tuple: ''x''', 2, true), (2, NULL, NULL, NULL)`,
      `UPDATE "S \\ ""x"."t: INSERT:" SET "new-tuple" = 3, "select" = false WHERE "new-tuple" = 1; DELETE FROM "S \\ ""x"."t: INSERT:" WHERE "new-tuple" = 2`,
    );
  });

  it('leave out what a subtransaction took back, and take prepared transactions at their commit', async () => {
    await after(
      'CREATE TABLE t (id int PRIMARY KEY)',
      'BEGIN; INSERT INTO t VALUES (1); SAVEPOINT s; INSERT INTO t VALUES (2); ROLLBACK TO s; INSERT INTO t VALUES (3); COMMIT',
      `SELECT pg_logical_emit_message(true, 'someone', 'else'); SELECT pg_logical_emit_message(false, 'someone', 'else')`,
    );
  });
});

const values: readonly (readonly [type: string, ...values: string[]])[] = [
  ['boolean', 'true', 'false'],
  ['smallint', '-32768'],
  ['bigint', '9223372036854775807'],
  ['real', "'NaN'", "'-Infinity'", '1e-30', '0.1'],
  ['double precision', "'Infinity'", '0.1::float8 + 0.2', '1e308', '-0.0'],
  ['numeric', "'NaN'", '1.50', '12345678901234567890.123456789'],
  ['numeric(10,2)', '1'],
  ['money', '12.5'],
  ['oid', '4294967295'],
  ['"char"', "'x'"],
  ['char(5)', "'ab'"],
  ['varchar(9)', `E'a\\tb\\\\''"'`],
  ['text', "''", `E'\\x01\\x1f\\x7f\\n\\r\\t\\x0b\\f\\b'`, "'日本 🎉'", "'[x]:''1'''"],
  ['name', "'n'"],
  ['bytea', `'\\x00ff27'`, "''"],
  ['bit(3)', "B'101'"],
  ['varbit', "B''", "B'1'"],
  ['date', "'infinity'", "'0044-03-15 BC'", "'2026-11-20'"],
  ['time', "'24:00'"],
  ['timetz', "'12:00:00.5+02'"],
  ['timestamp', "'-infinity'", "'2026-11-20 14:00:00.123456'"],
  ['timestamptz', "'infinity'", "'2026-11-20 14:00:00.1+05:30'"],
  ['interval', "'-1 year 2 days 03:04:05.678'"],
  ['json', `'{"a": "it''s",  "b":1}'`],
  ['jsonb', `'{"a": [1, "\\n"]}'`],
  ['xml', `'<a b="c">d</a>'`],
  ['uuid', "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"],
  ['inet', "'10.0.0.1/8'"],
  ['macaddr', "'08:00:2b:01:02:03'"],
  ['point', "'(1.5,2)'"],
  ['box', "'(1,2),(3,4)'"],
  ['tsvector', "'a:1 ''b c'':2'"],
  ['tsquery', "'a & b'"],
  ['int4range', "'[1,5)'"],
  ['int[]', "'{1,NULL,3}'", "'{{1,2},{3,4}}'"],
  ['text[]', `'{"a \\"b\\"",NULL,"it''s"}'`],
  ['boolean[]', "'{t,f}'"],
  ['pg_lsn', "'0/16B3748'"],
  ['mood', "'so ''la la'''"],
  ['mood[]', "'{sad}'"],
  ['pair', `ROW(1, 'a "b", c')`],
  ['flag', 'true', 'false'],
  ['positive', '5'],
  ['"We [ird]: type"', "'sad'"],
];

describe('values of any type', () => {
  it('are byte by byte what COPY prints of them', async () => {
    const types = `CREATE TYPE mood AS ENUM ('sad', 'so ''la la'''); CREATE TYPE pair AS (a int, b text);
      CREATE DOMAIN flag AS boolean; CREATE DOMAIN positive AS int CHECK (VALUE > 0); CREATE TYPE "We [ird]: type" AS ENUM ('sad');`;
    const columns = values.map(([type], i) => `c${i} ${type}`).join(', ');
    const rows = Math.max(...values.map((each) => each.length - 1));
    const inserts = Array.from({ length: rows }, (_, row) => {
      const list = values.map(([type, ...all]) => `(${all[row % all.length]})::${type}`);
      return `INSERT INTO t VALUES (${row}, ${list.join(', ')});`;
    });
    const told = await after(
      `${types} CREATE TABLE t (id int PRIMARY KEY, ${columns}); INSERT INTO t (id) VALUES (100)`,
      `${inserts.join('\n')} INSERT INTO t (id) VALUES (101); UPDATE t SET c0 = false WHERE id = 100`,
    );
    expect(told.counts).toEqual({ '/public.t': rows + 2 });
    expect(told.replaced).toEqual([]);
  });
});

describe('a role with the privileges that docs/sources/postgres.md names, and no others,', () => {
  it('makes fulls and incrementals of every kind', async () => {
    const user = `least_${process.pid}`;
    await database.psql(`CREATE ROLE ${user} LOGIN REPLICATION; GRANT pg_read_all_data TO ${user};
      CREATE SCHEMA closed; CREATE TABLE closed.t (id int PRIMARY KEY); CREATE TABLE closed.k (id int); CREATE SEQUENCE closed.s;
      CREATE UNLOGGED TABLE closed.u (id int); SELECT lo_from_bytea(77, '\\x01')`);
    const url = new URL(database.url);
    url.username = user;
    chain = new ModelChain(url.href, 'least');
    try {
      await chain.full();
      await database.psql(`SET synchronous_commit = off; INSERT INTO closed.t VALUES (1); INSERT INTO closed.k VALUES (1);
        SELECT nextval('closed.s'); SELECT lo_put(77, 0, '\\x02'); INSERT INTO closed.u VALUES (1); CREATE TABLE closed.n (id int)`);
      const told = await chain.incremental();
      expect(told.replaced.toSorted()).toEqual(['/closed.k', '/closed.n']);
      expect(chain.tables).toEqual(await readAll(url.href));
      await chain.incremental();
    } finally {
      await database.psql(`SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database();
        DROP OWNED BY ${user}; DROP ROLE ${user}`);
    }
  });
});
