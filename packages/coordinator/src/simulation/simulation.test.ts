import { expect, test } from 'vitest';
import { expectMuch } from './expect-much.fixture.ts';
import { live, liveAll } from './live.fixture.ts';

/** One seed instead of all: `SEED=17 npx vitest run --project unit packages/coordinator/src/simulation/simulation.test.ts`. */
const only = process.env.SEED;

test('a thousand clusters keep every promise, whatever befalls them', { timeout: 600_000 }, async () => {
  if (only === undefined) expectMuch(await liveAll(1, 1000));
  else await live(Number(only));
});

test('one seed is one story', async () => {
  expect(await live(7)).toEqual(await live(7));
});
