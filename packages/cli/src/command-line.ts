import { redactUrl } from '@holdfast/core';
import type { Call, CommandSpec } from './command-spec.ts';
import type { OptionSpec } from './options.ts';
import type { Point } from './point.ts';
import { holdsSecret } from './secrets.ts';
import { moment } from './units.ts';

/** The command again, as a shell takes it; what a URL holds of secrets is left out. */
export function commandLine(spec: CommandSpec, { values, operands }: Call<CommandSpec>): string {
  const given = values as Readonly<Record<string, unknown>>;
  const words = ['holdfast', ...spec.name.split(' '), ...operands];
  for (const option of spec.options) {
    const value = given[option.name];
    if (value === undefined || value === false) continue;
    if (value === true) words.push(`--${option.name}`);
    else for (const text of textsOf(option, value)) words.push(`--${option.name}`, text);
  }
  return words.map(quoted).join(' ');
}

/** None for what holds without saying it. */
function textsOf({ type, default: usual }: OptionSpec, value: unknown): string[] {
  if (type === 'point') return [pointText(value as Point)];
  const texts = [value].flat().map((one) => {
    if (type === 'duration') return durationText(Number(one));
    const text = String(one);
    return (type === 'url' || type === 'urls') && holdsSecret(text) ? redactUrl(text) : text;
  });
  return texts.length === 1 && texts[0] === usual ? [] : texts;
}

function pointText(point: Point): string {
  return 'backup' in point ? point.backup : moment(point.timeMs);
}

function durationText(ms: number): string {
  return ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`;
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
