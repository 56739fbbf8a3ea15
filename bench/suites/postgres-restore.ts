import { openPostgres } from '../data-postgres.ts';
import type { BenchServer } from '../harness/bench-server.ts';
import { emptyFolder } from '../harness/folders.ts';
import { holdfast } from '../harness/holdfast.ts';
import { Figures } from '../harness/report.ts';
import { measure, type Subject } from '../harness/rounds.ts';
import type { RunSuite } from '../harness/suite.ts';
import type { Workspace } from '../harness/workspace.ts';
import { full, fullBackup } from './postgres-subjects.ts';

const restore = 'holdfast restore';
const verified = 'holdfast restore --verify';
const peer = 'createdb; pg_restore -j2';

/** Restores into a new database of the same server, beside pg_restore of pg_dump's default dump. */
export const postgresRestore: RunSuite = async (options) => {
  const { workspace, scale, log } = options;
  await using server = await openPostgres(workspace, { kind: 'mixed', scale, log });
  const at = `file:${await emptyFolder(workspace.path('at-restore'))}`;
  await holdfast(workspace, ['backup', '--full', '--from', server.url('mixed'), '--to', at]);
  const dump = workspace.path('dump');
  await server.tool('pg_dump', ['-Fd', '-j2', '-f', dump, 'mixed']);
  const restoreArguments = ['restore', '--at', at, '--to', server.url('restored')];
  const subjects = [
    fullBackup(workspace, server),
    intoNew(server, restore, () => holdfast(workspace, restoreArguments)),
    {
      ...intoNew(server, peer, async () => {
        await server.tool('createdb', ['restored']);
        await server.tool('pg_restore', ['-j2', '-d', 'restored', '--exit-on-error', dump]);
      }),
      peer: true as const,
    },
    intoNew(server, verified, () => verify(workspace, restoreArguments)),
  ];
  const measurements = await measure(subjects, server.rounds(options));
  const figures = new Figures(measurements);
  const goals = [
    figures.ratio(restore, peer, 1),
    {
      what: `what --verify adds / ${full}`,
      value: (figures.seconds(verified) - figures.seconds(restore)) / figures.seconds(full),
      limit: 0.5,
      unit: 'x' as const,
    },
  ];
  return [{ suite: 'postgres-restore', on: server.description, measurements, goals }];
};

function intoNew(server: BenchServer, name: string, run: () => Promise<unknown>): Subject {
  return {
    name,
    before: () => server.drop('restored'),
    run,
    after: async () => {
      await server.checkCounts('restored');
      await server.drop('restored');
      return undefined;
    },
  };
}

async function verify(workspace: Workspace, restoreArguments: readonly string[]): Promise<void> {
  const report = await holdfast(workspace, [...restoreArguments, '--verify']);
  if (report.verified !== true) throw new Error('the restore does not say that it verified');
}
