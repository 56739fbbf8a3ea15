import { type PostgresServer, startPostgres, type TemporaryFolder, temporaryFolder } from '@holdfast/testing';
import { beforeAll, expect } from 'vitest';
import { contentsOf, differences } from '../harness/postgres-contents.ts';
import { holdfast } from '../harness/run-holdfast.ts';
import { describeCrashes, type Subject } from './crashes.ts';

let server: PostgresServer;
let folder: TemporaryFolder;

beforeAll(async () => {
  server = await startPostgres();
  folder = await temporaryFolder();
  return async () => {
    await server.remove();
    await folder[Symbol.asyncDispose]();
  };
});

async function subject(name: string): Promise<Subject> {
  const database = await server.createDatabase(`shop_${name}`);
  await server.psql(database, 'CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE k (v text)');
  return {
    url: server.url(database),
    change: async (round) => {
      await server.psql(
        database,
        `INSERT INTO t SELECT i, repeat('x', 100) FROM generate_series(${round} * 300, ${round} * 300 + 299) i;
         UPDATE t SET v = v || 'y' WHERE id % 7 = ${round % 7}; DELETE FROM t WHERE id % 31 = ${round % 31};
         INSERT INTO k VALUES ('round ${round}')`,
      );
    },
    expectRestored: async (from, round) => {
      const restored = `${database}_r${round}`;
      await holdfast(['restore', ...from, '--to', server.url(restored), '--verify']);
      expect(differences(await contentsOf(server, restored), await contentsOf(server, database))).toEqual([]);
      await server.psql('postgres', `DROP DATABASE ${restored}`);
    },
    kept: async () =>
      Number(
        await server.psql(
          database,
          'SELECT count(*) FROM pg_replication_slots WHERE database = current_database()',
        ),
      ),
  };
}

describeCrashes('PostgreSQL', subject, () => folder);
