import { mkdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type PostgresServer, startPostgres, type TemporaryFolder, temporaryFolder } from '@holdfast/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type ExpectedFailure, expectFailure } from '../harness/failure.ts';
import { contentsOf } from '../harness/postgres-contents.ts';
import { holdfast } from '../harness/run-holdfast.ts';
import { stateOf } from '../harness/server-state.ts';
import { alter, chainFolder, chunkAt, copyOf, flipBit, manifestIn, resealed } from '../harness/tampering.ts';
import { leftInStaging, treeOf } from '../harness/tree.ts';

let server: PostgresServer;
let folder: TemporaryFolder;
/** Full and two incrementals. */
let backups: string;
let serverBefore: readonly string[];

beforeAll(async () => {
  folder = await temporaryFolder();
  backups = folder.join('backups');
  server = await startPostgres();
  await server.createDatabase('shop');
  await server.psql(
    'shop',
    `CREATE TABLE orders (id int PRIMARY KEY, note text);
     INSERT INTO orders SELECT i, md5(i::text) FROM generate_series(1, 5000) i;
     CREATE TABLE fees (id int PRIMARY KEY, amount numeric); INSERT INTO fees VALUES (1, 2.50);
     CREATE INDEX orders_note ON orders (note)`,
  );
  await backup();
  await server.psql('shop', `UPDATE orders SET note = 'first' WHERE id < 100`);
  await backup();
  await server.psql('shop', `UPDATE orders SET note = 'second' WHERE id < 50; DELETE FROM fees`);
  await backup();
  await server.createDatabase('occupied');
  await server.psql('occupied', 'CREATE TABLE mine (id int); INSERT INTO mine VALUES (42)');
});

afterAll(async () => {
  await server?.remove();
  await folder?.[Symbol.asyncDispose]();
});

beforeEach(async () => {
  serverBefore = await stateOf(server);
});

const env = (): { env: Record<string, string> } => ({ env: { HOLDFAST_STAGING: folder.join('staging') } });

function backup(): Promise<unknown> {
  return holdfast(['backup', '--from', server.url('shop'), '--to', `file:${backups}`], env());
}

/** Fails, and neither the server, nor staging, nor the backups are other than before. */
async function refused(
  expected: ExpectedFailure,
  o: { readonly at?: string; readonly to?: string; readonly options?: readonly string[] } = {},
): Promise<void> {
  const { at = backups, to = server.url('restored'), options = [] } = o;
  const stored = await treeOf(at);
  await expectFailure(['restore', '--at', `file:${at}`, '--to', to, ...options], expected, env());
  expect(await stateOf(server)).toEqual(serverBefore);
  expect(await leftInStaging(folder.join('staging'))).toEqual([]);
  expect(await treeOf(at)).toEqual(stored);
}

describe('a target that is in the way', () => {
  test('a database that holds something', async () => {
    const expected = {
      code: 'precondition_failed',
      exit: 2,
      says: ['the database occupied is not empty: there is table public.mine'],
      hint: 'restore into another name',
    } as const;
    await refused(expected, { to: server.url('occupied') });
    expect((await contentsOf(server, 'occupied')).get('public.mine')).toEqual(['(42)']);
  });

  test('a server that is not there, and a kind of database that is another one', async () => {
    await refused(
      { code: 'unavailable', exit: 3, says: ['127.0.0.1:1', 'ECONNREFUSED'], hint: 'is the server running' },
      { to: 'postgres://postgres@127.0.0.1:1/restored' },
    );
    await refused(
      {
        code: 'unsupported',
        exit: 2,
        says: ['a backup of postgres cannot be restored into sqlite'],
        hint: 'postgres',
      },
      { to: `sqlite:${folder.join('other.db')}` },
    );
    expect(Object.keys(await treeOf(folder.path))).not.toContain('other.db');
  });

  test('a backup of a newer server, in the plan as well', async () => {
    const at = await copyOf(backups, folder.join('newer-server'));
    for (const name of ['0001-incremental', '0002-incremental']) await removeBackup(at, name);
    const manifest = join(await chainFolder(at, 'shop'), '0000-full.manifest.json');
    await resealed(manifest, (one) => ({ ...one, source: { ...one.source, version: '99.1' } }));
    const says = [/the server is PostgreSQL \d+, the backup is of PostgreSQL 99/];
    await refused(
      { code: 'unsupported', exit: 2, says, hint: 'use a server of version 99 or newer' },
      { at },
    );
  });

  test('a backup in a format of a newer Holdfast', async () => {
    const at = await copyOf(backups, folder.join('newer-format'));
    for (const name of ['0001-incremental', '0002-incremental']) await removeBackup(at, name);
    const manifest = join(await chainFolder(at, 'shop'), '0000-full.manifest.json');
    await resealed(manifest, (one) => ({ ...one, format: 2 }));
    await refused(
      {
        code: 'unsupported',
        exit: 2,
        says: ['format 2', 'reads up to 1'],
        hint: /version of Holdfast|newer one/,
      },
      { at },
    );
  });

  test('a role that the server does not have', async () => {
    const at = await copyOf(backups, folder.join('roles'));
    await server.psql(
      'shop',
      'CREATE ROLE merchant; CREATE TABLE stalls (id int); ALTER TABLE stalls OWNER TO merchant',
    );
    await holdfast(['backup', '--full', '--from', server.url('shop'), '--to', `file:${at}`], env());
    await server.psql('shop', 'DROP TABLE stalls; DROP ROLE merchant');
    await refused(
      {
        code: 'precondition_failed',
        exit: 2,
        says: ['the server lacks the role merchant'],
        hint: /CREATE ROLE "merchant".*--no-owner/,
      },
      { at },
    );
  });
});

describe('a point that is not there', () => {
  test.each([
    ['20260101T000000Z-nobody-g0/0000', 'there is no backup 20260101T000000Z-nobody-g0/0000'],
    ['20260101T000000Z-nobody-g0', 'there is no backup 20260101T000000Z-nobody-g0'],
  ])('a backup called %s', async (point, says) => {
    await refused(
      { code: 'not_found', exit: 4, says: [says], hint: 'holdfast list' },
      { options: ['--point', point] },
    );
  });

  test('a number that the chain does not have', async () => {
    const { chain } = await manifestIn(join(await chainFolder(backups, 'shop'), '0000-full.manifest.json'));
    await refused(
      { code: 'not_found', exit: 4, says: [`there is no backup ${chain}/0003`], hint: 'chain/sequence' },
      { options: ['--point', `${chain}/0003`] },
    );
  });

  test('a task that is not there, and a place without any', async () => {
    await refused(
      { code: 'not_found', exit: 4, says: ['there is no task shopp', backups], hint: 'holdfast list' },
      { options: ['--task', 'shopp'] },
    );
    await mkdir(folder.join('empty'));
    await refused(
      {
        code: 'not_found',
        exit: 4,
        says: ['there are no backups', folder.join('empty')],
        hint: 'look at the URL',
      },
      { at: folder.join('empty') },
    );
  });

  test('several tasks, and none of them named', async () => {
    const at = await copyOf(backups, folder.join('several'));
    await holdfast(
      ['backup', '--full', '--from', server.url('shop'), '--to', `file:${at}`, '--name', 'other'],
      env(),
    );
    await refused(
      { code: 'config_invalid', exit: 2, says: ['several tasks', 'other, shop'], hint: '--task' },
      { at },
    );
  });

  test('a moment before the first backup, after the last one, and between two chains', async () => {
    const { to } = await manifestIn(join(await chainFolder(backups, 'shop'), '0000-full.manifest.json'));
    const first = new Date(to.timeMs).toISOString();
    await refused(
      {
        code: 'out_of_range',
        exit: 4,
        says: ['2020-02-01T00:00:00.000Z lies before the first restore point', first],
        hint: 'choose a later moment',
      },
      { options: ['--point', '2020-02-01T00:00:00Z'] },
    );
    const { to: end } = await manifestIn(
      join(await chainFolder(backups, 'shop'), '0002-incremental.manifest.json'),
    );
    await refused(
      {
        code: 'out_of_range',
        exit: 4,
        says: [
          '2099-02-01T00:00:00.000Z lies after the last restore point',
          new Date(end.timeMs).toISOString(),
        ],
        hint: 'leave out --point',
      },
      { options: ['--point', '2099-02-01T00:00:00Z'] },
    );
    const at = await copyOf(backups, folder.join('between'));
    await holdfast(['backup', '--full', '--from', server.url('shop'), '--to', `file:${at}`], env());
    const between = new Date(end.timeMs + 1).toISOString();
    await refused(
      {
        code: 'out_of_range',
        exit: 4,
        says: [`no chain covers ${between}`, `ends at ${new Date(end.timeMs).toISOString()}`, 'begins at'],
        hint: '--point CHAIN/SEQUENCE',
      },
      { at, options: ['--point', between] },
    );
  });
});

describe('a backup that is damaged', () => {
  const rows = '0000-full-001.ndjson.zst';
  const changes = '0001-incremental-001.ndjson.zst';
  const full = '0000-full.manifest.json';
  const first = '0001-incremental.manifest.json';

  /** How the chain is damaged, and what is said about it. */
  const damages: readonly [string, (chain: string) => Promise<unknown>, ExpectedFailure['says']][] = [
    [
      'a truncated segment',
      (chain) => truncate(join(chain, rows), 5000),
      [rows, 'has 5000 bytes instead of'],
    ],
    ['an emptied segment', (chain) => truncate(join(chain, rows), 0), [rows, 'has 0 bytes instead of']],
    ['a missing segment', (chain) => rm(join(chain, changes)), [changes, 'is missing']],
    ['a segment in place of another one', swapSegments, [changes, /instead of/]],
    [
      'a segment with other bytes',
      (chain) => alter(join(chain, rows), (bytes) => bytes.reverse()),
      ['/schema'],
    ],
    [
      'a flipped bit in rows',
      (chain) => flipIn(chain, full, /^\/public\.orders/),
      ['/public.orders', 'wrong checksum'],
    ],
    [
      'a flipped bit in the schema',
      (chain) => flipIn(chain, full, /^\/schema/),
      ['/schema', 'wrong checksum'],
    ],
    [
      'a flipped bit in changes',
      (chain) => flipIn(chain, first, /^\/changes/),
      ['/changes', 'wrong checksum'],
    ],
    ['a truncated manifest', (chain) => truncate(join(chain, full), 1000), ['altered manifest', full]],
    ['an emptied manifest', (chain) => truncate(join(chain, first), 0), [first, 'the file is empty']],
    [
      'a flipped bit in a manifest',
      (chain) => flipBit(join(chain, first), 4321),
      [first, 'altered manifest'],
    ],
    [
      'a manifest in place of another one',
      swapManifests,
      ['/0001 cannot be restored', `${first} holds the manifest of`, '/0002'],
    ],
    [
      'a missing manifest',
      (chain) => rm(join(chain, first)),
      ['a backup between them is missing or was altered'],
    ],
  ];

  test.each(damages)('%s: the restore fails, and nothing of it stays', async (name, damage, says) => {
    const at = await copyOf(backups, folder.join(name.replaceAll(' ', '-')));
    await damage(await chainFolder(at, 'shop'));
    await refused(
      { code: 'corrupt', exit: 4, says, hint: /holdfast (?:check|list)|--point|another copy/ },
      { at },
    );
  });

  test('its good beginning restores, when it is named', async () => {
    const at = await copyOf(backups, folder.join('good-beginning'));
    const chain = await chainFolder(at, 'shop');
    await truncate(join(chain, '0002-incremental.manifest.json'), 100);
    const { chain: name } = await manifestIn(join(chain, full));
    await holdfast(
      ['restore', '--at', `file:${at}`, '--to', server.url('beginning'), '--point', `${name}/0001`],
      env(),
    );
    expect(await server.psql('beginning', `SELECT count(*) FROM orders WHERE note = 'first'`)).toBe('99');
    await server.psql('postgres', 'DROP DATABASE beginning WITH (FORCE)');
  });

  async function swapSegments(chain: string): Promise<void> {
    const second = '0002-incremental-001.ndjson.zst';
    const [a, b] = [await readFile(join(chain, changes)), await readFile(join(chain, second))];
    await writeFile(join(chain, changes), b);
    await writeFile(join(chain, second), a);
  }

  async function swapManifests(chain: string): Promise<void> {
    const second = '0002-incremental.manifest.json';
    const [a, b] = [await readFile(join(chain, first)), await readFile(join(chain, second))];
    await writeFile(join(chain, first), b);
    await writeFile(join(chain, second), a);
  }

  async function flipIn(chain: string, manifest: string, path: RegExp): Promise<void> {
    const { entry, segment } = chunkAt(await manifestIn(join(chain, manifest)), path);
    await flipBit(join(chain, segment), (entry.offset + Math.floor(entry.bytes / 2)) * 8 + 3);
  }

  test('wherever the flipped bit is: the chunk is to blame, and no data is in the message', async () => {
    for (const [index, share] of [0.12, 0.3, 0.45, 0.6, 0.85].entries()) {
      const at = await copyOf(backups, folder.join(`flipped-${index}`));
      const chain = await chainFolder(at, 'shop');
      const { entry, segment } = chunkAt(await manifestIn(join(chain, first)), /^\/changes/);
      await flipBit(join(chain, segment), Math.floor((entry.offset + entry.bytes * share) * 8));
      const says = [/^(?:wrong checksum|unreadable frame): chunk \/changes\/@1: /];
      await refused({ code: 'corrupt', exit: 4, says, hint: 'holdfast check' }, { at });
    }
  });
});

describe('an SQLite file that is in the way', () => {
  test('the file, a folder, or a log without its database: all of them stay as they are', async () => {
    const file = folder.join('source.db');
    using source = new DatabaseSync(file);
    source.exec('CREATE TABLE a (id INTEGER PRIMARY KEY); INSERT INTO a VALUES (1)');
    source.close();
    const at = folder.join('sqlite-backups');
    await holdfast(['backup', '--full', '--from', `sqlite:${file}`, '--to', `file:${at}`], env());
    const places = folder.join('places');
    await mkdir(join(places, 'folder.db'), { recursive: true });
    await writeFile(join(places, 'text.db'), 'not a database');
    using mine = new DatabaseSync(join(places, 'mine.db'));
    mine.exec('CREATE TABLE mine (id)');
    mine.close();
    for (const suffix of ['-wal', '-shm', '-journal'])
      await writeFile(join(places, `left.db${suffix}`), 'left');
    const before = await treeOf(places);
    const cases: [string, ExpectedFailure['says'], string][] = [
      ['mine.db', ['mine.db exists and is not an empty database'], 'Holdfast overwrites nothing'],
      [
        'left.db',
        ['left.db-wal exists', 'left.db-shm exists', 'left.db-journal exists'],
        'move it away first',
      ],
    ];
    for (const [name, says, hint] of cases) {
      const to = `sqlite:${join(places, name)}`;
      await refused({ code: 'precondition_failed', exit: 2, says, hint }, { at, to });
      expect(await treeOf(places)).toEqual(before);
    }
    await refused(
      {
        code: 'config_invalid',
        exit: 2,
        says: ['folder.db is a folder, not a database'],
        hint: 'name the file',
      },
      { at, to: `sqlite:${join(places, 'folder.db')}` },
    );
    await refused(
      { code: 'corrupt', exit: 4, says: ['text.db', 'file is not a database'], hint: 'no SQLite database' },
      { at, to: `sqlite:${join(places, 'text.db')}` },
    );
    expect(await treeOf(places)).toEqual(before);
  });
});

async function removeBackup(at: string, stem: string): Promise<void> {
  const chain = await chainFolder(at, 'shop');
  for (const name of [`${stem}.manifest.json`, `${stem}-001.ndjson.zst`]) await rm(join(chain, name));
}
