import type { Mutation } from './mutants.fixture.ts';
import { type Scenario, scenarioOf } from './scenario.fixture.ts';
import { World } from './world.fixture.ts';

export interface Lived {
  readonly figures: Readonly<Record<string, number>>;
  /** The longest that a task was without a node while one could have had it. */
  readonly longestMs: number;
}

/** What a failing seed is told of: the last of many lines. */
const linesMax = 60;

/**
 * Lives one cluster's life. A promise that is broken comes with the seed, with what is left of the scenario when all is
 * taken away that it does not need, and with what happened last.
 */
export async function live(seed: number, mutation?: Mutation): Promise<Lived> {
  const scenario = scenarioOf(seed);
  const { world, caught } = await tryOut(scenario, mutation);
  if (!caught) {
    const steps = world.time.steps;
    return { figures: { ...world.laws.figures, steps }, longestMs: world.rest.longestMs };
  }
  const small = mutation ? scenario : await shrink(scenario);
  const again = await tryOut(small, mutation);
  const cause = again.caught ?? caught;
  throw new Error(
    [
      `seed ${seed}, at ${Math.round(again.world.time.nowMs)} ms: ${messageOf(cause)}`,
      `nodes: ${JSON.stringify(small.nodes)}`,
      `tasks: ${JSON.stringify(small.tasks)}`,
      ...again.world.story.slice(-linesMax),
      `again: SEED=${seed} npx vitest run --project unit packages/coordinator/src/simulation/simulation.test.ts`,
    ].join('\n'),
    { cause },
  );
}

/** Lives them one after the other; what happened in all of them together. */
export async function liveAll(from: number, to: number): Promise<Lived> {
  const sum: Record<string, number> = {};
  let longestMs = 0;
  for (let seed = from; seed <= to; seed += 1) {
    const lived = await live(seed);
    longestMs = Math.max(longestMs, lived.longestMs);
    for (const [name, value] of Object.entries(lived.figures)) sum[name] = (sum[name] ?? 0) + value;
  }
  return { figures: sum, longestMs };
}

async function tryOut(
  scenario: Scenario,
  mutation: Mutation | undefined,
): Promise<{ readonly world: World; readonly caught?: unknown }> {
  const world = new World(scenario, mutation);
  // Errors are part of every life, and their stacks would take half of its time.
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    await world.live();
    return { world };
  } catch (caught) {
    return { world, caught };
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/** Takes one incident or task after the other away, as long as something still breaks. */
async function shrink(scenario: Scenario): Promise<Scenario> {
  let small = scenario;
  for (let at = small.incidents.length - 1; at >= 0; at -= 1) {
    const fewer = { ...small, incidents: small.incidents.filter((_, index) => index !== at) };
    if ((await tryOut(fewer, undefined)).caught) small = fewer;
  }
  return small;
}

function messageOf(caught: unknown): string {
  return caught instanceof Error ? caught.message : String(caught);
}
