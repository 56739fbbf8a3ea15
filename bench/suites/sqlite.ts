import { copyFile, rm } from 'node:fs/promises';
import { checkTables, openSqlite, type SqliteData } from '../data-sqlite.ts';
import { runCommand } from '../harness/command.ts';
import { emptyFolder, filesIn, sizeOf } from '../harness/folders.ts';
import { holdfast, type Report, rowsStored } from '../harness/holdfast.ts';
import { Figures, type Goal } from '../harness/report.ts';
import { measure, type Subject } from '../harness/rounds.ts';
import type { RunSuite } from '../harness/suite.ts';
import type { Workspace } from '../harness/workspace.ts';

const logical = 'holdfast backup --full';
const snapshot = 'holdfast backup --full --type snapshot';
const dump = 'sqlite3 .dump | zstd -T2';
const vacuum = 'sqlite3 VACUUM INTO; zstd -T2';
const unchanged = 'incremental, nothing changed';

/** Full backups of an SQLite file beside the two ways that people make them by hand. */
export const sqlite: RunSuite = async ({ workspace, scale, rounds, log }) => {
  const data = await openSqlite(workspace, { scale, log });
  const subjects = [
    fullBackup(workspace, data, { name: logical, type: 'logical' }),
    fullBackup(workspace, data, { name: snapshot, type: 'snapshot' }),
    byDump(workspace, data),
    byVacuum(workspace, data),
    await afterNothing(workspace, data),
  ];
  const measurements = await measure(subjects, { rounds, log, settle: () => workspace.settle() });
  const figures = new Figures(measurements);
  const goals: Goal[] = [
    figures.ratio(logical, dump, 1, true),
    figures.ratio(logical, vacuum, 1, true),
    figures.ratio(snapshot, dump, 1, true),
    figures.ratio(snapshot, vacuum, 1, true),
    { what: unchanged, value: figures.seconds(unchanged), limit: 1, strictly: true, unit: 's' },
    {
      what: `${unchanged}: written`,
      value: figures.worst(unchanged, 'files written'),
      limit: 0,
      unit: 'objects',
    },
  ];
  const on = `SQLite file of ${(data.bytes / 1e9).toFixed(2)} GB, ${data.rows} rows`;
  return [{ suite: 'sqlite', on, measurements, goals }];
};

function fullBackup(
  workspace: Workspace,
  data: SqliteData,
  { name, type }: { name: string; type: 'logical' | 'snapshot' },
): Subject {
  const folder = workspace.path(`at-${type}`);
  const at = `file:${folder}`;
  return {
    name,
    before: async () => {
      await emptyFolder(folder);
      await emptyFolder(workspace.path('staging'));
    },
    run: () =>
      holdfast(workspace, ['backup', '--full', '--type', type, '--from', `sqlite:${data.file}`, '--to', at]),
    after: async (_, { number }) => {
      if (type === 'logical') {
        const rows = await rowsStored(folder);
        if (rows !== data.rows) throw new Error(`the backup holds ${rows} rows instead of ${data.rows}`);
      }
      if (number === 0) await checkRestored(workspace, data, at);
      return { 'stored MB': (await sizeOf(folder)) / 1e6 };
    },
  };
}

async function checkRestored(workspace: Workspace, data: SqliteData, at: string): Promise<void> {
  const file = workspace.path('restored.db');
  await removeDatabase(file);
  await holdfast(workspace, ['restore', '--at', at, '--to', `sqlite:${file}`]);
  checkTables(file, data);
  await removeDatabase(file);
}

function byDump(workspace: Workspace, data: SqliteData): Subject {
  const file = workspace.path('dump.sql.zst');
  return {
    name: dump,
    peer: true,
    before: () => rm(file, { force: true }),
    run: () => shell(`sqlite3 '${data.file}' .dump | zstd -T2 -q -o '${file}'`),
    after: async (_, { number }) => {
      if (number === 0) {
        const rows = Number(await shell(`zstd -dcq '${file}' | grep -c '^INSERT INTO' | cat`));
        // ANALYZE's own table is dumped as well, with a few rows.
        if (rows < data.rows || rows > data.rows + 100) {
          throw new Error(`the dump holds ${rows} rows instead of ${data.rows}`);
        }
      }
      return { 'stored MB': (await sizeOf(file)) / 1e6 };
    },
  };
}

function byVacuum(workspace: Workspace, data: SqliteData): Subject {
  const file = workspace.path('vacuum.db');
  return {
    name: vacuum,
    peer: true,
    before: async () => {
      await removeDatabase(file);
      await rm(`${file}.zst`, { force: true });
    },
    run: () => shell(`sqlite3 '${data.file}' "VACUUM INTO '${file}'" && zstd -T2 -q '${file}'`),
    after: async (_, { number }) => {
      if (number === 0) {
        await removeDatabase(file);
        await runCommand('zstd', ['-dq', `${file}.zst`, '-o', file]);
        checkTables(file, data);
      }
      await removeDatabase(file);
      return { 'stored MB': (await sizeOf(`${file}.zst`)) / 1e6 };
    },
  };
}

/** On a copy: what incrementals need is made in the database itself. */
async function afterNothing(workspace: Workspace, data: SqliteData): Promise<Subject> {
  const file = workspace.path('unchanged.db');
  const folder = workspace.path('at-unchanged');
  const backUp = () =>
    holdfast(workspace, ['backup', '--auto', '--from', `sqlite:${file}`, '--to', `file:${folder}`]);
  let before: Map<string, string> | undefined;
  return {
    name: unchanged,
    before: async () => {
      if (before === undefined) {
        await copyFile(data.file, file);
        await holdfast(workspace, ['source', 'prepare', `sqlite:${file}`]);
        await backUp();
      }
      before = await filesIn(folder);
    },
    run: backUp,
    after: async (result) => {
      const { outcome, scope } = result as Report;
      if (outcome !== 'unchanged')
        throw new Error(`nothing had changed, and the backup was ${outcome}, ${scope}`);
      const after = await filesIn(folder);
      return { 'files written': [...after].filter(([path, what]) => before?.get(path) !== what).length };
    },
  };
}

async function removeDatabase(file: string): Promise<void> {
  for (const path of [file, `${file}-wal`, `${file}-shm`, `${file}-journal`]) await rm(path, { force: true });
}

/** A pipeline that fails when any part of it does. */
function shell(line: string): Promise<string> {
  return runCommand('bash', ['-o', 'pipefail', '-c', line]);
}
