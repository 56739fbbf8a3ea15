import { expect } from 'vitest';
import type { Lived } from './live.fixture.ts';
import { boundMs } from './rest.fixture.ts';

/** Of a thousand lives: a simulation in which nothing happens would keep every promise, too. */
export function expectMuch({ figures, longestMs }: Lived): void {
  const least = { commits: 5000, incrementals: 3000, moves: 500, takeovers: 200, journaled: 100 };
  for (const [name, count] of Object.entries(least)) expect(figures[name], name).toBeGreaterThan(count);
  expect(longestMs).toBeGreaterThan(0);
  expect(longestMs).toBeLessThanOrEqual(boundMs(4));
}
