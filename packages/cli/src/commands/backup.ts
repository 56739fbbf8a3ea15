import type { BackupReport, BackupRun } from '@holdfast/service';
import type { backup, Call } from '../commands.ts';
import type { Context } from '../context.ts';
import { nodeName, taskNameOf } from '../names.ts';
import { bytes, counted, duration, moment } from '../units.ts';

export async function runBackup(call: Call<typeof backup>, context: Context): Promise<number> {
  const request = await backupRun(call, context.signal);
  const report = await context.run(request);
  context.answer(report, () => describeBackup(report, context));
  return 0;
}

export async function backupRun({ values }: Call<typeof backup>, signal: AbortSignal): Promise<BackupRun> {
  const task = values.name ?? (await taskNameOf(values.from, { signal }));
  return {
    kind: 'backup',
    from: values.from,
    to: values.to,
    ...(values.staging === undefined ? {} : { staging: values.staging }),
    ...(values.workers === undefined ? {} : { workers: values.workers }),
    request: {
      task,
      scope: values.full ? 'full' : values.incremental ? 'incremental' : 'auto',
      type: values.type === 'snapshot' ? 'snapshot' : 'logical',
      ...(values['keep-changes'] ? { keepChanges: true } : {}),
      node: nodeName(),
      // Generations fence the nodes of a cluster from one another; by hand there is none.
      generation: 0,
      newSource: values['new-source'],
    },
  };
}

export function describeBackup(report: BackupReport, context: Context): string {
  const { bold, yellow } = context.colors;
  const lines = [bold(headline(report, context.elapsedMs)), `reason: ${report.reason}`];
  if (report.gap !== undefined) lines.push(yellow(`gap: ${report.gap}`));
  for (const notice of context.untold(report.notices)) lines.push(`note: ${notice}`);
  return `${lines.join('\n')}\n`;
}

function headline(report: BackupReport, elapsedMs: number): string {
  const { task, backup, scope, outcome } = report;
  if (outcome === 'unchanged') {
    return `Nothing changed in ${task} since ${backup}: nothing to store, checked up to ${moment(report.to.timeMs)}`;
  }
  const kind = scope === 'full' ? 'Full' : 'Incremental';
  const rows = counted(report.rows, 'row');
  const content = scope === 'full' ? rows : `${counted(report.changes, 'change')}, ${rows} anew`;
  const size = `${content}, ${bytes(report.rawBytes)} in ${bytes(report.storedBytes)}, ${duration(elapsedMs)}`;
  const resumed = outcome === 'resumed' ? ', from an interrupted run' : '';
  return `${kind} backup ${task} ${backup} stored${resumed}: ${size}`;
}
