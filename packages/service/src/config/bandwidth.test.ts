import { describe, expect, it } from 'vitest';
import { bandwidth, toRatePlan } from './bandwidth.ts';
import { group } from './fields.ts';
import { formatPath } from './problems.ts';
import { validate } from './validate.ts';

const table = group({ bandwidth: bandwidth('how fast') }, 'A test');
const problemsOf = (value: unknown): string[] =>
  validate(table, { bandwidth: value }).problems.map(({ path, text }) => `${formatPath(path)}: ${text}`);

const form = 'bytes per second with their unit, such as 500kB/s, 50MiB/s or 1.5GiB/s';
const range = `expected ${form}, from 1kB/s to 1TiB/s`;
const hours = { from: '08:00', to: '18:00', limit: '5MiB/s' };

describe('a bandwidth', () => {
  it('is one rate, or rates by the time of day', () => {
    expect(toRatePlan('50MiB/s')).toEqual({ bytesPerSecond: 52_428_800 });
    const { value } = validate(table, {
      bandwidth: { limit: '1MB/s', schedule: [hours, { ...hours, timezone: 'Europe/Berlin' }] },
    });
    const window = { from: '08:00', to: '18:00', bytesPerSecond: 5_242_880 };
    expect(toRatePlan(value?.bandwidth ?? '')).toEqual({
      bytesPerSecond: 1_000_000,
      schedule: [
        { ...window, timezone: 'UTC' },
        { ...window, timezone: 'Europe/Berlin' },
      ],
    });
    expect(toRatePlan({ schedule: [] })).toEqual({ schedule: [] });
  });

  it.each([
    ['50MiB', `bandwidth: ${range}, not "50MiB"; did you mean 50MiB/s?`],
    ['fast', `bandwidth: ${range}, not "fast"`],
    ['1B/s', `bandwidth: ${range}, not "1B/s"`],
    [50, `bandwidth: expected ${form}, or a mapping with limit and schedule, not 50`],
    [null, `bandwidth: expected ${form}, or a mapping with limit and schedule, not nothing`],
    [{}, 'bandwidth.limit: is missing: expected limit, schedule or both'],
    [{ limit: 5 }, `bandwidth.limit: ${range}, not 5`],
    [{ limits: '5MB/s' }, 'bandwidth.limits: is not known; did you mean limit?'],
    [{ schedule: [] }, 'bandwidth.schedule: is empty: expected a list of windows'],
    [{ schedule: hours }, 'bandwidth.schedule: expected a list of windows'],
    [
      { schedule: [{ ...hours, from: '8:00' }] },
      'bandwidth.schedule[0].from: expected a time of day from 00:00 to 23:59, such as "22:30", not "8:00"',
    ],
    [
      { schedule: [{ ...hours, to: '08:00' }] },
      'bandwidth.schedule[0].to: expected a time other than from, 08:00',
    ],
    [
      { schedule: [{ ...hours, timezone: 'Berlin' }] },
      'bandwidth.schedule[0].timezone: expected an IANA time zone such as Europe/Berlin, not "Berlin"',
    ],
    [
      { schedule: [{ ...hours, limit: '5MB' }] },
      `bandwidth.schedule[0].limit: ${range}, not "5MB"; did you mean 5MB/s?`,
    ],
  ])('%j is refused', (value, problem) => expect(problemsOf(value)[0]).toBe(problem));
});
