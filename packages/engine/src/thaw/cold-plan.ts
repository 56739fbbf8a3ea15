import type { ObjectAccess, ThawWay } from '@holdfast/core';
import type { ColdClass, ColdPlan, ColdSegment } from '../api.ts';
import type { ReadSegment } from './segments-read.ts';
import { volumeOf } from './volume.ts';

/** What a plan says of cold storage; undefined where a restore reads nothing from there. Pure. */
export function coldPlan(
  reads: readonly ReadSegment[],
  segments: readonly ColdSegment[],
  ways: readonly ThawWay[],
): ColdPlan | undefined {
  if (segments.length === 0) return undefined;
  const names = [...new Set(segments.map(({ storageClass }) => storageClass))].sort();
  const cold = segments.filter(({ access }) => access === 'cold');
  return {
    reads: volumeOf(reads),
    segments,
    classes: names.map((name) => classOf(name, segments)),
    ways: ways.filter((way) => cold.some((segment) => isOf(segment, way))),
  };
}

/** A place that has but one class need not name it. */
export function isOf({ storageClass }: ColdSegment, way: ThawWay): boolean {
  return storageClass === '' || storageClass === way.storageClass;
}

function classOf(storageClass: string, all: readonly ColdSegment[]): ColdClass {
  const own = all.filter((segment) => segment.storageClass === storageClass);
  const standing = (access: ObjectAccess): ColdClass[ObjectAccess] =>
    volumeOf(own.filter((segment) => segment.access === access));
  return {
    storageClass,
    cold: standing('cold'),
    thawing: standing('thawing'),
    thawed: standing('thawed'),
  };
}
