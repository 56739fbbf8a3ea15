import type { RatePlan } from '@holdfast/destinations/wrap';
import { z } from 'zod';
import { isSizeWithin, rateBytes, rateForm, sizeBytes } from './byte-size.ts';
import { group, shown, text } from './fields.ts';

const least = '1kB';
const most = '1TiB';
const windowsMax = 50;

/** How fast something may be, as it is declared: one rate, or rates by the time of day. */
export type DeclaredBandwidth =
  | string
  | {
      readonly limit?: string | undefined;
      readonly schedule?: readonly BandwidthWindow[] | undefined;
    };

interface BandwidthWindow {
  readonly from: string;
  readonly to: string;
  readonly timezone: string;
  readonly limit: string;
}

function rate(help: string) {
  const expected = `${rateForm}, from ${least}/s to ${most}/s`;
  return text({
    help,
    label: 'rate',
    expected,
    check: (value) => {
      const bytes = rateBytes(value);
      if (bytes !== undefined && isSizeWithin(bytes, { least, most })) return undefined;
      const forgotten = sizeBytes(value) === undefined ? '' : `; did you mean ${value}/s?`;
      return `expected ${expected}, not ${shown(value, false)}${forgotten}`;
    },
  });
}

function timeOfDay(help: string, last: '23:59' | '24:00') {
  const midnight = last === '24:00' ? '|24:00' : '';
  return text({
    help,
    label: 'time of day',
    expected: `a time of day from 00:00 to ${last}, such as "22:30"`,
    pattern: new RegExp(`^(?:(?:[01]\\d|2[0-3]):[0-5]\\d${midnight})$`),
  });
}

const timezone = text({
  help: 'the IANA time zone of its hours',
  label: 'time zone',
  expected: 'an IANA time zone such as Europe/Berlin',
  check: (value) =>
    isTimezone(value)
      ? undefined
      : `expected an IANA time zone such as Europe/Berlin, not ${shown(value, false)}`,
}).default('UTC');

function isTimezone(name: string): boolean {
  try {
    Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(name);
    return true;
  } catch {
    return false;
  }
}

const window = group(
  {
    from: timeOfDay('when it begins', '23:59'),
    to: timeOfDay('when it ends: on the next day, if that is before `from`', '24:00'),
    timezone,
    limit: rate('what holds meanwhile'),
  },
  'Some hours of each day',
).superRefine(({ from, to }, context) => {
  if (from === to)
    context.addIssue({ code: 'custom', path: ['to'], message: `expected a time other than from, ${from}` });
});

const expected = `${rateForm}, or a mapping with limit and schedule`;

/** A rate, or a mapping of rates by the time of day. */
export function bandwidth(help: string) {
  const plan = group(
    {
      limit: rate('outside all windows; no limit when it is left out').optional(),
      schedule: z
        .array(window, { error: 'expected a list of windows' })
        .min(1, { error: 'is empty: expected a list of windows' })
        .max(windowsMax, { error: `expected at most ${windowsMax} windows` })
        .meta({ title: 'list of windows', description: 'the first window that is open holds' })
        .optional(),
    },
    'By the time of day',
  ).superRefine(({ limit, schedule }, context) => {
    if (limit !== undefined || schedule !== undefined) return;
    const message = 'is missing: expected limit, schedule or both';
    context.addIssue({ code: 'custom', path: ['limit'], message });
  });
  return z
    .union([rate(help), plan], {
      error: ({ input }) => `expected ${expected}, not ${shown(input, false)}`,
    })
    .meta({ title: 'rate, or fields', description: help });
}

/** What is declared, as rate limits take it; it is known to be good. */
export function toRatePlan(declared: DeclaredBandwidth): RatePlan {
  const { limit, schedule } =
    typeof declared === 'string' ? { limit: declared, schedule: undefined } : declared;
  return {
    ...(limit !== undefined && { bytesPerSecond: bytesOf(limit) }),
    ...(schedule && {
      schedule: schedule.map(({ from, to, timezone: zone, limit: meanwhile }) => ({
        from,
        to,
        timezone: zone,
        bytesPerSecond: bytesOf(meanwhile),
      })),
    }),
  };
}

function bytesOf(rateText: string): number {
  return rateBytes(rateText) ?? Number.NaN;
}
