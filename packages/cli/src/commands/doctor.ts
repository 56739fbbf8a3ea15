import { exitCodeOf, redactUrl } from '@holdfast/core';
import { type Declared, type DoctorFinding, diagnose, findDeclaredPlace } from '@holdfast/service';
import type { Call, doctor } from '../commands.ts';
import type { Context } from '../context.ts';
import { duration } from '../units.ts';
import { readFiles } from './read-files.ts';

interface Place {
  /** What was named: a URL without its secrets, or a name. */
  readonly url: string;
  readonly findings: readonly DoctorFinding[];
}

export async function runDoctor(
  { operands, values }: Call<typeof doctor>,
  context: Context,
): Promise<number> {
  const { signal, clock } = context;
  const files = values.file === undefined ? undefined : await readFiles(values.file);
  // All names are looked up before anything is stored anywhere.
  const named: [string, string | Declared][] = [];
  for (const operand of operands) {
    const byName = files !== undefined && !operand.includes(':');
    named.push([operand, byName ? await findDeclaredPlace(files, operand) : operand]);
  }
  const places: Place[] = [];
  for (const [operand, place] of named)
    places.push({ url: redactUrl(operand), findings: await diagnose(place, { signal, clock }) });
  context.answer({ places }, () => places.map((place) => describePlace(place, context)).join('\n'));
  const worst = places.flatMap((place) => place.findings).find((one) => !one.ok && one.severity === 'error');
  return worst ? exitCodeOf(worst.code ?? 'precondition_failed') : 0;
}

function describePlace({ url, findings }: Place, context: Context): string {
  const { bold, green, yellow, red } = context.colors;
  const width = Math.max(0, ...findings.map((one) => one.check.length));
  const times = findings.map(({ tookMs }) => (tookMs === undefined ? '' : took(tookMs)));
  const timeWidth = Math.max(0, ...times.map((time) => time.length));
  const lines = findings.map((one, at) => {
    // Padded before it is coloured: colours have no width, but their codes have a length.
    const color = one.ok ? green : one.severity === 'error' ? red : yellow;
    const state = color((one.ok ? 'ok' : one.severity).padEnd(7));
    const time = timeWidth === 0 ? '' : `${(times[at] ?? '').padStart(timeWidth)}  `;
    const indent = ' '.repeat(width + 13 + (timeWidth === 0 ? 0 : timeWidth + 2));
    const hint = one.hint === undefined ? '' : `\n${indent}hint: ${one.hint}`;
    return `  ${state}  ${one.check.padEnd(width)}  ${time}${one.message}${hint}`;
  });
  return `${[bold(url), ...lines].join('\n')}\n`;
}

function took(ms: number): string {
  return ms < 1000 ? `${ms} ms` : duration(ms);
}
