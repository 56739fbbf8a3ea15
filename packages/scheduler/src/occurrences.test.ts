import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseCron } from './cron.ts';
import { occurrencesAfter, previousOccurrence } from './occurrences.ts';
import {
  dailyExpressions,
  expressions,
  runsByNodeCron,
  runsByWalking,
  shiftsOf,
  timezones,
} from './oracle.fixture.ts';
import { zoneOf } from './zone.ts';

const hourMs = 3_600_000;

/** The occurrences after a moment, as the wall clock shows them. */
function days(text: string, timezone: string, after: string, count = 4): string[] {
  const found = occurrencesAfter(parseCron(text), timezone, Date.parse(after), count);
  return found.map((ms) => zoneOf(timezone).say(ms).replace(':00 ', ' ').slice(5));
}

describe('a wall time that is left out runs at the moment of the shift', () => {
  test.for([
    ['Europe/Berlin', '30 2 * * *', '2026-03-28T12:00Z', ['03-29 03:00 +02:00', '03-30 02:30 +02:00']],
    ['America/New_York', '30 2 * * *', '2026-03-07T12:00Z', ['03-08 03:00 -04:00', '03-09 02:30 -04:00']],
    ['Australia/Lord_Howe', '15 2 * * *', '2026-10-03T00:00Z', ['10-04 02:30 +11:00', '10-05 02:15 +11:00']],
    ['America/Santiago', '0 0 * * *', '2026-09-05T12:00Z', ['09-06 01:00 -03:00', '09-07 00:00 -03:00']],
    ['Africa/Cairo', '0 0 * * 5', '2026-04-20T00:00Z', ['04-24 01:00 +03:00', '05-01 00:00 +03:00']],
    ['Pacific/Apia', '0 2 30 * *', '2011-12-01T00:00Z', ['12-31 00:00 +14:00', '01-30 02:00 +14:00']],
    ['Asia/Kolkata', '30 2 * * *', '2026-03-28T12:00Z', ['03-29 02:30 +05:30', '03-30 02:30 +05:30']],
  ] as const)('%s: %s', ([timezone, text, after, wanted]) => {
    expect(days(text, timezone, after, 2)).toEqual(wanted);
  });

  test('several of one schedule run once, also with one that is due then anyway', () => {
    const wanted = ['03-29 01:30 +01:00', '03-29 03:00 +02:00', '03-29 03:30 +02:00'];
    expect(days('0,30 1-3 * * *', 'Europe/Berlin', '2026-03-29T00:00Z', 3)).toEqual(wanted);
  });

  test('the hour before and the hour after are quarters of an hour apart', () => {
    const wanted = ['03-29 01:45 +01:00', '03-29 03:00 +02:00', '03-29 03:15 +02:00'];
    expect(days('*/15 * * * *', 'Europe/Berlin', '2026-03-29T00:30Z', 3)).toEqual(wanted);
  });
});

describe('a wall time that comes twice', () => {
  test.for([
    ['Europe/Berlin', '30 2 * * *', '2026-10-24T12:00Z', ['10-25 02:30 +02:00', '10-26 02:30 +01:00']],
    ['America/New_York', '30 1 * * *', '2026-10-31T12:00Z', ['11-01 01:30 -04:00', '11-02 01:30 -05:00']],
    ['Australia/Lord_Howe', '45 1 * * *', '2026-04-04T00:00Z', ['04-05 01:45 +11:00', '04-06 01:45 +10:30']],
    ['America/Santiago', '30 23 * * *', '2026-04-04T12:00Z', ['04-04 23:30 -03:00', '04-05 23:30 -04:00']],
    ['Africa/Cairo', '0 23 * * *', '2026-10-29T12:00Z', ['10-29 23:00 +03:00', '10-30 23:00 +02:00']],
  ] as const)('runs once where the schedule names hours, %s: %s', ([timezone, text, after, wanted]) => {
    expect(days(text, timezone, after, 2)).toEqual(wanted);
  });

  test('runs both times where it names none, or all: no hour is without backups', () => {
    const all = ['*/30 0-23 * * *', '*/30 */1 * * *', '*/30 5-4 * * *'];
    for (const text of all)
      expect(days(text, 'Europe/Berlin', '2026-10-25T00:30Z', 1)).toEqual(['10-25 02:00 +01:00']);
    const wanted = ['10-25 02:30 +02:00', '10-25 02:00 +01:00', '10-25 02:30 +01:00', '10-25 03:00 +01:00'];
    expect(days('*/30 * * * *', 'Europe/Berlin', '2026-10-25T00:00Z')).toEqual(wanted);
    expect(days('45 * * * *', 'Australia/Lord_Howe', '2026-04-04T14:30Z', 3)).toEqual([
      '04-05 01:45 +11:00',
      '04-05 01:45 +10:30',
      '04-05 02:45 +10:30',
    ]);
  });
});

test('seconds, leap days and rare days are found', () => {
  expect(days('*/20 * * * * *', 'UTC', '2026-01-01T00:00:19.999Z', 2)).toEqual([
    '01-01 00:00:20 +00:00',
    '01-01 00:00:40 +00:00',
  ]);
  // 29 February is a Monday every 28 years, but for a century that has none.
  const monday = parseCron('0 0 29 2 1');
  expect(occurrencesAfter(monday, 'UTC', Date.parse('2050-01-01T00:00Z'), 3).map(isoDay)).toEqual([
    '2072-02-29',
    '2112-02-29',
    '2140-02-29',
  ]);
});

function isoDay(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

test('the rule holds minute by minute, around every shift', { timeout: 60_000 }, () => {
  const shifted = timezones.flatMap((timezone) => shiftsOf(timezone).map((atMs) => ({ timezone, atMs })));
  const property = fc.property(
    fc.oneof(dailyExpressions, expressions),
    fc.constantFrom(...shifted),
    fc.integer({ min: -6, max: 3 }),
    (text, { timezone, atMs }, hours) => {
      const cron = parsed(text);
      const fromMs = atMs + hours * hourMs;
      const toMs = fromMs + 9 * hourMs;
      const walked = runsByWalking({ text, timezone, fromMs, toMs });
      const found = occurrencesAfter(cron, timezone, fromMs - 1, 1000).filter((ms) => ms <= toMs);
      expect(found).toEqual(walked);
      const back = found.map((_, index) =>
        previousOccurrence(cron, timezone, (found[index + 1] ?? toMs + 1) - 1),
      );
      expect(back).toEqual(found);
    },
  );
  fc.assert(property, { numRuns: 250 });
});

test('node-cron plans the same where no clock is shifted', { timeout: 60_000 }, () => {
  const property = fc.property(
    expressions,
    fc.constantFrom(...timezones),
    fc.integer({ min: Date.UTC(2025, 0), max: Date.UTC(2028, 0) }),
    (text, timezone, afterMs) => {
      const ours = occurrencesAfter(parsed(text), timezone, afterMs, 5);
      fc.pre(zoneOf(timezone).at(afterMs) === zoneOf(timezone).at(ours.at(-1) ?? afterMs));
      expect(runsByNodeCron({ text, timezone, afterMs, count: 5 })).toEqual(ours);
    },
  );
  fc.assert(property, { numRuns: 1000 });
});

test('node-cron loses what we do not, where clocks are shifted', () => {
  const timezone = 'Europe/Berlin';
  const spring = { text: '30 2 * * *', timezone, afterMs: Date.parse('2026-03-28T12:00Z'), count: 1 };
  expect(zoneOf(timezone).say(runsByNodeCron(spring)[0] ?? 0)).toBe('2026-03-30 02:30:00 +02:00');
  const autumn = { text: '*/30 * * * *', timezone, afterMs: Date.parse('2026-10-25T00:30Z'), count: 1 };
  expect(zoneOf(timezone).say(runsByNodeCron(autumn)[0] ?? 0)).toBe('2026-10-25 03:00:00 +01:00');
});

test('forwards and backwards are the same sequence, over years', () => {
  const property = fc.property(
    expressions,
    fc.constantFrom(...timezones),
    fc.integer({ min: Date.UTC(1990, 0), max: Date.UTC(2060, 0) }),
    (text, timezone, afterMs) => {
      const cron = parsed(text);
      const forwards = occurrencesAfter(cron, timezone, afterMs, 40);
      expect(forwards.toSorted((a, b) => a - b)).toEqual([...new Set(forwards)]);
      let at = forwards.at(-1) ?? afterMs;
      const backwards = [];
      for (; at > afterMs; at = previousOccurrence(cron, timezone, at - 1) ?? afterMs) backwards.unshift(at);
      expect(backwards).toEqual(forwards);
    },
  );
  fc.assert(property, { numRuns: 500 });
});

function parsed(text: string): ReturnType<typeof parseCron> {
  try {
    return parseCron(text);
  } catch {
    // An expression without any day is refused; `cron.test.ts` is about those.
    fc.pre(false);
    throw new Error('not reached');
  }
}
