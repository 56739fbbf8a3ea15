import { HoldfastError, type ThawTier, type ThawWay } from '@holdfast/core';
import type { ColdPlan, ColdSegment, ThawRequest } from '../api.ts';
import { isOf } from './cold-plan.ts';
import { hoursText, volumeOf, volumeText } from './volume.ts';

const dayMs = 86_400_000;
const tiers = ['standard', 'bulk', 'expedited'] as const satisfies readonly ThawTier[];

/** Why nothing is restored, for a restore that was not told to thaw. */
export function coldRefusal({ reads, segments, ways }: ColdPlan): HoldfastError {
  const cold = segments.filter(({ access }) => access === 'cold');
  const thawing = segments.filter(({ access }) => access === 'thawing');
  const parts = [
    ...(cold.length > 0
      ? [
          `${volumeText(volumeOf(cold))} must be thawed first, in cold storage (${classesOf(cold).join(', ')})`,
        ]
      : []),
    ...(thawing.length > 0
      ? [`${volumeText(volumeOf(thawing))} ${thawing.length === 1 ? 'is' : 'are'} still being thawed`]
      : []),
  ];
  const [tier = 'standard'] = tiersFor(cold, ways);
  return new HoldfastError(
    'precondition_failed',
    `this restore reads ${volumeText(reads)}, of which ${parts.join(' and ')}`,
    {
      hint:
        cold.length > 0
          ? `run it again with --thaw ${tier}, which ${takes(tier, cold, ways)}; --plan shows every way; nothing was created`
          : 'run it again once they are readable, or now with --thaw to wait for them; nothing was created',
    },
  );
}

function takes(tier: ThawTier, cold: readonly ColdSegment[], ways: readonly ThawWay[]): string {
  const waits = ways.filter((way) => way.tier === tier && cold.some((segment) => isOf(segment, way)));
  const texts = [...new Set(waits.map(({ wait }) => wait))];
  return texts.length === 0 ? 'makes them readable' : `makes them readable (${texts.join('; ')})`;
}

/**
 * Refuses, before anything is asked for, what cannot be had for all of the cold segments.
 * @throws HoldfastError unsupported for a tier that one of their classes has not; config_invalid for so few days that
 *   what is thawed first may be cold again before the last is thawed
 */
export function assertThaws(
  cold: readonly ColdSegment[],
  ways: readonly ThawWay[],
  { tier, days }: ThawRequest,
): void {
  const without = cold.filter((segment) => !ways.some((way) => way.tier === tier && isOf(segment, way)));
  if (without.length > 0) {
    const others = tiersFor(cold, ways);
    throw new HoldfastError(
      'unsupported',
      `${classesOf(without).join(', ')} cannot be thawed as ${tier}: ${volumeText(volumeOf(without))} of the restore are there`,
      {
        hint:
          others.length > 0
            ? `choose --thaw ${others.join(' or ')}; nothing was asked for`
            : 'no one way thaws all of them: thaw them with a tool of the place; nothing was asked for',
      },
    );
  }
  const slowestMs = slowest(cold, ways, tier);
  if (days * dayMs > slowestMs) return;
  throw new HoldfastError(
    'config_invalid',
    `thawed for ${days} ${days === 1 ? 'day' : 'days'}, the first segments may be cold again before the last are thawed, which may take ${hoursText(slowestMs)}`,
    { hint: `--thaw-days ${Math.floor(slowestMs / dayMs) + 1} or more; nothing was asked for` },
  );
}

/** How long the slowest of them takes, as the place says. */
export function slowest(cold: readonly ColdSegment[], ways: readonly ThawWay[], tier: ThawTier): number {
  const own = ways.filter((way) => way.tier === tier && cold.some((segment) => isOf(segment, way)));
  return Math.max(0, ...own.map(({ waitMsMax }) => waitMsMax));
}

/** Those that all of these segments have, the usual one first. */
function tiersFor(cold: readonly ColdSegment[], ways: readonly ThawWay[]): ThawTier[] {
  return tiers.filter((tier) =>
    cold.every((segment) => ways.some((way) => way.tier === tier && isOf(segment, way))),
  );
}

function classesOf(segments: readonly ColdSegment[]): string[] {
  return [...new Set(segments.map(({ storageClass }) => storageClass || 'a class without a name'))].sort();
}
