import { watch } from 'node:fs';
import { readdir, readlink } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import { type TemporaryFolder, temporaryFolder } from '@holdfast/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { assertFailure, type ExpectedFailure } from '../harness/failure.ts';
import { childrenOf, hasEnded, until } from '../harness/processes.ts';
import { holdfast, type Outcome, runHoldfast } from '../harness/run-holdfast.ts';
import { sqliteContents } from '../harness/sqlite-contents.ts';
import { leftInStaging, storedAt, treeOf } from '../harness/tree.ts';

let folder: TemporaryFolder;

beforeAll(async () => {
  folder = await temporaryFolder();
  using shop = new DatabaseSync(folder.join('shop.db'));
  shop.exec(`CREATE TABLE a (id INTEGER PRIMARY KEY, note TEXT);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000)
    INSERT INTO a SELECT i, 'note ' || i FROM n`);
  shop.close();
  await holdfast(backup(), env());
});

afterAll(async () => {
  await folder?.[Symbol.asyncDispose]();
});

const env = (): { env: Record<string, string> } => ({ env: { HOLDFAST_STAGING: folder.join('staging') } });
const at = (): string => `file:${folder.join('backups')}`;
const backup = (): string[] => [
  'backup',
  '--full',
  '--from',
  `sqlite:${folder.join('shop.db')}`,
  '--to',
  at(),
];

const stopped: ExpectedFailure = {
  code: 'cancelled',
  exit: 130,
  says: ['stopped by SIGTERM'],
  hint: undefined,
};

interface Running {
  readonly pid: number;
  readonly child: number;
  readonly ended: Promise<Outcome>;
}

async function start(args: readonly string[]): Promise<Running> {
  const { promise, resolve } = Promise.withResolvers<number>();
  const ended = runHoldfast([...args, '--json'], { ...env(), started: ({ pid }) => resolve(pid) });
  const pid = await promise;
  let child: number | undefined;
  await until('the run has a process', async () => {
    [child] = await childrenOf(pid);
    return child !== undefined;
  });
  return { pid, child: child ?? 0, ended };
}

async function filesOf(pid: number): Promise<readonly string[]> {
  const handles = await readdir(`/proc/${pid}/fd`).catch(() => []);
  return Promise.all(handles.map((handle) => readlink(`/proc/${pid}/fd/${handle}`).catch(() => '')));
}

test.each(['SIGTERM', 'SIGKILL'] as const)(
  'a backup that waits for a locked database ends when its command gets %s',
  async (signal) => {
    const before = await storedAt(folder.join('backups'));
    using writer = new DatabaseSync(folder.join('shop.db'));
    writer.exec('BEGIN EXCLUSIVE');
    const run = await start(backup());
    await until('the run opens the database', async () =>
      (await filesOf(run.child)).includes(folder.join('shop.db')),
    );
    process.kill(run.pid, signal);
    const outcome = await run.ended;
    if (signal === 'SIGTERM') assertFailure(outcome, stopped);
    else expect(outcome).toMatchObject({ code: null, signal });
    await until('the run has ended', () => hasEnded(run.child));
    writer.exec('ROLLBACK');
    expect(await storedAt(folder.join('backups'))).toEqual(before);
    expect(await leftInStaging(folder.join('staging'))).toEqual([]);
  },
);

test.each(['SIGTERM', 'SIGKILL'] as const)(
  'a restore that is building its file ends when its command gets %s, and leaves none',
  async (signal) => {
    const target = folder.join(`target-${signal}`, 'new.db');
    // Stopped at the first sign of the file in the making, so that it is not done before we act.
    const building = Promise.withResolvers<void>();
    let child: number | undefined;
    const watcher = watch(folder.path, { recursive: true }, (_, name) => {
      if (!name?.includes('.new.db.holdfast-') || child === undefined) return;
      process.kill(child, 'SIGSTOP');
      building.resolve();
      watcher.close();
    });
    const run = await start(['restore', '--at', at(), '--to', `sqlite:${target}`]);
    child = run.child;
    const early = run.ended.then(({ stderr }) =>
      Promise.reject(new Error(`ended before it was caught: ${stderr}`)),
    );
    await Promise.race([building.promise, early]);
    early.catch(() => undefined);
    process.kill(run.pid, signal);
    process.kill(run.child, 'SIGCONT');
    const outcome = await run.ended;
    if (signal === 'SIGTERM') assertFailure(outcome, stopped);
    else expect(outcome).toMatchObject({ code: null, signal });
    await until('the run has ended', () => hasEnded(run.child));
    expect(await treeOf(folder.join(`target-${signal}`))).toEqual({});
    expect(await leftInStaging(folder.join('staging'))).toEqual([]);
    await holdfast(['restore', '--at', at(), '--to', `sqlite:${target}`], env());
    expect(sqliteContents(target)).toEqual(sqliteContents(folder.join('shop.db')));
  },
);
