import type { ParsedFields } from 'node-cron';

const dayMs = 86_400_000;

/** The Gregorian calendar repeats itself after 400 years: what has not come by then never comes. */
const monthsMax = 400 * 12;

/**
 * The wall times of a cron expression, in a calendar without time zones: a wall time is written as the milliseconds
 * that it would be in UTC. Days that cannot match are passed over by month, hours and minutes by looking up the next.
 */
export class WallTimes {
  readonly #seconds: Steps;
  readonly #minutes: Steps;
  readonly #hours: Steps;
  readonly #months: ReadonlySet<number>;
  readonly #fields: ParsedFields;
  /** The days of the months that were looked at last, one bit each; consecutive questions are about the same months. */
  readonly #days = new Map<number, number>();

  constructor(fields: ParsedFields) {
    this.#fields = fields;
    this.#seconds = new Steps(fields.second, 60);
    this.#minutes = new Steps(fields.minute, 60);
    this.#hours = new Steps(fields.hour, 24);
    this.#months = new Set(fields.month);
  }

  /** The first at or after a wall time; undefined when there is none, ever. */
  next(fromMs: number): number | undefined {
    const second = Math.ceil(fromMs / 1000);
    const day = Math.floor(second / 86_400);
    if (this.#hasDay(day)) {
      const inDay = this.#nextInDay(second - day * 86_400);
      if (inDay !== undefined) return day * dayMs + inDay * 1000;
    }
    const later = this.#nextDay(day + 1);
    return later === undefined ? undefined : later * dayMs + (this.#nextInDay(0) ?? 0) * 1000;
  }

  /** The last at or before a wall time; undefined when there is none, ever. */
  previous(fromMs: number): number | undefined {
    const second = Math.floor(fromMs / 1000);
    const day = Math.floor(second / 86_400);
    if (this.#hasDay(day)) {
      const inDay = this.#previousInDay(second - day * 86_400);
      if (inDay !== undefined) return day * dayMs + inDay * 1000;
    }
    const earlier = this.#previousDay(day - 1);
    return earlier === undefined ? undefined : earlier * dayMs + (this.#previousInDay(86_399) ?? 0) * 1000;
  }

  #nextInDay(second: number): number | undefined {
    const hour = Math.floor(second / 3600);
    const minute = Math.floor(second / 60) % 60;
    if (this.#hours.has(hour)) {
      if (this.#minutes.has(minute)) {
        const found = this.#seconds.atOrAfter(second % 60);
        if (found < 60) return hour * 3600 + minute * 60 + found;
      }
      const later = this.#minutes.atOrAfter(minute + 1);
      if (later < 60) return hour * 3600 + later * 60 + this.#seconds.first;
    }
    const later = this.#hours.atOrAfter(hour + 1);
    return later < 24 ? later * 3600 + this.#minutes.first * 60 + this.#seconds.first : undefined;
  }

  #previousInDay(second: number): number | undefined {
    const hour = Math.floor(second / 3600);
    const minute = Math.floor(second / 60) % 60;
    if (this.#hours.has(hour)) {
      if (this.#minutes.has(minute)) {
        const found = this.#seconds.atOrBefore(second % 60);
        if (found >= 0) return hour * 3600 + minute * 60 + found;
      }
      const earlier = this.#minutes.atOrBefore(minute - 1);
      if (earlier >= 0) return hour * 3600 + earlier * 60 + this.#seconds.last;
    }
    const earlier = this.#hours.atOrBefore(hour - 1);
    return earlier >= 0 ? earlier * 3600 + this.#minutes.last * 60 + this.#seconds.last : undefined;
  }

  #hasDay(day: number): boolean {
    const date = new Date(day * dayMs);
    const days = this.#daysOf(date.getUTCFullYear() * 12 + date.getUTCMonth());
    return ((days >>> date.getUTCDate()) & 1) === 1;
  }

  #nextDay(day: number): number | undefined {
    const date = new Date(day * dayMs);
    const first = date.getUTCFullYear() * 12 + date.getUTCMonth();
    // The bits of the days that have passed are cleared in the first month; bit 0 stands for no day.
    let passed = ~0 << date.getUTCDate();
    for (let month = first; month <= first + monthsMax; month++) {
      const days = this.#daysOf(month) & passed;
      if (days !== 0) return firstDayOf(month) + (31 - Math.clz32(days & -days)) - 1;
      passed = ~0;
    }
    return undefined;
  }

  #previousDay(day: number): number | undefined {
    const date = new Date(day * dayMs);
    const last = date.getUTCFullYear() * 12 + date.getUTCMonth();
    let toCome = ~(~1 << date.getUTCDate());
    for (let month = last; month >= last - monthsMax; month--) {
      const days = this.#daysOf(month) & toCome;
      if (days !== 0) return firstDayOf(month) + (31 - Math.clz32(days)) - 1;
      toCome = ~0;
    }
    return undefined;
  }

  /** The days of a month (counted from the year 0) that match, one bit each, bit 1 for the first. */
  #daysOf(month: number): number {
    if (!this.#months.has((month % 12) + 1)) return 0;
    const known = this.#days.get(month);
    if (known !== undefined) return known;
    if (this.#days.size >= 24) this.#days.clear();
    const bits = daysOfMonth(this.#fields, month);
    this.#days.set(month, bits);
    return bits;
  }
}

/** The values of a field; the next and the previous one of each are looked up, not searched. */
class Steps {
  readonly first: number;
  readonly last: number;
  readonly #next: readonly number[];
  readonly #previous: readonly number[];

  constructor(values: readonly number[], size: number) {
    const sorted = values.toSorted((a, b) => a - b);
    this.first = sorted[0] ?? 0;
    this.last = sorted.at(-1) ?? 0;
    const all = Array.from({ length: size }, (_, index) => index);
    this.#next = all.map((value) => sorted.find((other) => other >= value) ?? size);
    this.#previous = all.map((value) => sorted.findLast((other) => other <= value) ?? -1);
  }

  has(value: number): boolean {
    return this.#next[value] === value;
  }

  /** The size of the field when there is none. */
  atOrAfter(value: number): number {
    return this.#next[value] ?? this.#next.length;
  }

  /** -1 when there is none. */
  atOrBefore(value: number): number {
    return this.#previous[value] ?? -1;
  }
}

/** In days since 1970. */
function firstDayOf(month: number): number {
  return Date.UTC(Math.floor(month / 12), month % 12, 1) / dayMs;
}

function daysOfMonth(fields: ParsedFields, month: number): number {
  const first = firstDayOf(month);
  const last = firstDayOf(month + 1) - first;
  // 1 January 1970 was a Thursday.
  const weekdayOf = (day: number): number => (first + day + 3 + 7 * 100_000_000) % 7;
  let byDate = 0;
  for (const token of fields.dayOfMonth) {
    const day = dayOf(String(token), last, weekdayOf);
    if (day >= 1 && day <= last) byDate |= 1 << day;
  }
  let byWeekday = 0;
  for (let day = 1; day <= last; day++) {
    const matches = fields.dayOfWeek.some((token) => isWeekday(String(token), weekdayOf(day), day, last));
    if (matches) byWeekday |= 1 << day;
  }
  return byDate & byWeekday;
}

/** `15`, `L`, `L-3`, `15W`, `LW`, as node-cron writes them; 0 when this month has no such day. */
function dayOf(token: string, last: number, weekdayOf: (day: number) => number): number {
  const [, offset] = /^L-(\d+)$/.exec(token) ?? [];
  if (offset !== undefined) return last - Number(offset);
  const day = token.startsWith('L') ? last : Number.parseInt(token, 10);
  if (!token.endsWith('W') || day > last) return day;
  // The nearest working day, within the month.
  const weekday = weekdayOf(day);
  if (weekday === 6) return day === 1 ? 3 : day - 1;
  if (weekday === 0) return day === last ? day - 2 : day + 1;
  return day;
}

/** `1`, `5L` (the last Friday), `1#2` (the second Monday). */
function isWeekday(token: string, weekday: number, day: number, last: number): boolean {
  if (Number.parseInt(token, 10) % 7 !== weekday) return false;
  if (token.endsWith('L')) return day + 7 > last;
  const [, nth] = token.split('#');
  return nth === undefined || Math.ceil(day / 7) === Number(nth);
}
