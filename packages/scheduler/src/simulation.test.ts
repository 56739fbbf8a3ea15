import { describe, expect, test } from 'vitest';
import { mutants } from './simulation/mutants.fixture.ts';
import { scenarioOf } from './simulation/scenario.fixture.ts';
import { type Deciders, World } from './simulation/world.fixture.ts';

/** Lives a year; a promise that is broken comes with the seed and with what happened last. */
function live(seed: number, deciders: Partial<Deciders> = {}): World['figures'] {
  const scenario = scenarioOf(seed);
  const world = new World(scenario, deciders);
  try {
    world.live();
  } catch (caught) {
    const last = world.trace.slice(-15).map(([ms, ...what]) => {
      return `${new Date(Number(ms)).toISOString()} ${JSON.stringify(what)}`;
    });
    const tasks = scenario.tasks.map((task) => JSON.stringify(task));
    throw new Error([`seed ${seed}: ${(caught as Error).message}`, ...tasks, ...last].join('\n'), {
      cause: caught,
    });
  }
  return world.figures;
}

test('a thousand years keep every promise', { timeout: 240_000 }, () => {
  const sum: Record<string, number> = {};
  for (let seed = 1; seed <= 1000; seed++) {
    for (const [name, value] of Object.entries(live(seed))) sum[name] = (sum[name] ?? 0) + value;
  }
  // A simulation in which nothing happens would keep every promise too.
  for (const name of ['runs', 'catchUps', 'owed', 'skips', 'waits'])
    expect(sum[name], name).toBeGreaterThan(1000);
});

describe('a decider with a mistake breaks a promise', () => {
  test.for(mutants)('%s', { timeout: 60_000 }, ([, deciders, broken]) => {
    const find = (): void => {
      for (let seed = 1; seed <= 60; seed++) live(seed, deciders);
    };
    expect(find).toThrow(broken);
  });
});
