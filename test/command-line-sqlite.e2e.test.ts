import { copyFile, readdir } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import { type TemporaryFolder, temporaryFolder } from '@holdfast/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nextMillisecond } from './harness/next-millisecond.ts';
import { holdfast, type Outcome, runHoldfast } from './harness/run-holdfast.ts';
import { sqliteContents, sqliteSchema } from './harness/sqlite-contents.ts';
import { leftInStaging, treeOf } from './harness/tree.ts';

interface BackupReport {
  readonly outcome: string;
  readonly scope: string;
  readonly backup: string;
  readonly to: { readonly timeMs: number };
  readonly rows: number;
}

const shop = `
  PRAGMA journal_mode = WAL;
  CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, price NUMERIC);
  CREATE TABLE sales (id INTEGER PRIMARY KEY AUTOINCREMENT, product INTEGER REFERENCES products, at TEXT);
  CREATE TABLE odd (a, b, PRIMARY KEY (a, b)) WITHOUT ROWID;
  CREATE TABLE keyless (v);
  CREATE INDEX sales_at ON sales (at);
  CREATE VIEW sold AS SELECT name, count(*) AS n FROM sales JOIN products ON products.id = product GROUP BY name;
  CREATE TRIGGER no_free AFTER INSERT ON products WHEN new.price = 0 BEGIN UPDATE products SET price = 1 WHERE id = new.id; END;
  WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
    INSERT INTO products (name, price) SELECT 'product ' || i, i / 4.0 FROM n;
  WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
    INSERT INTO sales (product, at) SELECT 1 + i % 300, datetime('2026-01-01', i || ' minutes') FROM n;
  INSERT INTO odd VALUES (1, x'00ff'), ('1', 9223372036854775807), (1.5, ''), (-9e999, 'é😀');
  INSERT INTO keyless VALUES (NULL), (NULL), (x''), ('NULL');`;

let folder: TemporaryFolder;

beforeAll(async () => {
  folder = await temporaryFolder();
});

afterAll(async () => {
  await folder?.[Symbol.asyncDispose]();
});

function env(): { env: Record<string, string> } {
  return { env: { HOLDFAST_STAGING: folder.join('staging') } };
}

function change(file: string, sql: string): void {
  using database = new DatabaseSync(file);
  database.exec(sql);
}

async function words(args: readonly string[]): Promise<Outcome> {
  const outcome = await runHoldfast(args, env());
  expect(outcome, args.join(' ')).toMatchObject({ code: 0, signal: null });
  return outcome;
}

function json<Report>(args: readonly string[]): Promise<Report> {
  return holdfast<Report>(args, env());
}

/** Full, two incrementals and a run that finds nothing, then every point back; returns the file and its backups. */
async function chain(name: string, o: { readonly prepared: boolean }): Promise<{ file: string; at: string }> {
  const file = folder.join(`${name}.db`);
  const at = `file:${folder.join(`${name}-backups`)}`;
  change(file, shop);
  const untouched = sqliteSchema(file);
  if (o.prepared) await words(['source', 'prepare', `sqlite:${file}`]);
  const states = [sqliteContents(file)];
  const backups = [await json<BackupReport>(['backup', '--from', `sqlite:${file}`, '--to', at])];
  change(file, `UPDATE products SET price = price + 1 WHERE id < 20; DELETE FROM sales WHERE id % 100 = 0`);
  change(file, `INSERT OR REPLACE INTO odd VALUES (1, x'00ff'), (2, 2); INSERT INTO keyless VALUES ('more')`);
  states.push(sqliteContents(file));
  backups.push(await json<BackupReport>(['backup', '--from', `sqlite:${file}`, '--to', at, '--incremental']));
  change(
    file,
    `ALTER TABLE sales ADD COLUMN note TEXT DEFAULT 'none'; CREATE TABLE fees (id INTEGER PRIMARY KEY, amount)`,
  );
  change(
    file,
    `INSERT INTO fees VALUES (1, 2.5); INSERT INTO sales (product, at) VALUES (3, 'now'); DROP TABLE odd`,
  );
  states.push(sqliteContents(file));
  backups.push(await json<BackupReport>(['backup', '--from', `sqlite:${file}`, '--to', at]));
  const stored = await treeOf(folder.join(`${name}-backups`));
  expect(await json(['backup', '--from', `sqlite:${file}`, '--to', at])).toMatchObject({
    outcome: 'unchanged',
  });
  expect(await treeOf(folder.join(`${name}-backups`))).toEqual(stored);
  expect(backups.map(({ scope, outcome }) => `${scope} ${outcome}`)).toEqual([
    'full stored',
    'incremental stored',
    'incremental stored',
  ]);
  for (const [index, { backup }] of backups.entries()) {
    const restored = folder.join(`${name}-${index}.db`);
    await json(['restore', '--at', at, '--to', `sqlite:${restored}`, '--point', backup, '--verify']);
    expect(sqliteContents(restored), backup).toEqual(states[index]);
    if (index === 0) expect(sqliteSchema(restored)).toEqual(untouched);
  }
  expect(await leftInStaging(folder.join('staging'))).toEqual([]);
  return { file, at };
}

describe('the command line, on SQLite', () => {
  test('without preparing anything, incrementals are made by comparing, and nothing is written to the database', async () => {
    const { file } = await chain('plain', { prepared: false });
    const objects = sqliteSchema(file).filter((sql) => /holdfast/i.test(sql));
    expect(objects).toEqual([]);
    expect((await json<{ removed: string[] }>(['source', 'forget', `sqlite:${file}`])).removed).toEqual([]);
  });

  test('source prepare keeps changes for any moment, source forget removes all of it', async () => {
    const file = folder.join('clean.db');
    change(file, shop);
    const clean = sqliteSchema(file);
    const { made } = await json<{ made: string[] }>(['source', 'prepare', `sqlite:${file}`]);
    expect(made.join('\n')).toContain('holdfast_revisions');
    expect(sqliteSchema(file)).not.toEqual(clean);
    expect(await json(['source', 'prepare', `sqlite:${file}`])).not.toMatchObject({
      made: expect.arrayContaining([expect.stringContaining('triggers that keep its changes')]),
    });
    expect((await words(['source', 'forget', `sqlite:${file}`])).stdout).toMatch(
      /triggers[\s\S]*holdfast_revisions/,
    );
    expect(sqliteSchema(file)).toEqual(clean);
    expect((await words(['source', 'forget', `sqlite:${file}`])).stdout).toMatch(
      /^nothing of Holdfast's is in /,
    );
  });

  test('a prepared database has a chain, and a moment between two changes comes back', async () => {
    const { file, at } = await chain('prepared', { prepared: true });
    change(file, `UPDATE products SET name = 'before ' || id WHERE id > 290`);
    const before = sqliteContents(file);
    await nextMillisecond();
    const moment = new Date().toISOString();
    await nextMillisecond();
    change(file, 'DELETE FROM sales WHERE product > 290; DELETE FROM products WHERE id > 290');
    await json(['backup', '--from', `sqlite:${file}`, '--to', at, '--incremental']);
    const restored = folder.join('moment.db');
    const to = ['restore', '--at', at, '--to', `sqlite:${restored}`, '--point', moment];
    expect((await words([...to, '--plan'])).stdout).toMatch(/^Plan, nothing was changed$/m);
    expect(await json([...to, '--plan'])).toMatchObject({
      inexact: [],
      problems: [],
      point: { exact: true },
    });
    expect(await readdir(folder.path)).not.toContain('moment.db');
    expect((await words([...to, '--verify'])).stdout).toMatch(/^Restored prepared as of .* into sqlite:/);
    expect(sqliteContents(restored)).toEqual(before);
    await words(['source', 'forget', `sqlite:${file}`]);
    expect(sqliteSchema(file).filter((sql) => /holdfast/i.test(sql))).toEqual([]);
  });

  test('a one-off full backup, and one of type snapshot, change nothing in the database and come back', async () => {
    const file = folder.join('once.db');
    change(file, shop);
    const copy = folder.join('once-before.db');
    await copyFile(file, copy);
    const contents = sqliteContents(file);
    for (const type of ['logical', 'snapshot']) {
      const at = `file:${folder.join(`once-${type}`)}`;
      const plain = await words([
        ...[
          'backup',
          '--from',
          `sqlite:${file}`,
          '--to',
          at,
          '--full',
          '--type',
          type,
          '--name',
          `once-${type}`,
        ],
      ]);
      expect(plain.stdout).toMatch(new RegExp(`^Full backup once-${type} \\S+/0000 stored`));
      const restored = folder.join(`once-${type}.db`);
      await words(['restore', '--at', at, '--to', `sqlite:${restored}`]);
      expect(sqliteContents(restored)).toEqual(contents);
      expect(sqliteSchema(restored)).toEqual(sqliteSchema(copy));
    }
    expect(sqliteSchema(file)).toEqual(sqliteSchema(copy));
    expect(sqliteContents(file)).toEqual(sqliteContents(copy));
  });

  test('doctor, list, show and check read what is there, in words and as documents', async () => {
    const file = folder.join('read.db');
    const at = `file:${folder.join('read-backups')}`;
    change(file, shop);
    const { backup, rows } = await json<BackupReport>(['backup', '--from', `sqlite:${file}`, '--to', at]);
    expect(rows).toBeGreaterThan(2300);
    const stored = await treeOf(folder.join('read-backups'));
    expect((await words(['doctor', `sqlite:${file}`, at])).stdout).toContain('no damage found');
    const { places } = await json<{ places: { findings: { ok: boolean; severity: string }[] }[] }>([
      ...['doctor', `sqlite:${file}`, at],
    ]);
    expect(places.flatMap(({ findings }) => findings).filter(({ severity }) => severity === 'error')).toEqual(
      [],
    );
    const listed = await words(['list', '--at', at]);
    expect(listed.stdout).toContain(backup);
    expect((await words(['list', '--at', at, '--table', 'main.sales'])).stdout).toMatch(
      /\/main\.sales\S* +rows +2,000/,
    );
    expect((await words(['show', '--at', at])).stdout).toContain(`Full backup (logical) ${backup}`);
    const made = new DatabaseSync(folder.join('made.db'));
    made.exec((await words(['show', '--at', at, '--schema'])).stdout);
    made.close();
    expect(sqliteSchema(folder.join('made.db'))).toEqual(sqliteSchema(file));
    expect(await json(['show', backup, '--at', at, '--manifest'])).toMatchObject({
      scope: 'full',
      task: 'read',
    });
    expect(await json(['check', '--at', at])).toMatchObject({ findings: [], backups: 1 });
    expect((await words(['check', '/main.sales%', '--at', at])).stderr).toMatch(
      /^nothing wrong: 1 backup, /m,
    );
    expect(await treeOf(folder.join('read-backups'))).toEqual(stored);
  });
});
