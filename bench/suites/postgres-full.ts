import { openPostgres } from '../data-postgres.ts';
import type { DataKind } from '../harness/bench-server.ts';
import { Figures, type Goal, type SuiteReport } from '../harness/report.ts';
import { measure } from '../harness/rounds.ts';
import type { RunSuite } from '../harness/suite.ts';
import { full, fullBackup, pgBaseBackup, pgDump } from './postgres-subjects.ts';

const dump = 'pg_dump -Fd -j2';
const base = 'pg_basebackup -Ft -c fast';

/** Full backups beside those of PostgreSQL's own tools, of mixed data and of pgbench's rows alone. */
export const postgresFull: RunSuite = async (options) => [
  await onDatabase('mixed', options),
  await onDatabase('pgbench', options),
];

async function onDatabase(kind: DataKind, options: Parameters<RunSuite>[0]): Promise<SuiteReport> {
  const { workspace, scale, log } = options;
  await using server = await openPostgres(workspace, { kind, scale, log });
  const subjects = [
    fullBackup(workspace, server),
    pgDump(workspace, server, []),
    pgDump(workspace, server, ['-Z1']),
    pgBaseBackup(workspace, server),
  ];
  const measurements = await measure(subjects, server.rounds(options));
  const figures = new Figures(measurements);
  const size = (name: string) => figures.note(name, 'stored MB');
  const sizes: Goal = {
    what: `stored, ${full} / ${dump}`,
    value: size(full) / size(dump),
    limit: 1,
    unit: 'x',
  };
  const goals =
    kind === 'mixed'
      ? [
          figures.ratio(full, dump, 0.4),
          figures.ratio(full, `${dump} -Z1`, 0.8),
          figures.ratio(full, base, 1.1),
          sizes,
        ]
      : [figures.ratio(full, dump, 0.65), figures.ratio(full, `${dump} -Z1`, 1.1), sizes];
  return { suite: 'postgres-full', on: server.description, measurements, goals };
}
