import { HeadObjectCommand, RestoreObjectCommand, type Tier } from '@aws-sdk/client-s3';
import { type ColdStorage, HoldfastError, type Sig, type ThawTier } from '@holdfast/core';
import type { S3Calls } from './calls.ts';
import { s3ErrorName, s3Status } from './errors.ts';
import { accessOf, minimumDays, thawWays } from './storage-classes.ts';

const tiers = { expedited: 'Expedited', standard: 'Standard', bulk: 'Bulk' } as const satisfies Record<
  ThawTier,
  Tier
>;

/** Makes objects in the Glacier classes readable for some days. */
export class S3Cold implements ColdStorage {
  readonly ways = thawWays;
  readonly minimumDays = minimumDays;
  readonly #calls: S3Calls;
  readonly #nameOf: (key: string) => string;

  constructor(calls: S3Calls, nameOf: (key: string) => string) {
    this.#calls = calls;
    this.#nameOf = nameOf;
  }

  async thaw(key: string, o: Sig & { readonly tier: ThawTier; readonly days: number }): Promise<void> {
    const Key = this.#nameOf(key);
    const { bucket: Bucket, place } = this.#calls;
    await this.#calls.telling(`thaw ${key}`, o, async () => {
      const found = await this.#calls
        .send(new HeadObjectCommand({ Bucket, Key }), o)
        .catch((error: unknown) => {
          if (s3Status(error) !== 404) throw error;
          throw new HoldfastError('not_found', `no object ${key} in ${place}`, { cause: error });
        });
      if (accessOf(found) !== 'cold') return;
      const storageClass = found.StorageClass ?? 'STANDARD';
      const known = thawWays.filter((way) => way.storageClass === storageClass).map((way) => way.tier);
      if (!known.includes(o.tier)) {
        throw new HoldfastError('unsupported', `${storageClass} objects cannot be thawed ${o.tier}`, {
          hint: `choose ${known.join(' or ')}`,
        });
      }
      // What has sunk within Intelligent-Tiering comes back for good: days are not asked for.
      const days = found.ArchiveStatus === undefined ? { Days: o.days } : {};
      const RestoreRequest = { ...days, GlacierJobParameters: { Tier: tiers[o.tier] } };
      await this.#calls
        .send(new RestoreObjectCommand({ Bucket, Key, RestoreRequest }), o)
        .catch((error: unknown) => {
          if (s3ErrorName(error) !== 'RestoreAlreadyInProgress') throw error;
        });
    });
  }
}
