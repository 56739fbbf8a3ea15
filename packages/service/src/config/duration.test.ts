import { describe, expect, it } from 'vitest';
import { durationMs, parseDuration } from './duration.ts';

describe('durations', () => {
  it.each([
    ['15s', 15_000],
    ['5m', 300_000],
    ['1h30m', 5_400_000],
    ['14d', 1_209_600_000],
    ['250ms', 250],
    ['1d2h3m4s5ms', 93_784_005],
    ['0s', 0],
  ])('%s is %i ms', (text, ms) => expect(durationMs(text)).toBe(ms));

  it.each([
    '',
    '5',
    '5 m',
    'm',
    '-5m',
    '1.5h',
    '30m1h',
    '5m5m',
    '5M',
    '1w',
    ' 5m',
    '5m\n',
    '99999999999d',
    'P1D',
  ])('%j is none', (text) => expect(durationMs(text)).toBeUndefined());

  it('outside their range are refused with the range', () => {
    const range = { least: '1m', most: '24h' };
    expect(parseDuration('1m', range)).toBe(60_000);
    expect(parseDuration('1d', range)).toBe(86_400_000);
    for (const text of ['59s', '24h1ms', 'soon']) {
      expect(() => parseDuration(text, range)).toThrow(
        `[config_invalid] expected a duration from 1m to 24h with its unit, such as 15s, 5m, 1h30m or 14d, not "${text}"`,
      );
    }
  });
});
