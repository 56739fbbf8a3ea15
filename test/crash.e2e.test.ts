import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { runSteps } from '@holdfast/core';
import { type PostgresServer, startPostgres, type TemporaryFolder, temporaryFolder } from '@holdfast/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nodeName } from '../packages/cli/src/names.ts';
import { contentsOf, differences } from './harness/postgres-contents.ts';
import { holdfast } from './harness/run-holdfast.ts';

/** A database that can be changed, backed up, and compared with what was restored of it. */
interface Subject {
  readonly url: string;
  change(round: number): Promise<void>;
  /** Restores the newest backup and compares; then the restored copy is removed. */
  expectRestored(at: string, env: Record<string, string>, round: number): Promise<void>;
  /** What is kept in the source for chains. */
  kept(): Promise<number>;
}

let server: PostgresServer;
let folder: TemporaryFolder;

beforeAll(async () => {
  server = await startPostgres();
  folder = await temporaryFolder();
});

afterAll(async () => {
  await server.remove();
  await folder[Symbol.asyncDispose]();
});

async function postgresSubject(): Promise<Subject> {
  const database = await server.createDatabase();
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
    expectRestored: async (at, env, round) => {
      const restored = `${database}_r${round}`;
      await holdfast(['restore', '--at', at, '--to', server.url(restored), '--verify'], { env });
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

async function sqliteSubject(): Promise<Subject> {
  const file = folder.join('shop.db');
  {
    using database = new DatabaseSync(file);
    database.exec(
      'PRAGMA journal_mode=WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); CREATE TABLE k (v TEXT)',
    );
  }
  await holdfast(['source', 'prepare', `sqlite:${file}`]);
  const all = (path: string): string => {
    using database = new DatabaseSync(path, { readOnly: true });
    return JSON.stringify(
      ['t', 'k'].map((name) => database.prepare(`SELECT rowid AS r, * FROM ${name} ORDER BY 1`).all()),
    );
  };
  return {
    url: `sqlite:${file}`,
    change: async (round) => {
      using database = new DatabaseSync(file);
      database.exec(`PRAGMA busy_timeout=20000; BEGIN IMMEDIATE;
        WITH RECURSIVE s(i) AS (SELECT ${round * 300} UNION ALL SELECT i + 1 FROM s WHERE i < ${round * 300 + 299})
          INSERT INTO t SELECT i, 'row ' || i FROM s;
        UPDATE t SET v = v || 'y' WHERE id % 7 = ${round % 7}; DELETE FROM t WHERE id % 31 = ${round % 31};
        INSERT INTO k VALUES ('round ${round}'); COMMIT`);
    },
    expectRestored: async (at, env, round) => {
      const restored = folder.join(`restored-${round}.db`);
      await holdfast(['restore', '--at', at, '--to', `sqlite:${restored}`, '--verify'], { env });
      expect(all(restored)).toBe(all(file));
    },
    kept: async () => 0,
  };
}

/** Starts a backup that is killed at a step, or from outside after some milliseconds. Resolves when it is gone. */
async function killed(
  subject: Subject,
  at: string,
  staging: string,
  scope: string,
  when: string | number,
): Promise<void> {
  const request = {
    kind: 'backup',
    from: subject.url,
    to: [at],
    staging,
    request: {
      task: 'crash',
      scope,
      type: 'logical',
      keepChanges: true,
      node: nodeName(),
      generation: 0,
      newSource: false,
    },
  };
  const script = join(import.meta.dirname, 'harness', 'killed-run.fixture.ts');
  const step = typeof when === 'string' ? when : '';
  const child = spawn(process.execPath, [script, JSON.stringify(request), step], { stdio: 'ignore' });
  const gone = once(child, 'exit');
  const timer = typeof when === 'number' ? setTimeout(() => child.kill('SIGKILL'), when) : undefined;
  await gone;
  clearTimeout(timer);
}

describe.each([
  ['PostgreSQL', postgresSubject],
  ['SQLite', sqliteSubject],
])('%s', (name, open) => {
  test('a run that is killed at any step, or at any time, leaves what restores, and the next run goes on', async () => {
    const subject = await open();
    const at = `file:${folder.join(`backups-${name}`)}`;
    const staging = folder.join(`staging-${name}`);
    const env = { HOLDFAST_STAGING: staging };
    const backup = ['backup', '--from', subject.url, '--to', at, '--name', 'crash', '--staging', staging];
    let round = 0;
    for (const scope of ['full', 'auto']) {
      for (const step of runSteps) {
        await subject.change(++round);
        await killed(subject, at, staging, scope, step);
        // What is listed now is whole, whatever the kill left.
        if (step !== 'run-created' || round > 1) await expectListedWhole(at);
        await holdfast(backup, { env });
        expect(await subject.kept(), `kept after ${scope} ${step}`).toBeLessThanOrEqual(1);
        await subject.expectRestored(at, env, round);
      }
    }
    for (let time = 0; time < 15; time++) {
      await subject.change(++round);
      await killed(subject, at, staging, time % 5 === 0 ? 'full' : 'auto', (time * 7919) % 900);
      await expectListedWhole(at);
    }
    await holdfast(backup, { env });
    await subject.expectRestored(at, env, ++round);
    expect(await subject.kept()).toBeLessThanOrEqual(1);
  });
});

async function expectListedWhole(at: string): Promise<void> {
  const { findings } = await holdfast<{ findings: unknown[] }>(['check', '--at', at]).catch(
    async (error: unknown) => {
      // Nothing was stored yet: there is no backup to be wrong.
      if (String(error).includes('not_found')) return { findings: [] };
      throw error;
    },
  );
  expect(findings).toEqual([]);
}
