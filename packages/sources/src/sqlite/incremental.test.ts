import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { compareDatabases } from '@holdfast/testing';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { folder, MemoryChain, openSource, signal } from './chain.fixture.ts';

const tables = `
  CREATE TABLE t(id INTEGER PRIMARY KEY, u TEXT UNIQUE COLLATE NOCASE, v REAL);
  CREATE TABLE n(a, b);
  CREATE TABLE w(k TEXT COLLATE NOCASE, v UNIQUE, PRIMARY KEY(k)) WITHOUT ROWID;
  CREATE TABLE parent(id INTEGER PRIMARY KEY AUTOINCREMENT); CREATE TABLE child(p REFERENCES parent ON DELETE CASCADE, x);
  CREATE VIRTUAL TABLE f USING fts5(x);
  INSERT INTO t VALUES(1, 'a', 1), (2, 'b', 2), (3, 'c', 3);
  INSERT INTO w VALUES('A', 1), ('b', 2), ('c', 3); INSERT INTO n VALUES(1, 2);
  INSERT INTO parent VALUES(1), (2); INSERT INTO child VALUES(1, 'x'), (2, 'y');
  CREATE TRIGGER tr AFTER INSERT ON t BEGIN INSERT INTO n(a, b) VALUES(NEW.id, NEW.u); END;
  CREATE TRIGGER tidy AFTER INSERT ON n WHEN NEW.a > 900 BEGIN DELETE FROM n WHERE rowid = NEW.rowid; END;
  CREATE TRIGGER touch AFTER INSERT ON n WHEN NEW.a < 0 BEGIN UPDATE n SET b = 'touched' WHERE rowid = NEW.rowid; END;`;

/** Each is a state to restore. */
const steps = [
  "INSERT INTO t VALUES(4, 'd', 4)",
  "REPLACE INTO t VALUES(9, 'A', 5)",
  "INSERT OR REPLACE INTO t VALUES(2, 'C', 1.0)",
  "UPDATE OR REPLACE t SET u = 'd' WHERE id = 9",
  "REPLACE INTO t VALUES(2, 'D', 1), (3, 'x', 2), (4, 'X', 3)",
  "INSERT INTO t VALUES(20, 'zz', 1) ON CONFLICT(id) DO UPDATE SET v = 100",
  "INSERT INTO t VALUES(20, 'yy', 1) ON CONFLICT(id) DO UPDATE SET v = 100",
  "INSERT OR IGNORE INTO t VALUES(77, 'ZZ', 1)",
  'DELETE FROM t WHERE id = 20',
  'UPDATE t SET id = id + 100',
  "REPLACE INTO w VALUES('a', 2)",
  "UPDATE w SET k = 'C' WHERE k = 'c'",
  "UPDATE w SET k = upper(k) || 'x'",
  'DELETE FROM n WHERE rowid = 1',
  'UPDATE n SET rowid = rowid + 50',
  "INSERT INTO n VALUES(1000, 'gone at once'), (-1, 'changed at once'), (5, 1.0), (5, 1), (x'00', CAST(x'ff' AS TEXT))",
  'PRAGMA foreign_keys=ON; DELETE FROM parent WHERE id = 1',
  "PRAGMA recursive_triggers=ON; REPLACE INTO t VALUES(500, 'A', 1); PRAGMA recursive_triggers=OFF",
  'CREATE TABLE later(x PRIMARY KEY); INSERT INTO later VALUES(1)',
  'ALTER TABLE n ADD COLUMN c DEFAULT 5; INSERT INTO n VALUES(7, 8, 9)',
  "UPDATE t SET v = v + 1; DELETE FROM later; INSERT INTO later VALUES(x'01')",
  "ALTER TABLE t DROP COLUMN v; INSERT INTO t VALUES(1000, 'q')",
  'DROP TABLE later',
  "BEGIN; INSERT INTO t VALUES(2000, 'r'); SAVEPOINT a; INSERT INTO t VALUES(2001, 's'); ROLLBACK TO a; COMMIT",
  "INSERT INTO f VALUES('some words')",
  'INSERT INTO parent DEFAULT VALUES',
  'CREATE INDEX i ON t(u); CREATE VIEW vw AS SELECT * FROM t; PRAGMA user_version=5',
  "DELETE FROM n; INSERT INTO n VALUES(1, 'touched', 0), (2, 'other', 0); CREATE UNIQUE INDEX nu ON n(b)",
  "REPLACE INTO n VALUES(3, 'touched', 0), (4, 'new', 0)",
  'DELETE FROM t; DELETE FROM w',
  'ALTER TABLE w RENAME TO w2; ALTER TABLE t RENAME COLUMN u TO uu',
  'DROP TABLE f; VACUUM',
];

/** Before which step the database is prepared; -1: before the full. */
const preparations = { 'by revisions': -1, 'by chunks': steps.length, 'by chunks, then by revisions': 8 };

for (const [how, preparedAt] of Object.entries(preparations)) {
  for (const type of ['logical', 'snapshot'] as const) {
    describe(`incrementals ${how} of a ${type} full`, () => {
      test('restore to every state in between', { timeout: 60_000 }, async () => {
        using at = folder();
        const path = join(at.path, 'a.db');
        const db = new DatabaseSync(path, { enableForeignKeyConstraints: false });
        db.exec(`PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; ${tables}`);
        await using source = await openSource(`sqlite:${path}`);
        if (preparedAt < 0) await source.prepare({ signal });
        const chain = new MemoryChain(source, type);
        await chain.full();
        for (const [index, step] of steps.entries()) {
          if (index === preparedAt) await source.prepare({ signal });
          db.exec(step);
          await chain.incremental();
          const mode = index < preparedAt ? 'chunks' : 'revisions';
          expect(chain.state, step).toMatchObject({ mode });
          // Every state once; for the other kinds of chain every fourth, and the last.
          if (!(preparedAt < 0 && type === 'logical') && index % 4 !== 3 && index < steps.length - 1)
            continue;
          const copy = join(at.path, `${index}.db`);
          await chain.restore(`sqlite:${copy}`);
          expect([step, ...compareDatabases(path, copy)]).toEqual([step]);
        }
        db.close();
      });
    });
  }
}

describe('revisions', () => {
  test('are the same rows after any sequence of statements', { timeout: 60_000 }, async () => {
    const key = fc.integer({ min: 1, max: 6 });
    const word = fc.constantFrom('a', 'A', 'b', 'B', 'c');
    const verb = fc.constantFrom('INSERT OR IGNORE', 'REPLACE', 'INSERT OR REPLACE');
    const statement = fc.oneof(
      fc.tuple(verb, key, word).map(([v, k, u]) => `${v} INTO t VALUES(${k}, '${u}', ${k})`),
      fc.tuple(verb, word, key).map(([v, u, k]) => `${v} INTO w VALUES('${u}', ${k})`),
      fc.tuple(key, word).map(([k, u]) => `UPDATE OR REPLACE t SET u = '${u}' WHERE id = ${k}`),
      fc.tuple(key, key).map(([k, j]) => `UPDATE OR REPLACE t SET id = ${j} WHERE id = ${k}`),
      fc.tuple(word, word).map(([u, v]) => `UPDATE OR REPLACE w SET k = '${v}' WHERE k = '${u}'`),
      fc
        .tuple(key, word)
        .map(([k, u]) => `INSERT INTO t VALUES(${k}, '${u}', 1) ON CONFLICT DO UPDATE SET v = v + 1`),
      key.map((k) => `DELETE FROM t WHERE id = ${k}`),
      key.map((k) => `DELETE FROM w WHERE v = ${k}`),
    );
    using at = folder();
    let run = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(statement, { maxLength: 8 }), { maxLength: 3 }),
        fc.boolean(),
        async (turns, recursive) => {
          run += 1;
          const path = join(at.path, `a${run}.db`);
          const db = new DatabaseSync(path, { enableForeignKeyConstraints: false });
          db.exec(`PRAGMA synchronous=OFF; PRAGMA recursive_triggers=${recursive ? 'ON' : 'OFF'}; ${tables}`);
          await using source = await openSource(`sqlite:${path}`);
          await source.prepare({ signal });
          const chain = new MemoryChain(source);
          await chain.full();
          for (const turn of turns) {
            for (const sql of turn) db.exec(sql);
            await chain.incremental();
          }
          db.close();
          const copy = join(at.path, `b${run}.db`);
          await chain.restore(`sqlite:${copy}`);
          expect(compareDatabases(path, copy)).toEqual([]);
        },
      ),
      { numRuns: 25 },
    );
  });

  test('are erased when every chain has them, and numbered on', async () => {
    using at = folder();
    const path = join(at.path, 'a.db');
    const db = new DatabaseSync(path);
    db.exec('CREATE TABLE t(a)');
    await using source = await openSource(`sqlite:${path}`);
    await source.prepare({ signal });
    const one = new MemoryChain(source);
    const two = new MemoryChain(source);
    await one.full({ label: 'one' });
    await two.full({ label: 'two' });
    db.exec('INSERT INTO t VALUES(1), (2), (3)');
    const kept = (): unknown =>
      db.prepare('SELECT count(*) AS n, max(sequence) AS last FROM holdfast_revisions').get();
    await one.incremental();
    expect(kept()).toMatchObject({ n: 3, last: 3 });
    await two.incremental();
    // The last one stays: the next number follows from it.
    expect(kept()).toMatchObject({ n: 1, last: 3 });
    db.exec('INSERT INTO t VALUES(4)');
    await source.forgetChanges({ label: 'two', signal });
    await one.incremental();
    expect(kept()).toMatchObject({ n: 1, last: 4 });
    await expect(two.incremental()).rejects.toThrow('continuity lost');
    db.close();
  });

  test('say the same once more when nothing was acknowledged', async () => {
    using at = folder();
    const path = join(at.path, 'a.db');
    const db = new DatabaseSync(path);
    db.exec('CREATE TABLE t(a)');
    await using source = await openSource(`sqlite:${path}`);
    await source.prepare({ signal });
    const chain = new MemoryChain(source);
    await chain.full();
    db.exec('INSERT INTO t VALUES(1)');
    const read = async (): Promise<string[]> => {
      await using view = await source.openIncremental({
        since: chain.mark,
        state: chain.state,
        label: 'x',
        signal,
      });
      const lines: string[] = [];
      for await (const block of view.changes({ signal })) lines.push(Buffer.from(block).toString());
      return lines;
    };
    const first = await read();
    expect(first.join('')).toContain('["insert",0,[1,1]]');
    expect(await read()).toEqual(first);
    db.close();
  });

  test('restore to a moment between two statements', async () => {
    using at = folder();
    const path = join(at.path, 'a.db');
    const db = new DatabaseSync(path);
    db.exec('CREATE TABLE t(a)');
    await using source = await openSource(`sqlite:${path}`);
    await source.prepare({ signal });
    const chain = new MemoryChain(source);
    await chain.full();
    db.exec('INSERT INTO t VALUES(1); INSERT INTO t VALUES(2); UPDATE t SET a = a * 10');
    db.exec('UPDATE holdfast_revisions SET moment = sequence * 1000');
    await chain.incremental();
    const copy = join(at.path, 'b.db');
    await chain.restore(`sqlite:${copy}`, { untilMs: 2500 });
    const restored = new DatabaseSync(copy);
    expect(restored.prepare('SELECT a FROM t').all()).toEqual([{ a: 1 }, { a: 2 }]);
    restored.close();
    db.close();
  });

  test('never make a statement fail when the user changes the tables', async () => {
    using at = folder();
    const path = join(at.path, 'a.db');
    const db = new DatabaseSync(path);
    db.exec('CREATE TABLE t(a, b, c); INSERT INTO t VALUES(1, 2, 3); CREATE TABLE u(x UNIQUE, y)');
    await using source = await openSource(`sqlite:${path}`);
    await source.prepare({ signal });
    for (const sql of [
      'ALTER TABLE t DROP COLUMN b',
      'UPDATE t SET a = 5',
      'ALTER TABLE t RENAME COLUMN c TO d',
      'INSERT INTO t VALUES(6, 7)',
      'ALTER TABLE t ADD COLUMN e DEFAULT 9',
      'DELETE FROM t WHERE a = 5',
      'ALTER TABLE t RENAME TO t2',
      'UPDATE t2 SET d = 1',
      'PRAGMA trusted_schema=OFF; UPDATE t2 SET d = 2',
      'ALTER TABLE u DROP COLUMN y',
      'REPLACE INTO u VALUES(1)',
      'CREATE TABLE t(other); INSERT INTO t VALUES(1)',
      'DROP TABLE t2',
      'VACUUM',
      'REPLACE INTO u VALUES(1)',
    ]) {
      expect(() => db.exec(sql), sql).not.toThrow();
    }
    db.close();
  });

  test('prepare and forget twice do nothing the second time, and forget leaves nothing', async () => {
    using at = folder();
    const path = join(at.path, 'a.db');
    const db = new DatabaseSync(path);
    db.exec('CREATE TABLE t(a UNIQUE)');
    const before = db.prepare('SELECT * FROM sqlite_schema').all();
    await using source = await openSource(`sqlite:${path}`);
    expect(await source.forget({ signal })).toEqual([]);
    expect(await source.prepare({ signal })).toHaveLength(4);
    expect(await source.prepare({ signal })).toEqual([]);
    expect((await source.diagnose({ signal })).filter((one) => one.severity === 'error')).toEqual([]);
    expect(await source.forget({ signal })).toHaveLength(4);
    expect(db.prepare('SELECT * FROM sqlite_schema').all()).toEqual(before);
    expect(await source.forget({ signal })).toEqual([]);
    db.close();
  });
});

describe('an identity', () => {
  test('is the same for a database and another for its copy, prepared or not', async () => {
    using at = folder();
    const [a, b] = [join(at.path, 'a.db'), join(at.path, 'b.db')];
    const db = new DatabaseSync(a);
    db.exec('CREATE TABLE t(a)');
    await using source = await openSource(`sqlite:${a}`);
    const identity = async (path: string): Promise<string> =>
      (await (await openSource(`sqlite:${path}`)).inspect({ signal })).identity;
    const unprepared = await identity(a);
    db.exec('INSERT INTO t VALUES(1)');
    expect(await identity(a)).toBe(unprepared);
    await source.prepare({ signal });
    const prepared = await identity(a);
    expect(prepared).toBe(unprepared);
    db.exec('INSERT INTO t VALUES(2); VACUUM');
    expect(await identity(a)).toBe(prepared);
    db.exec(`VACUUM INTO '${b}'`);
    expect(await identity(b)).not.toBe(prepared);
    db.close();
    renameSync(a, `${a}.moved`);
    expect(await identity(`${a}.moved`)).toBe(prepared);
  });
});
