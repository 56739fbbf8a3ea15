import { exitCodeOf } from '@holdfast/core';
import type { CheckReport } from '@holdfast/service';
import type { Call, check } from '../commands.ts';
import type { Context } from '../context.ts';
import { table } from '../table.ts';
import { bytes, counted, duration } from '../units.ts';
import { stock } from './cold-text.ts';

export async function runCheck(call: Call<typeof check>, context: Context): Promise<number> {
  const { values, operands } = call;
  const report = await context.run({
    kind: 'check',
    at: values.at,
    ...(values.workers === undefined ? {} : { workers: values.workers }),
    request: { ...(values.task === undefined ? {} : { task: values.task }), paths: operands },
  });
  context.answer(report, () => describeFindings(report));
  if (!context.json) context.terminal.err.write(`${summary(report)}\n`);
  return report.findings.length === 0 ? 0 : exitCodeOf('corrupt');
}

/** Empty when nothing is wrong. */
function describeFindings({ findings }: CheckReport): string {
  if (findings.length === 0) return '';
  return table(
    [
      { title: 'FINDING' },
      { title: 'TASK' },
      { title: 'BACKUP' },
      { title: 'PATH' },
      { title: 'OBJECT' },
      { title: 'DETAIL' },
    ],
    findings.map((one) => [one.finding, one.task, one.backup, one.path ?? '-', one.object, one.detail]),
  );
}

function summary(report: CheckReport): string {
  const { findings, backups, chunks, rows, storedBytes, durationMs, unread } = report;
  const wrong = findings.length === 0 ? 'nothing wrong' : `${counted(findings.length, 'finding')}`;
  const read = [
    counted(backups, 'backup'),
    counted(chunks, 'chunk'),
    counted(rows, 'row'),
    bytes(storedBytes),
  ];
  const text = `${wrong}: ${read.join(', ')} read in ${duration(durationMs)}`;
  if (!unread) return text;
  return `${text}\nnot read: ${stock(unread)}; only looked at, whether they are there and of the right size`;
}
