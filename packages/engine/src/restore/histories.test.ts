import fc from 'fast-check';
import { expect, test } from 'vitest';
import { history } from './histories.fixture.ts';
import { proveHistory } from './history-proof.fixture.ts';

const numRuns = Number(process.env.HOLDFAST_HISTORIES ?? 25);

test('a restore to any point of any history gives the rows that were there', async () => {
  let restores = 0;
  const property = fc.asyncProperty(history, async (one) => {
    restores += await proveHistory(one);
  });
  await fc.assert(property, { numRuns });
  expect(restores).toBeGreaterThan(numRuns * 2);
}, 300_000);
