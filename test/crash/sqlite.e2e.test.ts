import { DatabaseSync } from 'node:sqlite';
import { type TemporaryFolder, temporaryFolder } from '@holdfast/testing';
import { beforeAll, expect } from 'vitest';
import { holdfast } from '../harness/run-holdfast.ts';
import { describeCrashes, type Subject } from './crashes.ts';

let folder: TemporaryFolder;

beforeAll(async () => {
  folder = await temporaryFolder();
  return () => folder[Symbol.asyncDispose]();
});

async function subject(name: string): Promise<Subject> {
  const file = folder.join(`shop-${name}.db`);
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
    expectRestored: async (from, round) => {
      const restored = folder.join(`restored-${name}-${round}.db`);
      await holdfast(['restore', ...from, '--to', `sqlite:${restored}`, '--verify']);
      expect(all(restored)).toBe(all(file));
    },
    kept: async () => 0,
  };
}

describeCrashes('SQLite', subject, () => folder);
