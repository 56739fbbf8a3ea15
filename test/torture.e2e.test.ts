import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type PostgresServer, startPostgres, temporaryFolder } from '@holdfast/testing';
import { beforeAll, expect, test } from 'vitest';
import { type Contents, contentsOf, differences } from './harness/postgres-contents.ts';
import { besidesRows, dumpedSchema } from './harness/postgres-schema.ts';
import { holdfast } from './harness/run-holdfast.ts';

/** Rows, schema and all else: what a restored database is compared by. */
interface State {
  readonly rows: Contents;
  readonly schema: readonly string[];
  readonly besides: readonly string[];
}

interface Report {
  readonly task: string;
  readonly scope: string;
  readonly backup: string;
}

const manyTables = 10_000;
const script = (name: string): Promise<string> =>
  readFile(join(import.meta.dirname, 'torture', `${name}.sql`), 'utf8');

let server: PostgresServer;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;

beforeAll(async () => {
  // As PostgreSQL comes: what a database of so many tables needs, a backup of it must not need more of.
  server = await startPostgres({ settings: { max_locks_per_transaction: 64, max_connections: 100 } });
  folder = await temporaryFolder();
  await server.psql('postgres', 'CREATE ROLE "role ""x"""');
  return async () => {
    await server[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  };
});

async function stateOf(database: string): Promise<State> {
  const [rows, schema, besides] = [
    await contentsOf(server, database),
    await dumpedSchema(server, database),
    await besidesRows(server, database),
  ];
  return { rows, schema, besides };
}

async function expectSame(database: string, state: State): Promise<void> {
  const found = await stateOf(database);
  expect(differences(found.rows, state.rows)).toEqual([]);
  expect(found.besides).toEqual(state.besides);
  expect(found.schema).toEqual(state.schema);
}

const backup = (database: string): Promise<Report> =>
  holdfast<Report>(['backup', '--from', server.url(database), '--to', at(), '--auto'], environment());
const at = (): string => `file:${folder.join('backups')}`;
const environment = () => ({ env: { HOLDFAST_STAGING: folder.join('staging') } });

async function restore({ task, backup }: Report, into: string): Promise<void> {
  const what = ['--at', at(), '--task', task, '--point', backup];
  await holdfast(['restore', ...what, '--to', server.url(into), '--verify'], environment());
}

test('every type with its extremes, every kind of object, odd names, 10,000 tables and 100 MB in a value', async () => {
  const database = await server.createDatabase('torture % "x" ü');
  await server.psql(database, await script('every-type'));
  await server.psql(database, await script('every-object'));
  await server.psql(
    database,
    `CREATE SCHEMA large;
     CREATE TABLE large.values (id int PRIMARY KEY, v text);
     INSERT INTO large.values VALUES (1, repeat('Ω"\\ 100%', 10000000)), (2, 'small');
     CREATE SCHEMA many;
     DO $$ BEGIN FOR i IN 1..${manyTables} LOOP
       EXECUTE format('CREATE TABLE many.t%s (id int PRIMARY KEY, v text)', i);
       EXECUTE format('INSERT INTO many.t%s VALUES (1, %L)', i, i);
       IF i % 500 = 0 THEN COMMIT; END IF;
     END LOOP; END $$;`,
  );
  expect(await withoutExtremes(database)).toBe('');
  expect(await withoutObjects(database)).toBe('pg_largeobject_metadata');

  const made: { readonly report: Report; readonly state: State }[] = [];
  for (const change of ['', 'rows-change', 'objects-change']) {
    if (change) await server.psql(database, await script(change));
    made.push({ report: await backup(database), state: await stateOf(database) });
  }
  expect(made.map(({ report }) => report.scope)).toEqual(['full', 'incremental', 'incremental']);
  for (const [index, { report, state }] of made.entries()) {
    await restore(report, `restored_${index}`);
    await expectSame(`restored_${index}`, state);
  }
});

test('a database with nothing in it', async () => {
  const database = await server.createDatabase('empty');
  const full = await backup(database);
  const incremental = await backup(database);
  expect([full.scope, incremental.scope]).toEqual(['full', 'incremental']);
  await restore(full, 'restored_empty');
  await expectSame('restored_empty', await stateOf(database));
});

/** Types of this server that can be columns and that the table of extremes does not know. */
const withoutExtremes = (database: string): Promise<string> =>
  server.psql(
    database,
    `SELECT typname FROM pg_type WHERE typnamespace = 'pg_catalog'::regnamespace AND typtype IN ('b', 'r', 'm')
        AND typcategory <> 'A' AND oid NOT IN (SELECT type FROM types.extremes)`,
  );

/** Kinds of objects of this server of which the database has none of its own. */
const withoutObjects = (database: string): Promise<string> =>
  server.psql(
    database,
    `CREATE FUNCTION pg_temp.own(catalog regclass) RETURNS bigint LANGUAGE plpgsql AS $$ DECLARE own bigint; BEGIN
       EXECUTE format('SELECT count(*) FROM %s WHERE oid >= 16384', catalog) INTO own; RETURN own; END $$;
     SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.relkind = 'r' AND NOT c.relisshared
        AND CASE WHEN EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attname = 'oid') THEN pg_temp.own(c.oid) = 0 END`,
  );
