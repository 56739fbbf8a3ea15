import { HoldfastError } from '@holdfast/core';
import { type CronFieldError, type ParsedFields, validateDetailed } from 'node-cron';
import { WallTimes } from './wall-times.ts';

/** A cron expression, understood. It is kept as its text, and parsed again. */
export interface Cron {
  readonly text: string;
  /** Its wall times, in a calendar without time zones. */
  readonly wallTimes: WallTimes;
  /** The hour field is `*`, or `0-23` and the like: the schedule runs so many times an hour, every hour. */
  readonly everyHour: boolean;
}

interface CronField {
  readonly key: keyof ParsedFields;
  readonly name: string;
  readonly min: number;
  readonly max: number;
  readonly allowed: string;
}

const fields: readonly CronField[] = [
  { key: 'second', name: 'second', min: 0, max: 59, allowed: '0-59' },
  { key: 'minute', name: 'minute', min: 0, max: 59, allowed: '0-59' },
  { key: 'hour', name: 'hour', min: 0, max: 23, allowed: '0-23' },
  {
    key: 'dayOfMonth',
    name: 'day of month',
    min: 1,
    max: 31,
    allowed: '1-31, L (the last), L-n, nW (the working day next to n), LW',
  },
  { key: 'month', name: 'month', min: 1, max: 12, allowed: '1-12 or jan-dec' },
  {
    key: 'dayOfWeek',
    name: 'day of week',
    min: 0,
    max: 7,
    allowed: '0-7 (0 and 7 are Sunday) or sun-sat, nL (the last of the month), n#k (the k-th)',
  },
];

const hint =
  'five fields, or six with seconds first: "0 2 * * 0" is every Sunday at 02:00, "*/15 * * * *" every 15 minutes';

/** Longer expressions are mistakes. */
const charactersMax = 250;

/**
 * Reads a cron expression of five fields (minute, hour, day of month, month, day of week) or six (seconds first), in
 * the syntax of node-cron: lists, ranges, steps, names, `?`, L, W, #, and @daily and its like. A day must match both
 * its fields, the day of month and the day of week.
 * @throws HoldfastError config_invalid, which names the field, what it may hold, and an example
 */
export function parseCron(text: string): Cron {
  const written = writtenFields(text);
  for (const [field, value] of written) refuseNumbers(text, field, value);
  const { valid, fields: parsed, errors } = validateDetailed(text);
  if (!valid || !parsed) throw syntaxError(text, errors[0]);
  const wallTimes = new WallTimes(parsed);
  if (wallTimes.next(0) === undefined)
    throw invalid(text, 'no day has ever such a day of month, month and day of week');
  return { text, wallTimes, everyHour: new Set(parsed.hour).size === 24 };
}

/** The fields as written, where there are five or six. */
function writtenFields(text: string): [CronField, string][] {
  if (text.length > charactersMax)
    throw invalid(`${text.slice(0, 40)}…`, `it is longer than ${charactersMax} characters`);
  if (text.trim() === '') throw invalid(text, 'it is empty');
  const values = text.trim().split(/\s+/);
  if (values.length < 5 || values.length > 6) return [];
  const named = fields.slice(fields.length - values.length);
  return named.map((field, index) => [field, values[index] ?? '']);
}

/**
 * What node-cron would let pass: a range of millions, which it would write out number by number, and a step that is
 * wider than its field, with which "every 90 minutes" would quietly mean every hour.
 */
function refuseNumbers(text: string, field: CronField, value: string): void {
  const long = /\d{3,}/.exec(value)?.[0];
  if (long !== undefined) throw fieldError(text, field, `${long} is out of range`);
  for (const [, step = ''] of value.matchAll(/\/(\d+)/g)) {
    if (Number(step) > field.max - field.min)
      throw fieldError(text, field, `a step of ${step} is wider than the whole field`);
  }
}

function syntaxError(text: string, error: CronFieldError | undefined): HoldfastError {
  const field = fields.find(({ key }) => key === error?.field);
  // About the expression as a whole: the number of its fields, or a character that none may hold.
  if (field === undefined || error === undefined)
    return invalid(text, error?.message.replace(/^pattern/, 'it') ?? 'it cannot be read');
  if (error.message.includes('impossible')) return invalid(text, 'none of its months has such a day');
  return fieldError(text, field, `"${error.value}" is not understood`);
}

function fieldError(text: string, field: CronField, what: string): HoldfastError {
  const forms = 'lists (1,5), ranges (1-5), steps (*/5, 10-30/5)';
  return invalid(text, `${field.name}: ${what}; allowed are *, ${field.allowed}, ${forms}`);
}

function invalid(text: string, what: string): HoldfastError {
  return new HoldfastError('config_invalid', `cron expression "${text}": ${what}`, { hint });
}
