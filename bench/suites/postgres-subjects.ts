/** What several suites measure on a PostgreSQL server: full backups by Holdfast and by PostgreSQL's own tools. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { checkDataFolder } from '../data-postgres.ts';
import type { BenchServer } from '../harness/bench-server.ts';
import { runCommand } from '../harness/command.ts';
import { emptyFolder, sizeOf } from '../harness/folders.ts';
import { holdfast, rowsStored } from '../harness/holdfast.ts';
import type { Notes, Subject } from '../harness/rounds.ts';
import type { Workspace } from '../harness/workspace.ts';

export const full = 'holdfast backup --full';

async function stored(path: string): Promise<Notes> {
  return { 'stored MB': (await sizeOf(path)) / 1e6 };
}

/** A full backup into a folder that is empty again before each round. */
export function fullBackup(workspace: Workspace, server: BenchServer, database?: string): Subject {
  const folder = workspace.path('at-full');
  const from = server.url(database ?? server.database);
  return {
    name: full,
    before: async () => {
      await emptyFolder(folder);
      await emptyFolder(workspace.path('staging-full'));
    },
    run: () =>
      holdfast(workspace, [
        ...['backup', '--full', '--from', from, '--to', `file:${folder}`],
        ...['--staging', workspace.path('staging-full')],
      ]),
    after: async () => {
      const rows = await rowsStored(folder);
      if (rows !== server.rows) throw new Error(`the backup holds ${rows} rows instead of ${server.rows}`);
      return await stored(folder);
    },
  };
}

/** `pg_dump -Fd -j2` with these options besides. */
export function pgDump(workspace: Workspace, server: BenchServer, options: readonly string[]): Subject {
  const name = ['pg_dump -Fd -j2', ...options].join(' ');
  const folder = workspace.path('dump');
  return {
    name,
    peer: true,
    before: async () => void (await emptyFolder(folder)),
    run: () => server.tool('pg_dump', ['-Fd', '-j2', ...options, '-f', folder, server.database]),
    after: async (_, { number }) => {
      if (number === 0) await checkDump(server, folder);
      return await stored(folder);
    },
  };
}

/** Counts the rows that a dump gives back. */
async function checkDump(server: BenchServer, folder: string): Promise<void> {
  let lines = 0;
  await runCommand(server.program('pg_restore'), ['--data-only', '-f', '-', folder], {
    output: (piece) => {
      for (let at = piece.indexOf(10); at !== -1; at = piece.indexOf(10, at + 1)) lines++;
    },
  });
  // Beside the rows there are a few lines of comments and settings for each table.
  const tables = Object.keys(server.facts.tables).length;
  if (lines < server.rows || lines > server.rows + 100 + tables * 20) {
    throw new Error(`the dump has ${lines} lines for ${server.rows} rows`);
  }
}

export function pgBaseBackup(workspace: Workspace, server: BenchServer): Subject {
  const folder = workspace.path('base');
  return {
    name: 'pg_basebackup -Ft -c fast',
    peer: true,
    before: async () => void (await emptyFolder(folder)),
    run: () => server.tool('pg_basebackup', ['-Ft', '-c', 'fast', '-D', folder]),
    after: async (_, { number }) => {
      await stat(join(folder, 'backup_manifest'));
      if (number === 0) await checkBase(workspace, folder, server);
      return await stored(folder);
    },
  };
}

async function checkBase(workspace: Workspace, folder: string, server: BenchServer): Promise<void> {
  const data = await emptyFolder(workspace.path('base-unpacked'));
  await runCommand('tar', ['-xf', join(folder, 'base.tar'), '-C', data]);
  await runCommand('tar', ['-xf', join(folder, 'pg_wal.tar'), '-C', join(data, 'pg_wal')]);
  await checkDataFolder(data, server);
  await emptyFolder(data);
}
