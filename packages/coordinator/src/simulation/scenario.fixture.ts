import type { NodePreference } from '@holdfast/core';
import { SeededRandom } from '@holdfast/testing';

export const secondMs = 1000;

/** What a cluster lives with; much shorter than in life, so that much happens. */
export const limits = {
  ttlMs: 6 * secondMs,
  moveAfterMs: 10 * secondMs,
  callMaxMs: 3 * secondMs,
  lookEveryMs: 15 * secondMs,
} as const;

export type Incident =
  | { readonly kind: 'kill'; readonly node: number; readonly forMs: number }
  | { readonly kind: 'pause'; readonly node: number; readonly forMs: number }
  | {
      readonly kind: 'cut';
      readonly node: number;
      readonly forMs: number;
      readonly way: 'both' | 'requests' | 'answers';
      readonly brokenWatches: number;
    }
  | { readonly kind: 'storm'; readonly node: number; readonly forMs: number; readonly harm: number }
  | { readonly kind: 'store-down'; readonly forMs: number; readonly renewsLeases: boolean }
  | { readonly kind: 'revoke'; readonly node: number }
  | { readonly kind: 'jump'; readonly node: number; readonly byMs: number }
  | { readonly kind: 'drain'; readonly node: number; readonly forMs: number }
  | { readonly kind: 'by-hand'; readonly task: number; readonly node: number }
  | { readonly kind: 'prefer'; readonly task: number; readonly nodes: NodePreference | undefined }
  | { readonly kind: 'remove'; readonly task: number; readonly forMs: number }
  | { readonly kind: 'forget-changes' };

export interface Scenario {
  readonly seed: number;
  readonly nodes: readonly SimMachinePlan[];
  readonly tasks: readonly SimTaskPlan[];
  readonly incidents: readonly (Incident & { readonly atMs: number })[];
  /** After it nothing more goes wrong. */
  readonly calmFromMs: number;
  /** By then, all has settled. */
  readonly endMs: number;
}

export interface SimMachinePlan {
  readonly name: string;
  readonly tags: readonly string[];
  readonly wallOffsetMs: number;
  readonly rate: number;
  readonly startsAtMs: number;
}

export interface SimTaskPlan {
  readonly name: string;
  readonly everyMs: number;
  readonly fullEvery: number;
  /** At most. */
  readonly dumpMs: number;
  readonly uploadMs: number;
  readonly nodes: NodePreference | undefined;
}

/** What happens in one life of a cluster, from a seed alone. */
export function scenarioOf(seed: number): Scenario {
  const random = new SeededRandom(seed);
  const nodesCount = random.pick([2, 2, 3, 3, 4]);
  const nodes = Array.from({ length: nodesCount }, (_, at): SimMachinePlan => {
    const isSkewed = random.chance(0.3);
    return {
      name: `n${at}`,
      tags: random.chance(0.7) ? ['db'] : [],
      wallOffsetMs: isSkewed ? random.whole(-20, 20) * secondMs : random.whole(-50, 50),
      rate: isSkewed ? random.between(0.98, 1.02) : 1,
      startsAtMs: random.chance(0.8) ? random.whole(0, 500) : random.whole(0, 40_000),
    };
  });
  const preference = (): NodePreference | undefined => preferenceOf(random, nodesCount);
  const tasks = Array.from(
    { length: random.whole(1, 4) },
    (_, at): SimTaskPlan => ({
      name: `t${at}`,
      everyMs: random.pick([10, 15, 20]) * secondMs,
      fullEvery: random.whole(2, 6),
      dumpMs: random.pick([500, 3000, 12_000]),
      uploadMs: random.pick([200, 4000]),
      nodes: random.chance(0.7) ? undefined : preference(),
    }),
  );
  const chaosMs = random.whole(30, 80) * secondMs;
  const incidents = Array.from({ length: random.whole(1, 9) }, () => ({
    ...incidentOf(random, { nodes: nodesCount, tasks: tasks.length }, preference),
    atMs: random.whole(1000, chaosMs),
  })).sort((a, b) => a.atMs - b.atMs);
  const lastMs = Math.max(
    ...incidents.map((one) => one.atMs + ('forMs' in one && Number.isFinite(one.forMs) ? one.forMs : 0)),
    ...nodes.map(({ startsAtMs }) => startsAtMs),
  );
  return { seed, nodes, tasks, incidents, calmFromMs: lastMs, endMs: lastMs + 110 * secondMs };
}

function preferenceOf(random: SeededRandom, nodes: number): NodePreference | undefined {
  const prefer = `n${random.whole(0, nodes - 1)}`;
  switch (random.whole(0, 3)) {
    case 0:
      return { prefer };
    case 1:
      return { prefer, pin: true };
    case 2:
      return { tags: ['db'] };
    default:
      return undefined;
  }
}

function incidentOf(
  random: SeededRandom,
  count: { readonly nodes: number; readonly tasks: number },
  preference: () => NodePreference | undefined,
): Incident {
  const node = random.whole(0, count.nodes - 1);
  const task = random.whole(0, count.tasks - 1);
  const forMs = random.pick([
    random.whole(200, 5000),
    random.whole(4000, 15_000),
    random.whole(15_000, 45_000),
  ]);
  const kinds: readonly Incident[] = [
    { kind: 'kill', node, forMs },
    // For good; but never the first node, so that somebody is left.
    { kind: 'kill', node, forMs: node > 0 && random.chance(0.5) ? Number.POSITIVE_INFINITY : forMs },
    { kind: 'pause', node, forMs },
    {
      kind: 'cut',
      node,
      forMs,
      way: random.pick(['both', 'both', 'requests', 'answers']),
      brokenWatches: random.pick([0, 0.1]),
    },
    { kind: 'storm', node, forMs, harm: random.pick([0.05, 0.2, 0.5]) },
    { kind: 'storm', node, forMs, harm: random.pick([0.05, 0.2, 0.5]) },
    { kind: 'store-down', forMs: Math.min(forMs, 20_000), renewsLeases: random.chance(0.5) },
    { kind: 'revoke', node },
    { kind: 'jump', node, byMs: random.whole(-30, 30) * secondMs },
    { kind: 'drain', node, forMs: random.chance(0.3) && node > 0 ? Number.POSITIVE_INFINITY : forMs },
    { kind: 'by-hand', task, node },
    { kind: 'by-hand', task, node },
    { kind: 'prefer', task, nodes: preference() },
    { kind: 'remove', task, forMs: random.chance(0.3) ? Number.POSITIVE_INFINITY : forMs },
    { kind: 'forget-changes' },
  ];
  return random.pick(kinds);
}
