import { HoldfastError, nearestOf } from '@holdfast/core';
import { z } from 'zod';

const issuesShownMax = 3;
const wordShownMax = 80;

/**
 * What the schema makes of a value that came from outside.
 *
 * @param where what the value is, for the message: `body`, `query` …
 * @throws HoldfastError config_invalid: which field, what was expected, and the nearest known name of one that is unknown
 */
export function checkInput<S extends z.ZodType>(schema: S, value: unknown, where: string): z.output<S> {
  const result = schema.safeParse(value, { reportInput: true });
  if (result.success) return result.data;
  const issues = result.error.issues;
  const shown = issues.slice(0, issuesShownMax).map((issue) => explain(issue, where));
  if (issues.length > issuesShownMax) shown.push(`and ${issues.length - issuesShownMax} more`);
  throw new HoldfastError('config_invalid', shown.join('; '), { hint: hintOf(issues, schema) });
}

function explain(issue: z.core.$ZodIssue, where: string): string {
  const place = `${where}${pathText(issue.path)}`;
  if (issue.code === 'unrecognized_keys') {
    return `${place} has no field ${issue.keys.slice(0, issuesShownMax).map(quote).join(', ')}`;
  }
  if (issue.code === 'invalid_type' && issue.input === undefined) return `${place} is missing`;
  const [first = '', ...rest] = issue.message.replace(/^Invalid input: /, '');
  return `${place}: ${first.toLowerCase()}${rest.join('')}`;
}

function hintOf(issues: readonly z.core.$ZodIssue[], schema: z.ZodType): string | undefined {
  const issue = issues.find(({ code }) => code === 'unrecognized_keys');
  if (issue?.code !== 'unrecognized_keys') return undefined;
  const known = keysAt(schema, issue.path);
  if (known.length === 0) return 'it takes none';
  const [unknown = ''] = issue.keys;
  const nearest = nearestOf(unknown, known);
  return nearest === undefined ? `known are: ${known.join(', ')}` : `did you mean ${nearest}?`;
}

/** The fields that the schema knows at a place inside it. */
function keysAt(schema: z.core.$ZodType, path: readonly PropertyKey[]): string[] {
  const inner = unwrap(schema);
  const [key, ...rest] = path;
  if (inner instanceof z.ZodObject) {
    if (key === undefined) return Object.keys(inner.shape);
    const field = inner.shape[String(key)];
    return field === undefined ? [] : keysAt(field, rest);
  }
  if (inner instanceof z.ZodArray && key !== undefined) return keysAt(inner.element, rest);
  return [];
}

function unwrap(schema: z.core.$ZodType): z.core.$ZodType {
  return schema instanceof z.ZodOptional || schema instanceof z.ZodDefault ? unwrap(schema.unwrap()) : schema;
}

/** `['files', 0, 'text']` -> `.files[0].text` */
function pathText(path: readonly PropertyKey[]): string {
  return path.map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`)).join('');
}

function quote(word: string): string {
  return JSON.stringify(word.length > wordShownMax ? `${word.slice(0, wordShownMax)}…` : word);
}
