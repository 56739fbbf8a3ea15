import { expect, it } from 'vitest';
import { shareOf } from './rate-share.ts';

it('each process has its share of a rate, at every time of the day', () => {
  const window = { from: '08:00', to: '18:00', timezone: 'UTC', bytesPerSecond: 400 };
  expect(shareOf({ bytesPerSecond: 1000, schedule: [window] }, 4)).toEqual({
    bytesPerSecond: 250,
    schedule: [{ ...window, bytesPerSecond: 100 }],
  });
});

it('no limit stays none, and the smallest share is a byte', () => {
  expect(shareOf(undefined, 4)).toBeUndefined();
  expect(shareOf({ schedule: [] }, 4)).toEqual({ schedule: [] });
  expect(shareOf({ bytesPerSecond: 2 }, 4)).toEqual({ bytesPerSecond: 1 });
});
