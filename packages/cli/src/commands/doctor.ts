import { exitCodeOf, type Finding, redactUrl } from '@holdfast/core';
import { diagnose } from '@holdfast/service';
import type { Call, doctor } from '../commands.ts';
import type { Context } from '../context.ts';

interface Place {
  readonly url: string;
  readonly findings: readonly Finding[];
}

export async function runDoctor({ operands }: Call<typeof doctor>, context: Context): Promise<number> {
  const { signal, clock } = context;
  const places: Place[] = [];
  for (const url of operands)
    places.push({ url: redactUrl(url), findings: await diagnose(url, { signal, clock }) });
  context.answer({ places }, () => places.map((place) => describePlace(place, context)).join('\n'));
  const worst = places.flatMap((place) => place.findings).find((one) => !one.ok && one.severity === 'error');
  return worst ? exitCodeOf(worst.code ?? 'precondition_failed') : 0;
}

function describePlace({ url, findings }: Place, context: Context): string {
  const { bold, green, yellow, red } = context.colors;
  const width = Math.max(0, ...findings.map((one) => one.check.length));
  const lines = findings.map((one) => {
    // Padded before it is coloured: colours have no width, but their codes have a length.
    const color = one.ok ? green : one.severity === 'error' ? red : yellow;
    const state = color((one.ok ? 'ok' : one.severity).padEnd(7));
    const hint = one.hint === undefined ? '' : `\n${' '.repeat(width + 13)}hint: ${one.hint}`;
    return `  ${state}  ${one.check.padEnd(width)}  ${one.message}${hint}`;
  });
  return `${[bold(url), ...lines].join('\n')}\n`;
}
