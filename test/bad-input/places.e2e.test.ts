import { chmod, copyFile, mkdir, readFile, rename, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { runMounted, type TemporaryFolder, temporaryFolder } from '@holdfast/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { assertFailure, type ExpectedFailure, expectFailure } from '../harness/failure.ts';
import { throughPermissions } from '../harness/ordinary-user.ts';
import { holdfast, type RunOptions, runHoldfast } from '../harness/run-holdfast.ts';
import { leftInStaging, storedAt, treeOf } from '../harness/tree.ts';
import type { SmallDiskReport } from './small-disk.fixture.ts';
import type { UnmountedReport } from './unmounted.fixture.ts';

const here = import.meta.dirname;
const mebibyte = 1024 * 1024;

let folder: TemporaryFolder;

beforeAll(async () => {
  folder = await temporaryFolder();
  using shop = new DatabaseSync(folder.join('shop.db'));
  shop.exec('CREATE TABLE a (id INTEGER PRIMARY KEY, note); INSERT INTO a VALUES (1, NULL), (2, 1.5)');
  // More than the small disks hold, whatever the compression makes of it.
  using large = new DatabaseSync(folder.join('large.db'));
  large.exec(`CREATE TABLE a (id INTEGER PRIMARY KEY, bytes BLOB);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 64)
    INSERT INTO a SELECT i, randomblob(131072) FROM n`);
});

afterAll(async () => {
  await folder?.[Symbol.asyncDispose]();
});

/** Folders of one test, and the command on them. */
interface Place {
  readonly at: string;
  readonly backups: string;
  readonly staging: string;
  readonly args: readonly string[];
}

async function place(name: string, o: { readonly first?: boolean } = {}): Promise<Place> {
  const backups = folder.join(name, 'backups');
  const staging = folder.join(name, 'staging');
  await mkdir(folder.join(name));
  const at = `file:${backups}`;
  const args = ['backup', '--from', `sqlite:${folder.join('shop.db')}`, '--to', at, '--staging', staging];
  if (o.first) await holdfast(args);
  return { at, backups, staging, args };
}

/** Fails, and leaves what was stored as it was, and nothing in staging. */
async function refused(one: Place, expected: ExpectedFailure, options: RunOptions = {}): Promise<void> {
  const stored = await storedAt(one.backups);
  await expectFailure(one.args, expected, options);
  expect(await storedAt(one.backups)).toEqual(stored);
  expect(await leftInStaging(one.staging).catch((error) => [error.code])).toEqual([]);
}

describe('staging', () => {
  test('that this user may not write to', async () => {
    const one = await place('staging-unwritable', { first: true });
    await chmod(one.staging, 0o500);
    await chmod(join(one.staging, '.locks'), 0o500);
    const hint =
      'or choose another staging folder (--staging, HOLDFAST_STAGING; of a node: staging in holdfast.yaml)';
    const says = [`could not use ${one.staging} in staging (EACCES)`];
    await refused(one, { code: 'permission_denied', exit: 2, says, hint }, { through: throughPermissions() });
    const restore = [
      'restore',
      '--at',
      one.at,
      '--to',
      `sqlite:${folder.join('r1.db')}`,
      '--staging',
      one.staging,
    ];
    await expectFailure(
      restore,
      { code: 'permission_denied', exit: 2, says: [one.staging, 'EACCES'], hint: '--staging' },
      { through: throughPermissions() },
    );
    expect(Object.keys(await treeOf(folder.path))).not.toContain('r1.db');
  });

  test('that is a file', async () => {
    const one = await place('staging-file', { first: true });
    const file = folder.join('staging-file', 'file');
    await writeFile(file, 'mine');
    const says = [`could not use ${file} in staging`, 'there is a file where a folder should be'];
    const args = [...one.args.slice(0, -1), file];
    await refused({ ...one, args }, { code: 'config_invalid', exit: 2, says, hint: 'name a folder' });
    const restore = ['restore', '--at', one.at, '--to', `sqlite:${folder.join('r2.db')}`, '--staging', file];
    await expectFailure(restore, { code: 'config_invalid', exit: 2, says: [file], hint: '--staging' });
    expect(await readFile(file, 'utf8')).toBe('mine');
    expect(Object.keys(await treeOf(folder.path))).not.toContain('r2.db');
  });

  test('without the room that a run reserves: the numbers are said before anything is read', async () => {
    const one = await place('staging-small');
    await mkdir(one.staging);
    const { outcome, left } = await smallDisk(one.staging, 40 * mebibyte, one.args);
    assertFailure(outcome, {
      code: 'exhausted',
      exit: 3,
      says: [one.staging],
      hint: `make room on the disk of ${one.staging}`,
    });
    expect(
      left.filter((name) => !name.startsWith('.locks') && !name.endsWith('.kept/') && name !== 'shop/'),
    ).toEqual([]);
    expect(await storedAt(one.backups)).toEqual({});
  });

  test('that gets full while the run writes', async () => {
    const one = await place('staging-full', { first: true });
    const args = one.args.map((arg) => arg.replace('shop.db', 'large.db'));
    await refused(
      { ...one, args },
      {
        code: 'exhausted',
        exit: 3,
        says: [/EFBIG|too large/i, one.staging],
        hint: /make room on the disk|choose another staging folder/,
      },
      { through: ['prlimit', `--fsize=${mebibyte}`] },
    );
  });
});

// At once: most of the time they wait between attempts.
describe.concurrent('a destination', () => {
  test('that this user may not write to', async () => {
    const one = await place('unwritable', { first: true });
    await chmod(one.backups, 0o500);
    await refused(
      one,
      {
        code: 'permission_denied',
        exit: 2,
        says: [`could not write to ${one.backups} (EACCES)`],
        hint: one.backups,
      },
      { through: throughPermissions() },
    );
    await chmod(one.backups, 0o700);
    const below = folder.join('unwritable', 'closed');
    await mkdir(below, { mode: 0o500 });
    const args = one.args.map((arg) => (arg === one.at ? `file:${join(below, 'new', 'deep')}` : arg));
    await refused(
      { ...one, args },
      { code: 'permission_denied', exit: 2, says: [below, 'EACCES'], hint: 'read and write' },
      { through: throughPermissions() },
    );
    expect(await treeOf(below)).toEqual({});
  });

  test('whose path leads through a file, or where the system lets nothing be made', async () => {
    const one = await place('nowhere');
    const to = (path: string): Place => ({
      ...one,
      args: one.args.map((arg) => (arg === one.at ? `file:${path}` : arg)),
    });
    await refused(to(join(folder.join('shop.db'), 'backups')), {
      code: 'precondition_failed',
      exit: 2,
      says: ['shop.db/backups (ENOTDIR): a file stands where a folder should'],
      hint: 'move away',
    });
    await refused(to('/proc/holdfast/backups'), {
      code: 'unavailable',
      exit: 3,
      says: ['could not write to /proc/holdfast/backups (ENOENT)'],
      hint: 'its file system mounted?',
    });
    await symlink(folder.join('missing'), folder.join('dangling'));
    await refused(to(folder.join('dangling')), {
      code: 'unavailable',
      exit: 3,
      says: [`there is no folder ${folder.join('dangling')}`],
      hint: 'its file system mounted?',
    });
  });

  test('that has no room: nothing is listed there, and the next run stores what was read', async () => {
    const one = await place('full');
    await mkdir(one.backups);
    const args = one.args.map((arg) => arg.replace('shop.db', 'large.db'));
    const { outcome, left } = await smallDisk(one.backups, 2 * mebibyte, args);
    assertFailure(outcome, {
      code: 'exhausted',
      exit: 3,
      says: [/ENOSPC|EFBIG/],
      hint: 'make room on the disk',
    });
    expect(left.filter((name) => name.endsWith('.manifest.json'))).toEqual([]);
    expect(await leftInStaging(one.staging)).toContainEqual(expect.stringMatching(/\/sealed\.json$/));
    // Where there is room.
    const next = await holdfast<{ notices: string[] }>(args);
    expect(next.notices).toContainEqual(expect.stringMatching(/^an interrupted run was finished: /));
    expect(await leftInStaging(one.staging)).toEqual([]);
  });

  test('that is to be mounted and is not: nothing is written below the mount point', async () => {
    const one = await place('mounted');
    await mkdir(one.backups);
    const { mounted, unmounted, listed, left } = (await runMounted({
      script: join(here, 'unmounted.fixture.ts'),
      folder: one.backups,
      sizeBytes: 64 * mebibyte,
      args: [...one.args, '--json'],
    })) as UnmountedReport;
    expect(mounted).toMatchObject({ code: 0 });
    assertFailure(unmounted, {
      code: 'unavailable',
      exit: 3,
      says: ['the mount is gone', `${one.backups} is empty, but held repository`],
      hint: 'findmnt',
    });
    expect(listed).toMatchObject({ code: 0 });
    expect(JSON.parse(listed.stdout)).toEqual({ tasks: [] });
    expect(left).toEqual([]);
    expect(await treeOf(one.backups)).toEqual({});
    expect(await leftInStaging(one.staging)).toEqual([]);
  });

  test('that has to be a mount by its URL, and is on the disk of /', async () => {
    const one = await place('required');
    const path = `/holdfast-${process.pid}-is-not-mounted`;
    const args = one.args.map((arg) => (arg === one.at ? `file:${path}?mount=required` : arg));
    await refused(
      { ...one, args },
      {
        code: 'unavailable',
        exit: 3,
        says: [`nothing is mounted at ${path}: it is on the disk of /`],
        hint: 'leave out mount=required',
      },
    );
    expect(await treeOf(path)).toEqual({});
  });

  test('that is another one than the last time', async () => {
    const one = await place('exchanged', { first: true });
    const other = await place('exchanged-other', { first: true });
    await rename(one.backups, `${one.backups}-away`);
    await rename(other.backups, one.backups);
    await refused(one, {
      code: 'precondition_failed',
      exit: 2,
      says: [/holds repository [0-9a-f-]+, but held [0-9a-f-]+ when it was last used/, one.backups],
      hint: 'mount the right disk',
    });
  });

  test('with the chain of another database under the same name', async () => {
    const one = await place('other-database', { first: true });
    await copyFile(folder.join('shop.db'), folder.join('other-database', 'shop.db'));
    const args = one.args.map((arg) =>
      arg.replace(folder.join('shop.db'), folder.join('other-database', 'shop.db')),
    );
    const expected = {
      code: 'precondition_failed',
      exit: 2,
      says: ['task shop holds backups of another database', 'sqlite shop.db'],
      hint: 'give this database another task (--name, or another name in the files); if it replaces the old one on purpose, say --new-source',
    } as const;
    for (const scope of ['--auto', '--full', '--incremental']) {
      await refused({ ...one, args: [...args, scope] }, expected);
    }
    expect(await holdfast([...args, '--new-source'])).toMatchObject({ outcome: 'stored', scope: 'full' });
  });

  test('with files of other people: they are neither listed nor touched', async () => {
    const one = await place('foreign', { first: true });
    const [chain = ''] = Object.keys(await storedAt(one.backups)).filter((name) => /-g0\/$/.test(name));
    const foreign = [
      'notes.txt',
      'photos/2026/cat.jpg',
      'photos/20261120T140000Z-db1-g0/0000-full.manifest.json.bak',
      'shop/README',
      'shop/20261120T140000Z-db1-g0.zip',
      'shop/not-a-chain/0000-full.manifest.json',
      `${chain}thumbs.db`,
      `${chain}0000-full-001.ndjson.zst.part`,
      `${chain}deeper/0000-full.manifest.json`,
      `${chain}0007-incremental-001.ndjson.zst`,
    ];
    for (const name of foreign) {
      await mkdir(join(one.backups, name, '..'), { recursive: true });
      await writeFile(join(one.backups, name), `mine: ${name}`);
    }
    await symlink('/etc', join(one.backups, 'shop', 'etc'));
    const theirs = async (): Promise<unknown> => {
      const tree = await treeOf(one.backups);
      return Object.fromEntries([...foreign, 'shop/etc'].map((name) => [name, tree[name]]));
    };
    const before = await theirs();
    await holdfast([...one.args, '--full']);
    await holdfast(['restore', '--at', one.at, '--to', `sqlite:${folder.join('foreign', 'new.db')}`]);
    expect(await holdfast(['check', '--at', one.at])).toMatchObject({ findings: [], backups: 2 });
    const { tasks } = await holdfast<{
      tasks: { task: string; chains: { backups: unknown[]; problems: unknown[] }[]; strays: string[] }[];
    }>(['list', '--at', one.at]);
    expect(tasks.map(({ task, chains }) => [task, chains.map(({ backups }) => backups.length)])).toEqual([
      ['shop', [1, 1]],
    ]);
    expect(tasks.flatMap(({ chains }) => chains).flatMap(({ problems }) => problems)).toEqual([]);
    // What is below the task's own folder is counted, so that litter is seen; nothing else is even looked at.
    expect(tasks[0]?.strays.toSorted()).toEqual(
      foreign.filter((name) => name.startsWith('shop/')).toSorted(),
    );
    const { stdout } = await runHoldfast(['list', '--at', one.at]);
    for (const name of foreign) expect(stdout).not.toContain(name);
    expect(await theirs()).toEqual(before);
  });
});

async function smallDisk(path: string, sizeBytes: number, args: readonly string[]): Promise<SmallDiskReport> {
  const script = join(here, 'small-disk.fixture.ts');
  return (await runMounted({
    script,
    folder: path,
    sizeBytes,
    args: [...args, '--json'],
  })) as SmallDiskReport;
}
