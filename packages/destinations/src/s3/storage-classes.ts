import type { ObjectAccess, ThawTier, ThawWay } from '@holdfast/core';

/** Classes whose objects have to be thawed. Instant Retrieval (GLACIER_IR) reads at once. */
const coldClasses = ['GLACIER', 'DEEP_ARCHIVE'];

export function isColdClass(storageClass: string | undefined): boolean {
  return storageClass !== undefined && coldClasses.includes(storageClass);
}

export interface StoredState {
  readonly StorageClass?: string | undefined;
  /** The header x-amz-restore. */
  readonly Restore?: string | undefined;
  /** Of Intelligent-Tiering: the tier that it has sunk to. */
  readonly ArchiveStatus?: string | undefined;
}

/** Whether it has to be thawed, or is. Source: the S3 API reference, HeadObject. */
export function accessOf({ StorageClass, Restore, ArchiveStatus }: StoredState): ObjectAccess | undefined {
  if (!isColdClass(StorageClass) && ArchiveStatus === undefined) return undefined;
  if (Restore === undefined) return 'cold';
  return /ongoing-request="true"/.test(Restore) ? 'thawing' : 'thawed';
}

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

function way(storageClass: string, tier: ThawTier, wait: string, waitMsMax: number): ThawWay {
  return { storageClass, tier, wait, waitMsMax, cost: costs[tier] };
}

const costs: Readonly<Record<ThawTier, string>> = {
  expedited: 'the dearest, by the GB and by the request',
  standard: 'by the GB and by the request',
  bulk: 'the cheapest, in some classes free of charge but for the requests',
};

/** Source: the S3 user guide, "Understanding archive retrieval options". */
export const thawWays: readonly ThawWay[] = [
  way('GLACIER', 'expedited', '1 to 5 minutes', 5 * minuteMs),
  way('GLACIER', 'standard', '3 to 5 hours', 5 * hourMs),
  way('GLACIER', 'bulk', '5 to 12 hours', 12 * hourMs),
  way('DEEP_ARCHIVE', 'standard', 'within 12 hours', 12 * hourMs),
  way('DEEP_ARCHIVE', 'bulk', 'within 48 hours', 48 * hourMs),
  way('INTELLIGENT_TIERING', 'standard', 'within 5 hours, from its deep archive tier within 12', 12 * hourMs),
  way('INTELLIGENT_TIERING', 'bulk', 'within 12 hours, from its deep archive tier within 48', 48 * hourMs),
];

/** Source: the S3 user guide, "Comparing the Amazon S3 storage classes". */
export const minimumDays: Readonly<Record<string, number>> = {
  STANDARD_IA: 30,
  ONEZONE_IA: 30,
  GLACIER_IR: 90,
  GLACIER: 90,
  DEEP_ARCHIVE: 180,
};
