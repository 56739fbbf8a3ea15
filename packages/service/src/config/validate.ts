import type { z } from 'zod';

/** A problem of a value, by the path from that value. */
export interface FieldProblem {
  readonly path: readonly PropertyKey[];
  /** Whether the name is wrong, or what it stands for. */
  readonly part: 'key' | 'value';
  readonly text: string;
}

export type Validated<T> =
  | { readonly value: T; readonly problems: readonly [] }
  | { readonly value?: never; readonly problems: readonly FieldProblem[] };

/** A value under a schema that is made of `fields.ts`: whole, with defaults filled in, or every problem it has. */
export function validate<S extends z.ZodType>(schema: S, value: unknown): Validated<z.output<S>> {
  const result = schema.safeParse(value);
  if (result.success) return { value: result.data, problems: [] };
  return { problems: result.error.issues.flatMap(fromIssue) };
}

function fromIssue(issue: z.core.$ZodIssue): FieldProblem[] {
  const meant = issue.code === 'invalid_union' ? meantOf(issue.errors) : undefined;
  if (meant)
    return meant.flatMap(fromIssue).map((each) => ({ ...each, path: [...issue.path, ...each.path] }));
  if (issue.code !== 'unrecognized_keys') return [{ path: issue.path, part: 'value', text: issue.message }];
  // `group` says one line for each key.
  const lines = issue.message.split('\n');
  return issue.keys.map((key, i) => ({
    path: [...issue.path, key],
    part: 'key',
    text: lines[i] ?? issue.message,
  }));
}

/** Of what can be written in several ways, the one that was begun: that of which a part is wrong, not the whole. */
function meantOf(ways: readonly (readonly z.core.$ZodIssue[])[]): readonly z.core.$ZodIssue[] | undefined {
  return ways.find((issues) =>
    issues.every(({ code, path }) => path.length > 0 || code === 'unrecognized_keys'),
  );
}
