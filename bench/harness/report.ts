import { type Measurement, median } from './rounds.ts';

/** One figure with what it should be. */
export interface Goal {
  readonly what: string;
  /** NaN when what it needs could not be measured: a goal that is not met. */
  readonly value: number;
  /** At most this, or less than this. */
  readonly limit: number;
  readonly strictly?: true;
  /** Or at least this. */
  readonly atLeast?: true;
  readonly unit: keyof typeof units;
}

export interface SuiteReport {
  readonly suite: string;
  /** What it was measured on, such as `mixed, 1.1 GB of text`. */
  readonly on: string;
  readonly measurements: readonly Measurement[];
  readonly goals: readonly Goal[];
  readonly remarks?: readonly string[];
  /** Wrong results that were found after the rounds: whatever the figures are, they are worth nothing. */
  readonly wrong?: readonly string[];
}

export function isMet({ value, limit, strictly, atLeast }: Goal): boolean {
  if (atLeast) return value >= limit;
  return strictly ? value < limit : value <= limit;
}

/** Looks figures up by the names of the subjects. */
export class Figures {
  readonly #measurements: readonly Measurement[];

  constructor(measurements: readonly Measurement[]) {
    this.#measurements = measurements;
  }

  seconds(name: string): number {
    return median(this.#of(name).seconds);
  }

  note(name: string, note: string): number {
    return median(this.#of(name).notes[note] ?? []);
  }

  worst(name: string, note: string): number {
    const values = this.#of(name).notes[note] ?? [];
    return values.length === 0 ? Number.NaN : Math.max(...values);
  }

  longest(name: string): number {
    const { seconds } = this.#of(name);
    return seconds.length === 0 ? Number.NaN : Math.max(...seconds);
  }

  /** The ratio of two medians, as a goal. */
  ratio(name: string, other: string, limit: number, strictly?: true): Goal {
    const value = this.seconds(name) / this.seconds(other);
    return { what: `${name} / ${other}`, value, limit, unit: 'x', ...(strictly ? { strictly } : {}) };
  }

  #of(name: string): Measurement {
    const found = this.#measurements.find((one) => one.name === name);
    if (found === undefined) throw new Error(`nothing called "${name}" was measured`);
    return found;
  }
}

const units = {
  x: ' x',
  s: ' s',
  ms: ' ms',
  MB: ' MB',
  '%': ' %',
  objects: ' objects',
  requests: ' requests',
} as const;

/** The report as a person reads it. */
export function describeReport(report: SuiteReport): string {
  const noteNames = [...new Set(report.measurements.flatMap(({ notes }) => Object.keys(notes)))];
  const rows = report.measurements.map((one) => [
    one.name,
    ...timesOf(one),
    ...noteNames.map((name) => figure(median(one.notes[name] ?? []))),
  ]);
  const goals = report.goals.map((goal) => [
    goal.what,
    `${figure(goal.value)}${units[goal.unit]}`,
    `${goal.atLeast ? '>=' : goal.strictly ? '<' : '<='} ${figure(goal.limit)}${units[goal.unit]}`,
    Number.isNaN(goal.value) ? 'NOT MEASURED' : isMet(goal) ? 'met' : 'NOT MET',
  ]);
  const failures = report.measurements
    .filter(({ failure }) => failure !== undefined)
    .map(({ name, failure }) => `failed: ${name}: ${failure}`);
  return [
    `${report.suite} (${report.on})`,
    table([['', 'median s', 'min', 'max', ...noteNames], ...rows]),
    ...(goals.length === 0 ? [] : ['', table([['', 'figure', 'goal', ''], ...goals])]),
    ...(report.remarks ?? []),
    ...failures,
    ...(report.wrong ?? []).map((what) => `WRONG: ${what}`),
    '',
  ].join('\n');
}

function timesOf({ seconds }: Measurement): string[] {
  if (seconds.length === 0) return ['-', '-', '-'];
  return [median(seconds), Math.min(...seconds), Math.max(...seconds)].map((each) => each.toFixed(3));
}

function figure(value: number): string {
  if (Number.isNaN(value)) return '-';
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(Math.abs(value) >= 10 ? 1 : 3);
}

/** Columns as wide as they need; the first to the left, the others to the right. */
function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [at, cell] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, cell.length);
  }
  return rows
    .map((row) =>
      row
        .map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `  ${line}`)
    .join('\n');
}
