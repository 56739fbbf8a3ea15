import type { ObjectInfo } from '@holdfast/core';
import { volumeOf, volumeText } from './volume.ts';

const dayMs = 86_400_000;

/**
 * What to say before objects are deleted, or moved, that are paid for longer than they have been stored: a line for
 * each class. An object's age is that of its content: what a rule of the place moved to its class later is younger
 * there, and not all of it is found. Pure.
 */
export function minimumStorageWarning(
  objects: readonly ObjectInfo[],
  minimumDays: Readonly<Record<string, number>>,
  nowMs: number,
): string[] {
  return Object.entries(minimumDays).flatMap(([storageClass, days]) => {
    const early = objects.filter(
      (info) =>
        info.storageClass === storageClass &&
        info.modifiedAtMs !== undefined &&
        nowMs - info.modifiedAtMs < days * dayMs,
    );
    if (early.length === 0) return [];
    const one = early.length === 1;
    return [
      `${volumeText(volumeOf(early))} in ${storageClass} ${one ? 'is' : 'are'} not ${days} days old: that long ${one ? 'it is' : 'they are'} paid for, deleted or not`,
    ];
  });
}
