import { Ledger } from '@holdfast/coordinator';
import { temporaryFolder } from '@holdfast/testing';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Mistakes } from './simulation.fixture.ts';
import { Month } from './simulation-month.fixture.ts';

/** Lives a month; a promise that is broken comes with the seed and with what happened last. */
async function live(seed: number, mistakes: Mistakes = {}): Promise<Record<string, number>> {
  await using folder = await temporaryFolder('holdfast-simulation');
  const month = new Month({ seed, folder, mistakes });
  const { world } = month;
  try {
    await month.live();
  } catch (caught) {
    const last = world.trace.slice(-30).join('\n');
    throw new Error(`seed ${seed}: ${(caught as Error).message}\n${last}`, { cause: caught });
  } finally {
    await world.dispose();
  }
  return { ...world.figures, ...world.laws.counts };
}

test.for([1, 2, 3])('a month keeps every promise, seed %i', { timeout: 600_000 }, async (seed) => {
  const figures = await live(seed);
  // A month in which nothing happens would keep every promise, too.
  for (const [what, least] of Object.entries({
    succeeded: 150,
    failed: 10,
    interrupted: 2,
    crashes: 5,
    restores: 15,
    'caught up': 1,
  }))
    expect(figures[what], what).toBeGreaterThanOrEqual(least);
});

describe('a node with a mistake breaks a promise', { timeout: 600_000 }, () => {
  afterEach(() => vi.restoreAllMocks());

  test('more runs of one source than are allowed', async () => {
    await expect(live(1, { limits: { perSource: 2 } })).rejects.toThrow(/more runs at once than are allowed/);
  });

  test('a good end that is claimed for a backup that is nowhere', async () => {
    const execute: Mistakes['execute'] = (right) => async (run, o) => {
      const report = await right(run, o);
      return { ...report, backup: report.backup.replace(/\d{4}$/, '0999') };
    };
    await expect(live(1, { execute })).rejects.toThrow(/has succeeded, and (near|far) has no/);
  });

  test('an occurrence that is taken and not settled', async () => {
    const { take } = Ledger.prototype;
    vi.spyOn(Ledger.prototype, 'take').mockImplementation(function (this: Ledger, known, start, o) {
      const { settledMs } = known.value;
      return take.call(this, known, { ...start, settledMs }, o);
    });
    await expect(live(1)).rejects.toThrow(/the occurrence .* is taken again/);
  });

  test('runs of a killed process that nobody ends', async () => {
    vi.spyOn(Ledger.prototype, 'interrupt').mockImplementation(async (run) => run);
    await expect(live(1)).rejects.toThrow(/nobody carries out run/);
  });
});
