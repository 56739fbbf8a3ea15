import { openPostgres } from '../data-postgres.ts';
import { emptyFolder } from '../harness/folders.ts';
import { holdfast, type Report } from '../harness/holdfast.ts';
import { Figures } from '../harness/report.ts';
import { measure, type Subject } from '../harness/rounds.ts';
import type { RunSuite } from '../harness/suite.ts';
import { full, fullBackup } from './postgres-subjects.ts';

const check = 'holdfast check';

/** Reading a full backup again and comparing it with its manifest, beside making it. */
export const checking: RunSuite = async (options) => {
  const { workspace, scale, log } = options;
  await using server = await openPostgres(workspace, { kind: 'mixed', scale, log });
  const at = `file:${await emptyFolder(workspace.path('at-check'))}`;
  await holdfast(workspace, ['backup', '--full', '--from', server.url('mixed'), '--to', at]);
  const checkSubject: Subject = {
    name: check,
    run: () => holdfast(workspace, ['check', '--at', at]),
    after: async (result) => {
      const { findings, rows = 0 } = result as Report;
      if (findings?.length !== 0) throw new Error(`check found ${JSON.stringify(findings)}`);
      if (rows < server.rows) throw new Error(`check read ${rows} rows instead of ${server.rows}`);
      return undefined;
    },
  };
  const measurements = await measure([fullBackup(workspace, server), checkSubject], server.rounds(options));
  const goals = [new Figures(measurements).ratio(check, full, 0.5)];
  return [{ suite: 'check', on: server.description, measurements, goals }];
};
