import { expect, it } from 'vitest';
import { bytes, count, counted, duration, moment } from './units.ts';

it.each([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1.00 kB'],
  [1_034, '1.03 kB'],
  [9_994, '9.99 kB'],
  [9_996, '10.0 kB'],
  [178_400_000, '178 MB'],
  [999_499, '999 kB'],
  [999_500, '1.00 MB'],
  [1_030_000_000, '1.03 GB'],
  [5e18, '5000 PB'],
])('%d bytes are %s', (value, text) => expect(bytes(value)).toBe(text));

it.each([
  [0, '0'],
  [999, '999'],
  [1000, '1,000'],
  [1_234_567, '1,234,567'],
])('%d is %s', (value, text) => expect(count(value)).toBe(text));

it('counts in words', () => {
  expect([0, 1, 2].map((value) => counted(value, 'row'))).toEqual(['no rows', '1 row', '2 rows']);
});

it.each([
  [0, '0.0 s'],
  [3_140, '3.1 s'],
  [9_949, '9.9 s'],
  [9_950, '10 s'],
  [59_499, '59 s'],
  [59_500, '1 min'],
  [190_000, '3 min 10 s'],
  [7_500_000, '2 h 5 min'],
  [180_000_000, '2 d 2 h'],
])('%d ms are %s', (value, text) => expect(duration(value)).toBe(text));

it('prints a moment as --point takes it', () => {
  expect(moment(Date.UTC(2026, 10, 20, 14))).toBe('2026-11-20T14:00:00Z');
  expect(moment(Date.UTC(2026, 10, 20, 14, 0, 0, 123))).toBe('2026-11-20T14:00:00.123Z');
});
