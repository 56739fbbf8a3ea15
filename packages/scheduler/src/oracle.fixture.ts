import fc from 'fast-check';
import { createTask, parse } from 'node-cron';
import { vi } from 'vitest';

const minuteMs = 60_000;

/** Zones whose clocks are shifted in ways of their own, or not at all. */
export const timezones = [
  'Europe/Berlin',
  'America/New_York',
  'America/Santiago',
  'Africa/Cairo',
  'Africa/Casablanca',
  'Asia/Kolkata',
  'Australia/Lord_Howe',
  'UTC',
];

const field = (min: number, max: number): fc.Arbitrary<string> => {
  const value = fc.integer({ min, max });
  return fc.oneof(
    { arbitrary: fc.constant('*'), weight: 2 },
    { arbitrary: value.map(String), weight: 3 },
    { arbitrary: fc.integer({ min: 2, max: max - min }).map((step) => `*/${step}`), weight: 1 },
    { arbitrary: fc.tuple(value, value).map(([from, to]) => `${from}-${to}`), weight: 1 },
    { arbitrary: fc.array(value, { minLength: 2, maxLength: 4 }).map((list) => list.join(',')), weight: 1 },
  );
};

const days = fc.oneof(
  { arbitrary: fc.constant('*'), weight: 4 },
  { arbitrary: field(1, 31), weight: 2 },
  { arbitrary: fc.constantFrom('L', 'L-2', 'LW', '15W', '1W', '31W', '1,L', '29-31'), weight: 2 },
);
const weekdays = fc.oneof(
  { arbitrary: fc.constant('*'), weight: 4 },
  { arbitrary: fc.constantFrom('1-5', 'sun', '0,6', '7', '5L', '1#2', 'mon#1', '2#5', 'fri-mon'), weight: 2 },
);
const months = fc.oneof(
  { arbitrary: fc.constant('*'), weight: 4 },
  { arbitrary: fc.constantFrom('2', '3,10', 'mar-apr', '*/5', 'sep', '4,10'), weight: 1 },
);

/** Cron expressions of five fields; most of them match some day. */
export const expressions = fc
  .tuple(field(0, 59), field(0, 23), days, months, weekdays)
  .map((fields) => fields.join(' '));

/** Those of every day, so that something happens around a shift. */
export const dailyExpressions = fc
  .tuple(field(0, 59), field(0, 4))
  .map(([minute, hour]) => `${minute} ${hour} * * *`);

/** What node-cron itself plans: its own clock is the machine's, so that one is moved. */
export function runsByNodeCron(of: {
  text: string;
  timezone: string;
  afterMs: number;
  count: number;
}): number[] {
  const { text, timezone, afterMs, count } = of;
  vi.useFakeTimers({ toFake: ['Date'], now: afterMs });
  const task = createTask(text, () => undefined, { timezone });
  try {
    return task.getNextRuns(count).map((date) => date.getTime());
  } finally {
    void task.destroy();
    vi.useRealTimers();
  }
}

/**
 * The rule of `occurrences.ts` as it is said there, minute by minute: node-cron says whether a wall time matches,
 * Temporal what the wall clock shows.
 */
export function runsByWalking(of: {
  text: string;
  timezone: string;
  fromMs: number;
  toMs: number;
}): number[] {
  const { text, timezone, fromMs, toMs } = of;
  const task = createTask(text, () => undefined, { timezone: 'UTC' });
  const namesHours = new Set(parse(text).hour).size < 24;
  const seen = new Set<number>();
  const found: number[] = [];
  // What was on the clock during the day before may come again.
  let lastWall = wallAt(fromMs - 1440 * minuteMs - minuteMs, timezone);
  for (let ms = fromMs - 1440 * minuteMs; ms <= toMs; ms += minuteMs) {
    const wall = wallAt(ms, timezone);
    const walls = [];
    for (let leftOut = lastWall + minuteMs; leftOut < wall; leftOut += minuteMs) walls.push(leftOut);
    if (!(namesHours && seen.has(wall))) walls.push(wall);
    if (ms >= fromMs && walls.some((one) => task.match(new Date(one)))) found.push(ms);
    seen.add(wall);
    lastWall = wall;
  }
  void task.destroy();
  return found;
}

function wallAt(ms: number, timezone: string): number {
  const zoned = Temporal.Instant.fromEpochMilliseconds(ms).toZonedDateTimeISO(timezone);
  return ms + zoned.offsetNanoseconds / 1e6;
}

/** When the clocks of a zone are shifted, from 2025 to 2028. */
export function shiftsOf(timezone: string): number[] {
  const found: number[] = [];
  let at: Temporal.ZonedDateTime | null =
    Temporal.Instant.from('2025-01-01T00:00Z').toZonedDateTimeISO(timezone);
  for (;;) {
    at = at.getTimeZoneTransition('next');
    if (at === null || at.year > 2028) return found;
    found.push(at.epochMilliseconds);
  }
}
