import { describe, expect, test } from 'vitest';
import { live } from './live.fixture.ts';
import { mutants } from './mutants.fixture.ts';

describe('a cluster with a mistake breaks a promise', () => {
  test.for(mutants)('%s', { timeout: 300_000 }, async ([, mutation, law]) => {
    const find = async (): Promise<void> => {
      for (let seed = 1; seed <= 100; seed += 1) await live(seed, mutation);
    };
    await expect(find()).rejects.toThrow(law);
  });
});
