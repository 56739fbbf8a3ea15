import type { ParsedFields } from 'node-cron';

const dayMs = 86_400_000;

/** The Gregorian calendar repeats itself after 400 years: what has not come by then never comes. */
const monthsMax = 400 * 12;
const monthsKeptMax = 120;

/**
 * The wall times of a cron expression, in a calendar without time zones: a wall time is written as the milliseconds
 * that it would be in UTC. Days that cannot match are passed over by month, hours and minutes by looking up the next.
 */
export class WallTimes {
  readonly #seconds: Steps;
  readonly #minutes: Steps;
  readonly #hours: Steps;
  readonly #fields: ParsedFields;
  /** Consecutive questions are about the same months. */
  readonly #months = new Map<number, Month>();
  #recent: Month | undefined;

  constructor(fields: ParsedFields) {
    this.#fields = fields;
    this.#seconds = new Steps(fields.second, 60);
    this.#minutes = new Steps(fields.minute, 60);
    this.#hours = new Steps(fields.hour, 24);
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
    const { firstDay, days } = this.#monthOf(day);
    return ((days >>> (day - firstDay + 1)) & 1) === 1;
  }

  #nextDay(day: number): number | undefined {
    const { index, firstDay, days } = this.#monthOf(day);
    // The bits of the days that have passed are cleared; bit 0 stands for no day.
    const left = days & (~0 << (day - firstDay + 1));
    if (left !== 0) return firstDay + lowestBit(left) - 1;
    for (let later = index + 1; later <= index + monthsMax; later++) {
      if (!this.#hasMonth(later)) continue;
      const month = this.#month(later);
      if (month.days !== 0) return month.firstDay + lowestBit(month.days) - 1;
    }
    return undefined;
  }

  #previousDay(day: number): number | undefined {
    const { index, firstDay, days } = this.#monthOf(day);
    const left = days & ~(~1 << (day - firstDay + 1));
    if (left !== 0) return firstDay + highestBit(left) - 1;
    for (let earlier = index - 1; earlier >= index - monthsMax; earlier--) {
      if (!this.#hasMonth(earlier)) continue;
      const month = this.#month(earlier);
      if (month.days !== 0) return month.firstDay + highestBit(month.days) - 1;
    }
    return undefined;
  }

  #hasMonth(index: number): boolean {
    return this.#fields.month.includes((index % 12) + 1);
  }

  #monthOf(day: number): Month {
    const recent = this.#recent;
    if (recent && recent.firstDay <= day && day < recent.endDay) return recent;
    const date = new Date(day * dayMs);
    const month = this.#month(date.getUTCFullYear() * 12 + date.getUTCMonth());
    this.#recent = month;
    return month;
  }

  #month(index: number): Month {
    const known = this.#months.get(index);
    if (known !== undefined) return known;
    if (this.#months.size >= monthsKeptMax) this.#months.clear();
    const firstDay = firstDayOf(index);
    const days = this.#hasMonth(index) ? daysOfMonth(this.#fields, index) : 0;
    const month = { index, firstDay, endDay: firstDayOf(index + 1), days };
    this.#months.set(index, month);
    return month;
  }
}

interface Month {
  /** Counted from the year 0. */
  readonly index: number;
  /** In days since 1970. */
  readonly firstDay: number;
  readonly endDay: number;
  /** The days that match, one bit each, bit 1 for the first. */
  readonly days: number;
}

function lowestBit(bits: number): number {
  return highestBit(bits & -bits);
}

function highestBit(bits: number): number {
  return 31 - Math.clz32(bits);
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
