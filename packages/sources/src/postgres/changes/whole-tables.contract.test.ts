import { quoteName, type TemporaryDatabase, temporaryDatabase } from '@holdfast/testing';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { ModelChain, readAll, type Told } from './model-chain.reference.ts';

let database: TemporaryDatabase;
let chain: ModelChain;

beforeEach(async () => {
  database = await temporaryDatabase(inject('postgres'), 'changes');
  chain = new ModelChain(database.url, 'chain_2');
});
afterEach(() => database[Symbol.asyncDispose]());

async function incremental(...statements: string[]): Promise<Told> {
  for (const each of statements) await database.psql(each);
  const told = await chain.incremental();
  expect(chain.tables).toEqual(await readAll(database.url));
  return told;
}

/** A full, then these statements, then an incremental; what the chain holds then is what the database holds. */
async function after(before: string, ...statements: string[]): Promise<Told> {
  await database.psql(before);
  await chain.full();
  return await incremental(...statements);
}

const table = `CREATE TABLE t (id int PRIMARY KEY, n numeric, v text); INSERT INTO t SELECT i, i + 0.5, 'v' FROM generate_series(1, 5) i;
  CREATE TABLE other (id int PRIMARY KEY); INSERT INTO other VALUES (1);`;

describe('tables that come whole', () => {
  it('are those without a key, when one of their rows changed, and only then', async () => {
    const told = await after(
      `CREATE TABLE k (a int); CREATE TABLE quiet (a int); INSERT INTO k VALUES (1), (1); INSERT INTO quiet VALUES (1); ${table}`,
      'INSERT INTO k VALUES (2); INSERT INTO other VALUES (2)',
    );
    expect(told).toMatchObject({ replaced: ['/public.k'], changed: true, counts: { '/public.other': 1 } });
    expect(await incremental('DELETE FROM k WHERE a = 1')).toMatchObject({ replaced: ['/public.k'] });
    expect(await incremental('TRUNCATE k')).toMatchObject({ replaced: ['/public.k'] });
    expect(await incremental('UPDATE other SET id = 7 WHERE id = 1')).toMatchObject({ replaced: [] });
    expect(await incremental()).toMatchObject({ replaced: [], changed: false, chunks: [] });
  });

  it.each([
    [
      'REPLICA IDENTITY FULL without a primary key',
      'CREATE TABLE k (a int); ALTER TABLE k REPLICA IDENTITY FULL',
    ],
    ['a deferrable primary key', 'CREATE TABLE k (a int PRIMARY KEY DEFERRABLE)'],
    ['no columns', 'CREATE TABLE k ()'],
  ])('are those with %s', async (_, create) => {
    const insert = create.includes('()') ? 'INSERT INTO k DEFAULT VALUES' : 'INSERT INTO k VALUES (1)';
    const told = await after(create, insert);
    expect(told.replaced).toEqual(['/public.k']);
  });

  it.each([
    ['a new column', 'ALTER TABLE t ADD x int DEFAULT 5'],
    ['a dropped column', 'ALTER TABLE t DROP n'],
    ['another type', 'ALTER TABLE t ALTER n TYPE int'],
    ['another type for a while', 'ALTER TABLE t ALTER n TYPE int; ALTER TABLE t ALTER n TYPE numeric'],
    ['a renamed column', 'ALTER TABLE t RENAME v TO w'],
    ['another key', 'ALTER TABLE t DROP CONSTRAINT t_pkey; ALTER TABLE t ADD PRIMARY KEY (n)'],
    [
      'another name for a while',
      `ALTER TABLE t RENAME TO x; UPDATE x SET v = 'x'; ALTER TABLE x RENAME TO t`,
    ],
    ['no log for a while', `ALTER TABLE t SET UNLOGGED; UPDATE t SET v = 'x'; ALTER TABLE t SET LOGGED`],
    [
      'no key in the log for a while',
      'ALTER TABLE t REPLICA IDENTITY NOTHING; UPDATE t SET id = 50 WHERE id = 5; ALTER TABLE t REPLICA IDENTITY DEFAULT',
    ],
    [
      'no log for a while, and a GRANT',
      `ALTER TABLE t SET UNLOGGED; UPDATE t SET v = 'x'; ALTER TABLE t SET LOGGED; GRANT SELECT ON t TO public`,
    ],
  ])('are those that got %s, between changes of rows', async (_, alter) => {
    const told = await after(
      table,
      `UPDATE t SET v = 'before' WHERE id = 1; INSERT INTO other VALUES (2)`,
      alter,
      'UPDATE t SET id = 20 WHERE id = 2; DELETE FROM t WHERE id = 3; INSERT INTO other VALUES (3)',
    );
    expect(told).toMatchObject({ replaced: ['/public.t'], dropped: [] });
    expect(told.counts).toMatchObject({ '/public.other': 2 });
    expect(await incremental(`UPDATE t SET id = 21 WHERE id = 20`)).toMatchObject({ replaced: [] });
  });

  it('are new ones; those that are gone are dropped, and those that came and went never were', async () => {
    const told = await after(
      table,
      'CREATE TABLE new (id int PRIMARY KEY); INSERT INTO new VALUES (1); DROP TABLE t',
      'CREATE TABLE brief (id int PRIMARY KEY); INSERT INTO brief VALUES (1); DROP TABLE brief',
      'UPDATE new SET id = 2; BEGIN; CREATE TABLE never (id int); INSERT INTO never VALUES (1); ROLLBACK',
    );
    expect(told).toMatchObject({ replaced: ['/public.new'], dropped: ['/public.t'], counts: {} });
    expect(told.chunks).toContain('/schema');
  });

  it('are those that took the name of another one', async () => {
    const told = await after(
      table,
      `INSERT INTO t VALUES (6); ALTER TABLE t RENAME TO old; INSERT INTO old VALUES (7);
       CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1); ALTER TABLE other RENAME TO moved; INSERT INTO moved VALUES (8)`,
    );
    expect(told.replaced.toSorted()).toEqual(['/public.moved', '/public.old', '/public.t']);
    expect(told.dropped).toEqual(['/public.other']);
  });

  it('are partitions that were attached or detached', async () => {
    const told = await after(
      `CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
       CREATE TABLE p2 (id int PRIMARY KEY); INSERT INTO p1 VALUES (1); INSERT INTO p2 VALUES (11)`,
      `ALTER TABLE p DETACH PARTITION p1; INSERT INTO p1 VALUES (2); ALTER TABLE p ATTACH PARTITION p2 FOR VALUES FROM (10) TO (20); INSERT INTO p VALUES (12)`,
    );
    expect(told.replaced.toSorted()).toEqual(['/public.p/public.p2', '/public.p1']);
    expect(told.dropped.toSorted()).toEqual(['/public.p/public.p1', '/public.p2']);
  });

  it('are those whose enum has a renamed label, and not those whose enum has a new one', async () => {
    const told = await after(
      `CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE TYPE pair AS (a int, m mood[]); CREATE DOMAIN d AS pair;
       CREATE TABLE t (id int PRIMARY KEY, p d); INSERT INTO t VALUES (1, ROW(1, '{sad}'))`,
      `ALTER TYPE mood ADD VALUE 'mad'; INSERT INTO t VALUES (2, ROW(2, '{mad,glad}'))`,
    );
    expect(told.replaced).toEqual([]);
    expect(await incremental(`ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'`)).toMatchObject({
      replaced: ['/public.t'],
    });
    expect(await incremental('ALTER TYPE pair ADD ATTRIBUTE x int')).toMatchObject({
      replaced: ['/public.t'],
    });
    expect(await incremental('UPDATE t SET p = NULL WHERE id = 1')).toMatchObject({ replaced: [] });
  });

  it('are not those that were truncated, analyzed, vacuumed, granted, indexed or given to another owner', async () => {
    const told = await after(
      `${table} CREATE ROLE changes_owner_${process.pid}`,
      `INSERT INTO t VALUES (6); TRUNCATE t; INSERT INTO t VALUES (7); ANALYZE; VACUUM t; GRANT SELECT ON t TO public;
       CREATE INDEX ON other (id); ALTER TABLE other SET (fillfactor = 50)`,
      `BEGIN; TRUNCATE other; INSERT INTO other VALUES (5); COMMIT; ALTER TABLE t OWNER TO changes_owner_${process.pid}`,
    );
    // What was granted hides which transaction truncated the table: it comes whole, to be safe.
    expect(told.replaced).toEqual(['/public.t']);
    expect(told.counts).toMatchObject({ '/public.other': 2 });
    expect(
      await incremental(
        'TRUNCATE t; INSERT INTO t VALUES (9); GRANT UPDATE ON other TO public; COMMENT ON TABLE t IS NULL',
      ),
    ).toMatchObject({ replaced: [], changed: true });
    await database.psql(
      `DROP OWNED BY changes_owner_${process.pid} CASCADE; DROP ROLE changes_owner_${process.pid}`,
    );
  });

  it('are unlogged ones, to be compared', async () => {
    const told = await after(
      'CREATE UNLOGGED TABLE u (id int PRIMARY KEY); INSERT INTO u VALUES (1)',
      'INSERT INTO u VALUES (2)',
    );
    expect(told).toMatchObject({ replaced: [], changed: true, chunks: ['/public.u'] });
    expect(await incremental()).toMatchObject({ replaced: [], changed: false, chunks: ['/public.u'] });
  });
});

describe('what is neither row nor table', () => {
  it('is sequences, always, and large objects when they changed', async () => {
    const told = await after(
      "CREATE SEQUENCE s; SELECT lo_from_bytea(4711, '\\x0102')",
      "SELECT nextval('s')",
    );
    expect(told).toMatchObject({ chunks: ['/sequences'], changed: true });
    expect(await incremental()).toMatchObject({ chunks: ['/sequences'], changed: false });
    const changed = await incremental(`SELECT lo_put(4711, 1, '\\xff')`);
    expect(changed.chunks).toEqual(expect.arrayContaining(['/large-object-owners', '/sequences']));
    const gone = await incremental('DROP SEQUENCE s; SELECT lo_unlink(4711)');
    expect(gone.dropped).toEqual(expect.arrayContaining(['/sequences', '/large-object-owners']));
  });

  it('is the schema, if anything in it may have changed', async () => {
    await after(table, 'INSERT INTO other VALUES (2)');
    for (const ddl of [
      'CREATE VIEW w AS SELECT 1',
      'COMMENT ON TABLE t IS $$x$$',
      'GRANT SELECT ON t TO public',
      'DROP VIEW w',
    ]) {
      expect((await incremental(ddl)).chunks).toContain('/schema');
    }
    const quiet = await incremental(
      'ANALYZE; VACUUM FULL other; CREATE TEMP TABLE x (id int PRIMARY KEY); TRUNCATE t',
    );
    expect(quiet.chunks).not.toContain('/schema');
  });

  it('is the schema, if properties of this database changed, and not those of another', async () => {
    await using neighbour = await temporaryDatabase(inject('postgres'), 'neighbour');
    const properties = (name: string): string[] => [
      `COMMENT ON DATABASE ${quoteName(name)} IS 'x'`,
      `ALTER DATABASE ${quoteName(name)} SET work_mem = '5MB'`,
      `ALTER ROLE postgres IN DATABASE ${quoteName(name)} SET work_mem = '6MB'`,
    ];
    await after(table, 'INSERT INTO other VALUES (2)');
    for (const statement of properties(database.name)) {
      expect((await incremental(statement)).chunks, statement).toContain('/schema');
    }
    for (const statement of properties(neighbour.name)) {
      expect((await incremental(statement)).chunks, statement).not.toContain('/schema');
    }
  });
});
