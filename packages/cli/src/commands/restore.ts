import { exitCodeOf, HoldfastError, type ThawTier } from '@holdfast/core';
import type { RestorePlanSummary, RestoreReport, RestoreRun, ThawRequest } from '@holdfast/service';
import { commandLine } from '../command-line.ts';
import { type Call, restore } from '../commands.ts';
import type { Context } from '../context.ts';
import { pairs } from '../table.ts';
import { bytes, count, counted, duration, moment } from '../units.ts';
import { describeColdPlan, describeThaw } from './cold-text.ts';

type RestoreCall = Call<typeof restore>;

const thawDaysUsual = 7;

export async function runRestore(call: RestoreCall, context: Context): Promise<number> {
  const request = restoreRun(call);
  if (call.values.plan) {
    const plan = await context.run({ ...request, planOnly: true });
    context.answer(plan, () => describePlan(plan, context));
    return planExitCode(plan);
  }
  const report = await context.run({ ...request, planOnly: false });
  const { thawing } = report;
  context.answer(report, () =>
    thawing ? describeThaw(thawing, commandLine(restore, call)) : describeRestore(report, context),
  );
  return 0;
}

function restoreRun({ values }: RestoreCall): RestoreRun {
  const thaw = thawRequest(values);
  return {
    kind: 'restore',
    at: values.at,
    to: values.to,
    planOnly: false,
    ...(values.staging === undefined ? {} : { staging: values.staging }),
    ...(values.workers === undefined ? {} : { workers: values.workers }),
    request: {
      ...(values.task === undefined ? {} : { task: values.task }),
      ...(values.point === undefined ? {} : { point: values.point }),
      noOwner: values['no-owner'],
      verify: values.verify,
      startTimeoutMs: values['start-timeout'],
      ...(thaw && { thaw }),
    },
  };
}

function thawRequest(values: RestoreCall['values']): ThawRequest | undefined {
  const { thaw: tier, 'thaw-days': days = thawDaysUsual, 'no-wait': noWait } = values;
  if (tier !== undefined) return { tier: tier as ThawTier, days, wait: !noWait };
  const alone = noWait ? '--no-wait' : values['thaw-days'] === undefined ? undefined : '--thaw-days';
  if (alone === undefined) return undefined;
  throw new HoldfastError('config_invalid', `${alone} says how to thaw, and --thaw is missing`, {
    hint: 'add --thaw standard, or see holdfast restore --help',
  });
}

/** A plan that cannot be carried out ends like the restore would. */
function planExitCode(plan: RestorePlanSummary): number {
  const problem = plan.problems.find((finding) => !finding.ok && finding.severity === 'error');
  return problem ? exitCodeOf(problem.code ?? 'precondition_failed') : 0;
}

function describePlan(plan: RestorePlanSummary, context: Context): string {
  const { bold, red, yellow } = context.colors;
  const [first = '', ...later] = plan.backups;
  const volume = [counted(plan.tables, 'table'), counted(plan.rows, 'row'), counted(plan.changes, 'change')];
  const lines: [string, string][] = [
    ['task', `${plan.task} (${plan.type}, ${plan.source.type} ${plan.source.name} ${plan.source.version})`],
    ['from', plan.destination],
    ['into', plan.target],
    ['as of', `${moment(plan.point.timeMs)}${plan.point.exact ? '' : ' (not exact for every table)'}`],
    [
      'reads',
      later.length === 0
        ? first
        : `${first} and ${counted(later.length, 'incremental')} up to ${later.at(-1)}`,
    ],
    ['holds', volume.join(', ')],
    [
      'size',
      `${bytes(plan.storedBytes)} to read, ${bytes(plan.rawBytes)} of data, ${count(plan.chunks)} chunks`,
    ],
  ];
  const remarks = [
    ...plan.inexact.map((path) => yellow(`inexact: ${path} comes as of the backup before that moment`)),
    ...plan.problems.map((problem) => {
      const text = `${problem.severity}: ${problem.message}${problem.hint === undefined ? '' : ` (${problem.hint})`}`;
      return problem.severity === 'error' ? red(text) : yellow(text);
    }),
  ];
  const cold = plan.cold ? describeColdPlan(plan.cold) : '';
  return `${bold('Plan, nothing was changed')}\n${pairs(lines)}${cold}${remarks.map((remark) => `${remark}\n`).join('')}`;
}

function describeRestore(report: RestoreReport, context: Context): string {
  const { plan } = report;
  const { bold, yellow } = context.colors;
  const size = `${counted(report.tables, 'table')}, ${counted(report.rows, 'row')}, ${duration(context.elapsedMs)}`;
  const lines = [
    bold(`Restored ${plan.task} as of ${moment(plan.point.timeMs)} into ${plan.target}: ${size}`),
  ];
  lines.push(
    report.verified
      ? 'verified: everything was read back from the target and is the same'
      : 'compared: what was sent with the manifests, and row counts with what the target took',
  );
  if (report.resumedLoads > 0) {
    lines.push(
      `resumed: ${counted(report.resumedLoads, 'load')} had been finished by an interrupted restore`,
    );
  }
  for (const path of plan.inexact)
    lines.push(yellow(`inexact: ${path} is as of the backup before that moment`));
  for (const notice of context.untold(report.notices)) lines.push(`note: ${notice}`);
  return `${lines.join('\n')}\n`;
}
