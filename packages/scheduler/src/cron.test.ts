import { expect, test } from 'vitest';
import { parseCron } from './cron.ts';
import { compileSchedule } from './schedule.ts';
import { assertTimezone } from './timezone.ts';

test.for([
  ['* * *', /expected 5 or 6 fields but got 3/],
  ['61 * * * *', /minute: "61" is not understood; allowed are \*, 0-59/],
  ['0 25 * * *', /hour: "25"/],
  ['0 0 32 * *', /day of month: "32".*L \(the last\)/],
  ['* * * foo *', /month: "foo" is not understood; allowed are \*, 1-12 or jan-dec/],
  ['0 0 * * 8', /day of week: "8"/],
  ['99 0 0 * * *', /second: "99"/],
  ['1,,2 * * * *', /minute: "1,,2"/],
  ['*/90 * * * *', /minute: a step of 90 is wider than the whole field/],
  ['0-999999999 * * * *', /minute: 999999999 is out of range/],
  ['@reboot', /illegal characters/],
  ['', /it is empty/],
  ['0 0 31 2 *', /none of its months has such a day/],
  ['0 0 30W 2 *', /no day has ever/],
  ['0 0 8 * 1#1', /no day has ever/],
  ['* '.repeat(200), /longer than 250 characters/],
] as const)('%s is refused: %s', ([text, message]) => {
  const refused = expect(() => parseCron(text));
  refused.toThrow(
    expect.objectContaining({ code: 'config_invalid', hint: expect.stringContaining('0 2 * * 0') }),
  );
  refused.toThrow(message);
});

test('what node-cron knows is read: names, lists, steps, nicknames, L, W and #', () => {
  for (const text of [
    '0 2 * jan-mar mon,FRI',
    '@daily',
    '0 0 L * ?',
    '0 0 15W * *',
    '0 0 * * 5#2',
    '5 4 3 2 1 *',
  ])
    expect(parseCron(text).text).toBe(text);
});

test.for([
  ['Berlin', 'Europe/Berlin'],
  ['Europe/Berln', 'Europe/Berlin'],
  ['new york', 'America/New_York'],
  ['Asia/Kolkatta', 'Asia/Kolkata'],
  ['+01:00', 'UTC'],
  ['2026-01-01T00:00Z', undefined],
  ['', 'UTC'],
] as const)('%s is not a time zone; did you mean %s?', ([text, wanted]) => {
  const hint = expect.stringContaining(`did you mean ${wanted ?? ''}`);
  expect(() => assertTimezone(text)).toThrow(expect.objectContaining({ code: 'config_invalid', hint }));
});

test('known time zones are taken', () => {
  for (const name of ['UTC', 'Europe/Berlin', 'Asia/Kolkata', 'America/Argentina/Ushuaia', 'Etc/GMT+5'])
    assertTimezone(name);
});

const spec = { task: 'orders', full: '0 2 * * *', timezone: 'UTC', jitterMs: 0, blackout: [] };

test.for([
  [{ full: '0 2 * *' }, /task orders: full: cron expression/],
  [{ full: undefined }, /neither full nor incremental/],
  [{ jitterMs: 90_000_000 }, /jitter is out of range/],
  [{ timezone: 'Mars' }, /time zone "Mars"/],
  [{ blackout: [{ from: '8:00', to: '12:00' }] }, /blackout: from: "8:00" is not a time of day/],
  [{ blackout: [{ from: '24:00', to: '12:00' }] }, /from: "24:00"/],
  [{ blackout: [{ from: '08:00', to: '08:00' }] }, /ends when it begins/],
  [{ blackout: [{ days: ['Mo'], from: '08:00', to: '09:00' }] }, /"Mo" is none of mon, tue/],
  [{ blackout: [{ days: [], from: '08:00', to: '09:00' }] }, /the list is empty/],
  [
    {
      blackout: [
        { from: '08:00', to: '20:00' },
        { from: '20:00', to: '08:00' },
      ],
    },
    /leave no time of the week/,
  ],
] as const)('a schedule with %o is refused', ([over, message]) => {
  expect(() => compileSchedule({ ...spec, ...over })).toThrow(message);
});
