import { posix } from 'node:path';
import { didYouMean, namePattern } from '@holdfast/core';
import { z } from 'zod';
import { isSizeWithin, type SizeRange, sizeBytes, sizeForm } from './byte-size.ts';
import { type DurationRange, durationForm, durationMs, isWithin } from './duration.ts';
import { toName } from './names.ts';
import {
  holdsLiteralSecret,
  isPlaceholder,
  type PlaceholderRules,
  placeholderForms,
  placeholderProblem,
  withoutPlaceholders,
} from './placeholders.ts';

/**
 * The kinds of fields that declared objects and a node's file are made of. Each is a zod schema: it validates, says
 * what was expected, and is what the JSON Schemas for editors and docs/configuration.md are written from.
 */
export interface Field {
  readonly help: string;
  /** What the documentation calls the value. */
  readonly label?: string;
}

const textMax = 4096;
const listMax = 100;
/** Looking for what was meant is dear, and nobody reads more problems than this at once. */
export const proposalsMax = 20;

/** What a wrong value gets to hear. A text is shown only where it cannot be a secret. */
function expectation(expected: string, o: { readonly hidden?: boolean } = {}) {
  return (issue: { readonly input?: unknown }): string => {
    if (issue.input === undefined) return `is missing: expected ${expected}`;
    return `expected ${expected}, not ${shown(issue.input, o.hidden ?? false)}`;
  };
}

/** A value in a message. */
export function shown(input: unknown, hidden: boolean): string {
  if (input === null) return 'nothing';
  if (Array.isArray(input)) return 'a list';
  if (typeof input === 'object') return 'a mapping';
  if (typeof input !== 'string') return String(input);
  if (input === '') return 'an empty text';
  if (hidden) return 'this text';
  return JSON.stringify(input.length > 60 ? `${input.slice(0, 60)}…` : input);
}

export interface TextField extends Field {
  readonly expected: string;
  readonly hidden?: boolean;
  readonly pattern?: RegExp;
  /** What is wrong with it, in words that stand alone. */
  readonly check?: (text: string) => string | undefined;
}

export function text({ help, label = 'text', expected, hidden = false, pattern, check }: TextField) {
  const error = expectation(expected, { hidden });
  let schema = z.string({ error }).min(1, { error }).max(textMax, { error });
  if (pattern) schema = schema.regex(pattern, { error });
  if (check) {
    schema = schema.superRefine((value, context) => {
      const problem = check(value);
      if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
    });
  }
  return schema.meta({ title: label, description: help });
}

/** The name of a declared object, where another one refers to it, or where it is declared. */
export function objectName(help: string) {
  const proposal = (input: unknown): string => {
    const fit = typeof input === 'string' ? toName(input) : '';
    return fit === '' ? '' : `; did you mean ${fit}?`;
  };
  const say = expectation(nameForm);
  const error = ({ input }: { readonly input?: unknown }): string => `${say({ input })}${proposal(input)}`;
  return z.string({ error }).regex(namePattern, { error }).meta({ title: 'name', description: help });
}

const nameForm = 'a name of up to 63 small letters, digits and hyphens';

export interface UrlField extends Field {
  /** The first one is the example's. */
  readonly schemes: readonly [string, ...string[]];
  readonly example: string;
  readonly check?: (url: string) => string | undefined;
}

/** A URL whose secrets are placeholders, or which is one as a whole. */
export function url({ help, label = 'URL', schemes, example, check }: UrlField) {
  const expected = `a URL such as ${example}, or a placeholder for the whole of it`;
  return text({
    help,
    label,
    expected,
    hidden: true,
    check: (value) => urlProblem(value, schemes) ?? check?.(value),
  });
}

function urlProblem(value: string, schemes: readonly string[]): string | undefined {
  const malformed = placeholderProblem(value);
  if (malformed !== undefined) return malformed;
  // Before anything else is said about it: no other message may begin to quote it.
  if (holdsLiteralSecret(value)) {
    return `holds a secret, and secrets are never stored: write ${placeholderForms} in its place`;
  }
  if (value.startsWith('${')) return undefined;
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(value)?.[1]?.toLowerCase();
  const known = schemes.map((each) => `${each}:`).join(' or ');
  if (scheme === undefined) return `expected a URL that begins with ${known}`;
  if (!schemes.includes(scheme)) {
    return `expected a URL that begins with ${known}, not with ${scheme}:${didYouMean(scheme, schemes)}`;
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\u0000-\u0020\u007f]/.test(withoutPlaceholders(value))) {
    return 'holds a space or a control character: write %20 for a space in a URL';
  }
  return undefined;
}

/** A secret: never itself, always where it is kept. */
export function secret(help: string, rules: PlaceholderRules = {}) {
  const expected = `a placeholder, ${placeholderForms}: secrets are never stored`;
  return text({
    help,
    label: 'placeholder',
    expected,
    hidden: true,
    check: (value) => (isPlaceholder(value) ? placeholderProblem(value, rules) : `expected ${expected}`),
  });
}

/** A path from the root, for what any node of the cluster may use. */
export function absolutePath(help: string, example: string) {
  return text({
    help,
    label: 'path',
    expected: `a path from the root, such as ${example}`,
    check: (value) => absolutePathProblem(value, example),
  });
}

function absolutePathProblem(value: string, example: string): string | undefined {
  if (value.includes('${')) return 'expected a path without placeholders: they are for secrets';
  if (value.includes('\0')) return 'holds a NUL character';
  if (value.startsWith('~')) return `~ is the shell's: expected a path from the root, such as ${example}`;
  if (value.startsWith('/')) return undefined;
  const given = /^file:(.*)/s.exec(value)?.[1];
  if (given !== undefined) return `expected a path, not a URL; did you mean ${posix.normalize(given)}?`;
  return `expected a path from the root, such as ${example}: nodes work in different folders, so ${shown(value, false)} would be another one on each`;
}

export function duration(range: DurationRange, help: string) {
  const expected = durationForm(range);
  return text({
    help: `${help} (${range.least} to ${range.most})`,
    label: 'duration',
    expected,
    check: (value) => {
      const ms = durationMs(value);
      return ms !== undefined && isWithin(ms, range)
        ? undefined
        : `expected ${expected}, not ${shown(value, false)}`;
    },
  });
}

/** A size in bytes, as a text with its unit. */
export function size(range: SizeRange, help: string) {
  const expected = `${sizeForm}, from ${range.least} to ${range.most}`;
  return text({
    help: `${help} (${range.least} to ${range.most})`,
    label: 'size',
    expected,
    check: (value) => {
      const bytes = sizeBytes(value);
      return bytes !== undefined && isSizeWithin(bytes, range)
        ? undefined
        : `expected ${expected}, not ${shown(value, false)}`;
    },
  });
}

export function choice<const T extends string>(values: readonly [T, ...T[]], help: string) {
  const expected = values.length > 2 ? `one of ${values.join(', ')}` : values.join(' or ');
  const say = expectation(expected);
  return z
    .enum(values, {
      error: ({ input }) => `${say({ input })}${typeof input === 'string' ? didYouMean(input, values) : ''}`,
    })
    .meta({ description: help });
}

export function whole([least, most]: readonly [number, number], help: string) {
  const error = expectation(`a whole number from ${least} to ${most}`);
  return z.int({ error }).min(least, { error }).max(most, { error }).meta({ description: help });
}

export function flag(help: string) {
  return z.boolean({ error: expectation('true or false') }).meta({ description: help });
}

export interface ListField extends Field {
  readonly expected: string;
  readonly least?: 0 | 1;
  readonly most?: number;
}

/** Different values; the second of two equal ones is what is wrong. */
export function list<E extends z.ZodType<string>>(element: E, o: ListField) {
  const { help, label = 'list', least = 1, most = listMax } = o;
  const error = expectation(`a list of ${o.expected}, ${least} to ${most} of them`);
  return z
    .array(element, { error })
    .min(least, { error: () => `is empty: expected a list of ${o.expected}` })
    .max(most, { error: ({ input }) => `expected at most ${most}, not ${(input as unknown[]).length}` })
    .superRefine((values, context) => {
      for (const [index, value] of values.entries()) {
        if (index < most && values.indexOf(value) < index) {
          context.addIssue({
            code: 'custom',
            path: [index],
            message: `${JSON.stringify(value)} is named twice`,
          });
        }
      }
    })
    .meta({ title: label, description: help, uniqueItems: true });
}

/** Fields with names of their own; unknown ones are refused, each on a line of the message, in the order of `keys`. */
export function group<S extends z.ZodRawShape>(shape: S, help: string) {
  const say = expectation('a mapping', { hidden: true });
  return z
    .strictObject(shape, {
      error: (issue) => {
        if (issue.code !== 'unrecognized_keys') return say(issue);
        // Asked for when it is needed: a table may be extended by others' fields.
        const { keys, inst } = issue as unknown as { keys: readonly string[]; inst: z.ZodObject };
        return keys
          .map((key, i) => (i < proposalsMax ? sayUnknown(key, Object.keys(inst.shape)) : 'is not known'))
          .join('\n');
      },
    })
    .meta({ description: help });
}

export function sayUnknown(key: string, known: readonly string[]): string {
  return `is not known${didYouMean(key, known) || `; known are ${known.join(', ')}`}`;
}

export function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
