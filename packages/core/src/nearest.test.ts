import { expect, it } from 'vitest';
import { didYouMean, nearestOf } from './nearest.ts';

const known = ['full', 'incremental', 'timezone', 'on', 'require'];

it.each([
  ['ful', 'full'],
  ['flul', 'full'],
  ['Timezone', 'timezone'],
  ['time_zone', 'timezone'],
  ['incermental', 'incremental'],
  ['no', 'on'],
  ['requires', 'require'],
  ['retention', undefined],
  ['xyz', undefined],
  ['', undefined],
  ['f'.repeat(1_000_000), undefined],
])('the nearest of what was typed is what was meant', (typed, meant) => {
  expect(nearestOf(typed, known)).toBe(meant);
});

it('nothing is proposed where nothing is near', () => {
  expect(didYouMean('ful', known)).toBe('; did you mean full?');
  expect(didYouMean('retention', known)).toBe('');
});
