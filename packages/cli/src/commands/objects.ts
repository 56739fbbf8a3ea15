import type { ObjectChange, ObjectsPlan } from '@holdfast/client';
import { formatPlan } from '@holdfast/service/plan';
import type { Call } from '../commands.ts';
import { connect } from '../connect.ts';
import type { Context } from '../context.ts';
import type { apply, exportObjects, plan } from '../node-commands.ts';
import { readFiles } from './read-files.ts';

/** `plan` tells a script that there is something to do. */
const changesExitCode = 5;

export async function runPlan({ values }: Call<typeof plan>, context: Context): Promise<number> {
  const { signal } = context;
  const client = await connect(values, context);
  const files = await readFiles(values.file);
  const planned = await client.planObjects({ files, prune: values.prune, signal });
  warn(planned, context);
  context.answer(planned, () => describePlan(planned, context));
  return planned.changes.length === 0 ? 0 : changesExitCode;
}

export async function runApply({ values }: Call<typeof apply>, context: Context): Promise<number> {
  const { signal } = context;
  const client = await connect(values, context);
  const files = await readFiles(values.file);
  const { revision } = values;
  const applied = await client.applyObjects({
    files,
    prune: values.prune,
    signal,
    ...(revision === undefined ? {} : { revision }),
  });
  warn(applied, context);
  context.answer(applied, () =>
    applied.applied
      ? `${diff(applied.changes, context)}applied, as revision ${applied.revision}\n`
      : 'nothing to change\n',
  );
  return 0;
}

export async function runExport({ values }: Call<typeof exportObjects>, context: Context): Promise<number> {
  const client = await connect(values, context);
  const declared = await client.getObjects({ signal: context.signal });
  context.answer(declared, () => declared.yaml);
  return 0;
}

function warn({ warnings }: ObjectsPlan, context: Context): void {
  if (context.json) return;
  for (const { where, text: says } of warnings) {
    context.terminal.err.write(`${context.colors.yellow('warning:')} ${where}: ${says}\n`);
  }
}

function describePlan({ changes, revision }: ObjectsPlan, context: Context): string {
  if (changes.length === 0) return 'nothing to change\n';
  return `${diff(changes, context)}\nto make it so: holdfast apply with the same files (and --revision ${revision}, to be sure that it is this)\n`;
}

/** The plan's text, each object's line in the colour of what happens to it. */
function diff(changes: readonly ObjectChange[], context: Context): string {
  const { green, yellow, red } = context.colors;
  const paint: Readonly<Record<string, (line: string) => string>> = { '+': green, '~': yellow, '-': red };
  return formatPlan(changes)
    .split('\n')
    .map((line) => paint[line[0] ?? '']?.(line) ?? line)
    .join('\n');
}
