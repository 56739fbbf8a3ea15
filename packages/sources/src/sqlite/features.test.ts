import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { compareDatabases } from '@holdfast/testing';
import { describe, expect, test } from 'vitest';
import { folder, MemoryChain, openSource } from './chain.fixture.ts';

/** Makes a database, backs it up, restores it, and says what differs. */
async function roundTrip(sql: string, type: 'logical' | 'snapshot' = 'logical'): Promise<string[]> {
  using at = folder();
  const path = join(at.path, 'a.db');
  const db = new DatabaseSync(path, {
    enableForeignKeyConstraints: false,
    enableDoubleQuotedStringLiterals: true,
    defensive: false,
  });
  db.exec(sql);
  db.close();
  await using source = await openSource(`sqlite:${path}`);
  const chain = new MemoryChain(source, type);
  await chain.full({ workers: true });
  await chain.restore(`sqlite:${join(at.path, 'b.db')}`);
  return compareDatabases(path, join(at.path, 'b.db'));
}

const numbers = (count: number): string =>
  `WITH RECURSIVE g(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM g WHERE i < ${count}) SELECT i FROM g`;

const features: Record<string, string> = {
  'an empty database': 'VACUUM',
  'every storage class in columns of every affinity': `
    CREATE TABLE t(i INTEGER, t TEXT, r REAL, n NUMERIC, b BLOB, x);
    ${[
      '9223372036854775807',
      '-9223372036854775808',
      '0',
      '1',
      '-1',
      '127',
      '128',
      '32768',
      '8388608',
      '2147483648',
      '140737488355328',
      '1.0',
      '-0.0',
      '0.1',
      '1e300',
      '5e-324',
      '1.5',
      '123456789.125',
      '1e999',
      '-1e999',
      "''",
      "'a'",
      "'1'",
      "'1.0'",
      "'é😀'",
      'char(0)',
      "'a'||char(0)||'b'",
      'char(1,8,9,10,12,13,27,34,92,127,8232)',
      "x''",
      "x'00ff'",
      "CAST(x'ff41' AS TEXT)",
      "CAST(x'eda080' AS TEXT)",
      "CAST(x'c080' AS TEXT)",
      "CAST(x'f4908080' AS TEXT)",
      "CAST(x'f0' AS TEXT)",
      'NULL',
    ]
      .map((value) => `INSERT INTO t VALUES(${Array(6).fill(value).join(',')});`)
      .join('\n')}`,
  'rowids of a table without a primary key': `
    CREATE TABLE t(a); INSERT INTO t(rowid, a) VALUES(-9223372036854775808, 1), (-5, 2), (7, 3), (9223372036854775807, 4)`,
  'columns that hide the rowid': `
    CREATE TABLE one(rowid, a); INSERT INTO one(_rowid_, rowid, a) VALUES(5, 'x', 1);
    CREATE TABLE two(rowid, _rowid_); INSERT INTO two(oid, rowid) VALUES(6, 'y');
    CREATE TABLE three(rowid, _rowid_, oid); INSERT INTO three VALUES(1, 2, 3), (1, 2, 3)`,
  'a key that is the rowid, and one that only looks like it': `
    CREATE TABLE a(id INTEGER PRIMARY KEY, v); INSERT INTO a VALUES(-3, 1), (10, 2);
    CREATE TABLE b(id INTEGER PRIMARY KEY DESC, v); INSERT INTO b VALUES(5, 1), (4, 2);
    CREATE TABLE c(id INT PRIMARY KEY, v); INSERT INTO c VALUES(5, 1), (4, 2)`,
  'generated columns, virtual and stored': `
    CREATE TABLE t(a, v AS (a * 2), s AS (a || 'x') STORED, b); INSERT INTO t(a, b) VALUES(1, 2), ('q', NULL);
    CREATE TABLE w(k PRIMARY KEY, s AS (k || '!') STORED, v AS (1), b) WITHOUT ROWID; INSERT INTO w(k, b) VALUES(1, 2)`,
  'columns added after the rows were written': `
    CREATE TABLE t(a); INSERT INTO t VALUES(1), (2);
    ALTER TABLE t ADD COLUMN n; ALTER TABLE t ADD COLUMN i INTEGER DEFAULT '7'; ALTER TABLE t ADD COLUMN r REAL DEFAULT 3;
    ALTER TABLE t ADD COLUMN x DEFAULT x'0102'; ALTER TABLE t ADD COLUMN s TEXT NOT NULL DEFAULT 'it''s "é"';
    ALTER TABLE t ADD COLUMN m DEFAULT -1.5; INSERT INTO t(a) VALUES(3); ALTER TABLE t DROP COLUMN n`,
  'tables without rowid, with keys in another order': `
    CREATE TABLE w(a TEXT, b REAL, c INT, d, PRIMARY KEY(c DESC, a)) WITHOUT ROWID;
    INSERT INTO w SELECT 'k' || i, i, -i, CASE i % 3 WHEN 0 THEN NULL ELSE hex(i) END FROM (${numbers(3000)})`,
  'strict tables': `
    CREATE TABLE s(i INTEGER PRIMARY KEY, a ANY, b BLOB, r REAL, t TEXT) STRICT;
    INSERT INTO s VALUES(1, -0.0, x'', 1, 'a'), (2, '5', NULL, 2.5, ''), (3, 5, x'ff', NULL, NULL)`,
  autoincrement: `
    CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, a); INSERT INTO t(a) VALUES(1), (2), (3); DELETE FROM t WHERE id > 1;
    CREATE TABLE u(id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO u VALUES(4611686018427387904);
    CREATE TABLE never(id INTEGER PRIMARY KEY AUTOINCREMENT)`,
  'autoincrement of a table that is gone': `
    CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT); DROP TABLE t; CREATE TABLE a(x)`,
  'indexes: partial, expression, collation, descending; statistics': `
    CREATE TABLE t(a COLLATE NOCASE, b, c UNIQUE); INSERT INTO t SELECT 'v' || i, i, i FROM (${numbers(500)});
    CREATE INDEX p ON t(a) WHERE b > 250; CREATE INDEX e ON t(abs(b), lower(a)); CREATE UNIQUE INDEX d ON t(b DESC, a COLLATE RTRIM); ANALYZE`,
  'views and triggers, also ones that refer to nothing': `
    CREATE TABLE t(a); CREATE VIEW v AS SELECT a FROM t; CREATE VIEW broken AS SELECT * FROM nowhere;
    CREATE VIEW odd AS SELECT my_function(a) FROM t;
    CREATE TRIGGER i INSTEAD OF INSERT ON v BEGIN INSERT INTO t VALUES(NEW.a || '!'); END;
    CREATE TRIGGER x AFTER INSERT ON t WHEN NEW.a IS NULL BEGIN DELETE FROM t; END;
    INSERT INTO v VALUES('row')`,
  'foreign keys that are violated, checks that do not hold': `
    CREATE TABLE p(id INTEGER PRIMARY KEY); CREATE TABLE c(p REFERENCES p, n CHECK (n > 0)); INSERT INTO c VALUES(99, 1);
    PRAGMA ignore_check_constraints=ON; INSERT INTO c VALUES(98, -1)`,
  'full text search, with its content, without, and with content elsewhere': `
    CREATE VIRTUAL TABLE f USING fts5(title, body); INSERT INTO f VALUES('hello', 'big world'), ('more', 'text é');
    CREATE VIRTUAL TABLE bare USING fts5(a, content=''); INSERT INTO bare(rowid, a) VALUES(1, 'words in here');
    CREATE TABLE docs(id INTEGER PRIMARY KEY, a); INSERT INTO docs VALUES(1, 'the text');
    CREATE VIRTUAL TABLE ext USING fts5(a, content='docs', content_rowid='id'); INSERT INTO ext(ext) VALUES('rebuild');
    CREATE VIRTUAL TABLE f4 USING fts4(x); INSERT INTO f4 VALUES('four')`,
  'spatial indexes': `
    CREATE VIRTUAL TABLE r USING rtree(id, x0, x1, +note); INSERT INTO r VALUES(1, 0.5, 1.5, 'here'), (2, -1, 3, NULL)`,
  'a virtual table of a module that is not here': `
    CREATE TABLE t(a); PRAGMA writable_schema=ON;
    INSERT INTO sqlite_schema VALUES('table', 'vec', 'vec', 0, 'CREATE VIRTUAL TABLE vec USING vec0(embedding float[3])')`,
  'names that need quoting': `
    CREATE TABLE "a.b/c%""d é"("x y" PRIMARY KEY, "select", [brackets]); INSERT INTO "a.b/c%""d é" VALUES(1, 2, 3);
    CREATE TABLE "sqlite-like"(a); CREATE TABLE holdfast_mine(a); INSERT INTO holdfast_mine VALUES(1)`,
  'properties of the file': `
    PRAGMA page_size=8192; PRAGMA encoding='UTF-8'; PRAGMA auto_vacuum=FULL; CREATE TABLE t(a);
    PRAGMA user_version=-7; PRAGMA application_id=252006674; PRAGMA journal_mode=WAL`,
  'pages of the smallest and the largest size': `PRAGMA page_size=512; CREATE TABLE t(a); INSERT INTO t SELECT hex(zeroblob(i)) FROM (${numbers(900)})`,
  'pages of 65536 bytes': `PRAGMA page_size=65536; CREATE TABLE t(a); INSERT INTO t SELECT hex(zeroblob(i * 7)) FROM (${numbers(900)})`,
  'text in UTF-16': `
    PRAGMA encoding='UTF-16le'; CREATE TABLE t(a, b DEFAULT 'é'); INSERT INTO t VALUES('é😀', 1), ('', x'00'), (char(0), CAST(x'00d8' AS TEXT)), (CAST(x'41' AS TEXT), 1.0)`,
  'text in UTF-16, the other way round': `
    PRAGMA encoding='UTF-16be'; CREATE TABLE t(a); INSERT INTO t VALUES('é😀'), (CAST(x'd800' AS TEXT)), ('plain')`,
  'rows larger than a page, a block and the memory of the converter': `
    CREATE TABLE t(a, b, c); INSERT INTO t VALUES(1, randomblob(5000), hex(randomblob(9000)));
    INSERT INTO t VALUES(2, randomblob(300000), replace(hex(zeroblob(200000)), '00', 'é"')), (3, zeroblob(1100000), CAST(randomblob(400000) AS TEXT));
    CREATE TABLE w(k PRIMARY KEY, v) WITHOUT ROWID; INSERT INTO w SELECT i, randomblob(i * 40) FROM (${numbers(300)})`,
};

describe('a full and its restore', () => {
  for (const [name, sql] of Object.entries(features)) {
    test(`keep ${name}`, async () => {
      expect(await roundTrip(sql)).toEqual([]);
    });
  }

  test('keep everything in a snapshot as well', async () => {
    expect(
      await roundTrip(Object.values(features).find((sql) => sql.includes('fts4')) ?? '', 'snapshot'),
    ).toEqual([]);
    expect(
      await roundTrip('PRAGMA journal_mode=WAL; CREATE TABLE t(a); INSERT INTO t VALUES(1)', 'snapshot'),
    ).toEqual([]);
  });

  test('cut a large table into ranges of rowids, also when they are far apart', async () => {
    using at = folder();
    const path = join(at.path, 'a.db');
    const db = new DatabaseSync(path);
    db.exec(`PRAGMA synchronous=OFF; CREATE TABLE t(id INTEGER PRIMARY KEY, a);
      INSERT INTO t SELECT i, zeroblob(20000) FROM (${numbers(450)});
      INSERT INTO t SELECT random(), zeroblob(20000) FROM (${numbers(450)})`);
    db.close();
    await using source = await openSource(`sqlite:${path}`);
    const chain = new MemoryChain(source);
    await chain.full({ workers: true });
    const paths = chain.links[0]?.chunks.map(({ header }) => header.chunk) ?? [];
    expect(paths.length).toBeGreaterThan(2);
    expect(paths[1]).toMatch(/^\/main\.t\/@min--?\d+$/);
    expect(paths.at(-1)).toMatch(/^\/main\.t\/@-?\d+-max$/);
    const rows = chain.links[0]?.chunks.flatMap(({ header, lines }) =>
      header.kind === 'rows' ? lines.toString('latin1').split('\n').length - 1 : [],
    );
    expect(rows?.reduce((sum, count) => sum + count, 0)).toBe(900);
  });

  test('read several databases at one point in time', async () => {
    using at = folder();
    const paths = ['a', 'b', 'c', 'd'].map((name) => join(at.path, `${name}.db`));
    const db = new DatabaseSync(String(paths[0]));
    db.exec(`PRAGMA journal_mode=WAL; CREATE TABLE t(a); INSERT INTO t VALUES(1); ATTACH '${paths[1]}' AS other;
      CREATE TABLE other.t(b); INSERT INTO other.t VALUES(2)`);
    db.close();
    await using source = await openSource(`sqlite:${paths[0]}?attach=arch:${paths[1]}`);
    const chain = new MemoryChain(source);
    await chain.full();
    expect(chain.links[0]?.chunks.map(({ header }) => header.chunk)).toEqual([
      '/schema',
      '/main.t',
      '/arch.t',
    ]);
    await chain.restore(`sqlite:${paths[2]}?attach=arch:${paths[3]}`);
    expect(compareDatabases(String(paths[0]), String(paths[2]))).toEqual([]);
    expect(compareDatabases(String(paths[1]), String(paths[3]))).toEqual([]);
    await expect(chain.restore(`sqlite:${join(at.path, 'e.db')}`)).rejects.toThrow(
      'attached database `arch`',
    );
  });
});
