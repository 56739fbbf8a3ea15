import { openSource } from '@holdfast/service';
import type { Call, sourceForget, sourcePrepare } from '../commands.ts';
import type { Context } from '../context.ts';

export async function runSourcePrepare(
  { operands: [url = ''] }: Call<typeof sourcePrepare>,
  context: Context,
): Promise<number> {
  await using source = await openSource(url, context);
  const made = await source.prepare(context);
  context.answer({ source: source.description, made }, () =>
    inWords(made, `nothing to prepare in ${source.description}`),
  );
  return 0;
}

export async function runSourceForget(
  { operands: [url = ''] }: Call<typeof sourceForget>,
  context: Context,
): Promise<number> {
  await using source = await openSource(url, context);
  const removed = await source.forget(context);
  context.answer({ source: source.description, removed }, () =>
    inWords(removed, `nothing of Holdfast's is in ${source.description}`),
  );
  return 0;
}

function inWords(lines: readonly string[], nothing: string): string {
  return `${(lines.length === 0 ? [nothing] : lines).join('\n')}\n`;
}
