import { HoldfastError, namePattern } from '@holdfast/core';
import type { OptionSpec } from './options.ts';
import { parsePoint } from './point.ts';

const unitsMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/**
 * What a person typed for an option, as the value it stands for.
 *
 * @throws HoldfastError config_invalid, saying what was expected
 */
export function parseValue(spec: OptionSpec, text: string, before: unknown): unknown {
  switch (spec.type) {
    case 'flag':
      return true;
    case 'urls':
    case 'files':
      return [...((before as readonly string[] | undefined) ?? []), notEmpty(spec, text)];
    case 'url':
    case 'folder':
    case 'file':
    case 'run':
      return notEmpty(spec, text);
    case 'path':
      return notEmpty(spec, text).startsWith('/') ? text : `/${text}`;
    case 'task':
      return parseTask(spec, text);
    case 'choice':
      if (spec.choices?.includes(text)) return text;
      throw expected(spec, (spec.choices ?? []).join(' or '), text);
    case 'count':
      return inRange(spec, /^\d+$/.test(text) ? Number(text) : Number.NaN, text);
    case 'duration':
      return parseDuration(spec, text);
    case 'point':
      return parsePoint(text);
  }
}

function parseTask(spec: OptionSpec, text: string): string {
  if (namePattern.test(text)) return text;
  throw expected(spec, 'a name of up to 63 small letters, digits and hyphens', text);
}

function parseDuration(spec: OptionSpec, text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text);
  const ms = match ? Math.round(Number(match[1]) * (unitsMs[match[2] ?? ''] ?? Number.NaN)) : Number.NaN;
  const [least = 0, most = Number.MAX_SAFE_INTEGER] = spec.range ?? [];
  if (ms >= least && ms <= most) return ms;
  throw expected(
    spec,
    `a time with its unit (ms, s, m, h, d), at most ${most / 3_600_000}h, such as 15s`,
    text,
  );
}

function inRange(spec: OptionSpec, value: number, text: string): number {
  const [least = 0, most = Number.MAX_SAFE_INTEGER] = spec.range ?? [];
  if (value >= least && value <= most) return value;
  throw expected(spec, `a whole number from ${least} to ${most}`, text);
}

function notEmpty(spec: OptionSpec, text: string): string {
  if (text !== '') return text;
  throw expected(spec, `a ${spec.label ?? 'value'}`, 'nothing');
}

function expected(spec: OptionSpec, what: string, got: string): HoldfastError {
  return new HoldfastError('config_invalid', `--${spec.name} takes ${what}, not ${got}`, { hint: spec.help });
}
