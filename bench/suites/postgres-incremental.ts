import { openPostgres } from '../data-postgres.ts';
import type { BenchServer } from '../harness/bench-server.ts';
import { emptyFolder, filesIn } from '../harness/folders.ts';
import { holdfast, type Report, rowsStored } from '../harness/holdfast.ts';
import { Figures, type Goal } from '../harness/report.ts';
import { measure, type Subject } from '../harness/rounds.ts';
import type { RunSuite } from '../harness/suite.ts';
import type { Workspace } from '../harness/workspace.ts';
import { changeOnePercent, type Pattern } from './postgres-changes.ts';
import { full, fullBackup } from './postgres-subjects.ts';

const database = 'changing';
const unchanged = 'incremental, nothing changed';

/** Incrementals after one row in a hundred has changed, and after nothing has, beside the full backup. */
export const postgresIncremental: RunSuite = async (options) => {
  const { workspace, scale, log } = options;
  await using server = await openPostgres(workspace, { kind: 'mixed', scale, log });
  await server.copy(database);
  const folder = await emptyFolder(workspace.path('at-chain'));
  const backUp = () =>
    holdfast(workspace, [...['backup', '--auto', '--from', server.url(database), '--to', `file:${folder}`]]);
  await backUp();
  const subjects = [
    fullBackup(workspace, server, database),
    ...(['contiguous', 'scattered'] as const).map((pattern) =>
      afterChanges(server, { pattern, folder, backUp }),
    ),
    afterNothing(folder, backUp),
  ];
  const measurements = await measure(subjects, server.rounds(options));
  const figures = new Figures(measurements);
  const fullSeconds = figures.seconds(full);
  const limited = (pattern: Pattern): Goal => ({
    what: `${nameOf(pattern)}, at most 5 % of the full and 0.5 s`,
    value: figures.seconds(nameOf(pattern)),
    limit: fullSeconds * 0.05 + 0.5,
    unit: 's',
  });
  const goals: Goal[] = [
    limited('contiguous'),
    limited('scattered'),
    { what: unchanged, value: figures.seconds(unchanged), limit: 1, strictly: true, unit: 's' },
    {
      what: `${unchanged}: written`,
      value: figures.worst(unchanged, 'files written'),
      limit: 0,
      unit: 'objects',
    },
  ];
  const wrong = await proveChain(workspace, server, folder);
  return [{ suite: 'postgres-incremental', on: server.description, measurements, goals, wrong }];
};

function nameOf(pattern: Pattern): string {
  return `incremental, 1 % changed, ${pattern}`;
}

function afterChanges(
  server: BenchServer,
  { pattern, folder, backUp }: { pattern: Pattern; folder: string; backUp: () => Promise<Report> },
): Subject {
  // The patterns begin far apart, so that each changes rows that the other has not just changed.
  let turn = pattern === 'contiguous' ? 0 : 50;
  let changed = 0;
  return {
    name: nameOf(pattern),
    before: async () => {
      changed = await changeOnePercent(server, database, { pattern, turn: turn++ });
    },
    run: backUp,
    after: async (result) => {
      const { scope, outcome, storedBytes = Number.NaN } = result as Report;
      if (scope !== 'incremental' || outcome !== 'stored')
        throw new Error(`the backup was ${outcome}, ${scope}`);
      const rows = await rowsStored(folder);
      if (rows !== changed) throw new Error(`the incremental holds ${rows} changes instead of ${changed}`);
      return { 'stored MB': storedBytes / 1e6 };
    },
  };
}

function afterNothing(folder: string, backUp: () => Promise<Report>): Subject {
  let before = new Map<string, string>();
  return {
    name: unchanged,
    before: async () => {
      before = await filesIn(folder);
    },
    run: backUp,
    after: async (result) => {
      const { outcome } = result as Report;
      if (outcome !== 'unchanged') throw new Error(`nothing had changed, and the backup was ${outcome}`);
      const after = await filesIn(folder);
      return { 'files written': [...after].filter(([path, what]) => before.get(path) !== what).length };
    },
  };
}

/** The chain is worth its figures only if it restores to what the database is now. Returns what is wrong. */
async function proveChain(workspace: Workspace, server: BenchServer, folder: string): Promise<string[]> {
  const args = ['restore', '--at', `file:${folder}`, '--to', server.url('restored')];
  try {
    await holdfast(workspace, args);
    const [is, was] = [await server.fingerprint('restored'), await server.fingerprint(database)];
    return is === was ? [] : [`the chain restores to other rows:\n${is}\ninstead of\n${was}`];
  } catch (error) {
    return [`the chain does not restore: ${error instanceof Error ? error.message : error}`];
  } finally {
    await server.drop('restored');
  }
}
