import { HoldfastError } from '@holdfast/core';

/** A place in a file, counted from 1. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** Something wrong in what people wrote. */
export interface Problem {
  /** Undefined for what comes from no file. */
  readonly place?: Place | undefined;
  /** `tasks.orders.full`; empty for a file as a whole. */
  readonly path: string;
  /** What was expected; never a value that may be a secret. */
  readonly text: string;
}

/** More would scroll the first ones, which are the causes of others, off the screen. */
const problemsMax = 20;

/** `objects.yaml:3:9: tasks.orders.full: is missing` */
export function formatProblem({ place, path, text }: Problem): string {
  return [place && formatPlace(place), path, text].filter(Boolean).join(': ');
}

export function formatPlace({ file, line, column }: Place): string {
  return `${file}:${line}:${column}`;
}

/** Several, in the order of the files and their lines. `what` is checked: `the objects`. */
export function problemsError(what: string, problems: readonly Problem[]): HoldfastError {
  const files = new Map<string, number>();
  for (const { place } of problems) if (place && !files.has(place.file)) files.set(place.file, files.size);
  const fileOf = ({ place }: Problem): number => (place ? (files.get(place.file) ?? 0) : files.size);
  const lines = [...problems]
    .sort(
      (a, b) =>
        fileOf(a) - fileOf(b) ||
        (a.place?.line ?? 0) - (b.place?.line ?? 0) ||
        (a.place?.column ?? 0) - (b.place?.column ?? 0),
    )
    .map(formatProblem);
  const [only = ''] = lines;
  if (lines.length === 1) return new HoldfastError('config_invalid', only);
  const shown = lines.slice(0, problemsMax);
  const more = lines.length - shown.length;
  if (more > 0) shown.push(`and ${more} more`);
  return new HoldfastError(
    'config_invalid',
    `${lines.length} problems in ${what}:\n${shown.map((line) => `  ${line}`).join('\n')}`,
  );
}

/** `['tasks', 'orders', 'destinations', 1]` -> `tasks.orders.destinations[1]`; odd names are in quotes. */
export function formatPath(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`;
    return text === '' ? formatName(String(part)) : `${text}.${formatName(String(part))}`;
  }, '');
}

/** A name may be anything that YAML can quote, line ends and whole texts included. */
function formatName(name: string): string {
  if (/^[\p{L}\p{N}_-]{1,100}$/u.test(name)) return name;
  return JSON.stringify(name.length > 60 ? `${name.slice(0, 60)}…` : name);
}
