import { type ColdStorage, HoldfastError, type Sig, type ThawTier, type ThawWay } from '@holdfast/core';
import { isCode } from './errors.ts';
import { accessTo } from './objects.ts';
import type { AzureSession } from './session.ts';

const hourMs = 3_600_000;

/** https://learn.microsoft.com/azure/storage/blobs/archive-rehydrate-overview */
const ways: readonly ThawWay[] = [
  {
    storageClass: 'Archive',
    tier: 'expedited',
    wait: 'about an hour for objects of up to 10 GB, longer for larger ones',
    waitMsMax: 15 * hourMs,
    cost: 'reading from the archive at high priority, which costs several times as much as standard, then storage in the hot tier',
  },
  {
    storageClass: 'Archive',
    tier: 'standard',
    wait: 'up to 15 hours',
    waitMsMax: 15 * hourMs,
    cost: 'reading from the archive, then storage in the hot tier; before 180 days in the archive, the rest of them as well',
  },
];

const minimumDays = { Cool: 30, Cold: 90, Archive: 180 } as const;

export interface ColdOptions {
  readonly session: AzureSession;
  /** Checks the key and puts the prefix before it. */
  readonly nameOf: (key: string) => string;
  readonly telling: <T>(action: string, o: Sig, act: () => Promise<T>) => Promise<T>;
}

/** Thaws by moving an object to the hot tier, where it stays: `days` means nothing here. */
export class AzureColdStorage implements ColdStorage {
  readonly ways = ways;
  readonly minimumDays: Readonly<Record<string, number>> = minimumDays;
  readonly #o: ColdOptions;

  constructor(options: ColdOptions) {
    this.#o = options;
  }

  async thaw(key: string, o: Sig & { readonly tier: ThawTier; readonly days: number }): Promise<void> {
    const name = this.#o.nameOf(key);
    await this.#o.telling(`thaw ${key}`, o, async () => {
      const facts = await this.#o.session.run(o, (container) =>
        container.getBlobClient(name).getProperties({ abortSignal: o.signal }),
      );
      if (accessTo(facts) !== 'cold') return;
      const rehydratePriority = priorityOf(o.tier);
      try {
        await this.#o.session.run(o, (container) =>
          container.getBlobClient(name).setAccessTier('Hot', { abortSignal: o.signal, rehydratePriority }),
        );
      } catch (error) {
        // Somebody else has asked for it at the same moment.
        if (!isCode(error, 'BlobBeingRehydrated')) throw error;
      }
    });
  }
}

function priorityOf(tier: ThawTier): 'High' | 'Standard' {
  if (tier === 'expedited') return 'High';
  if (tier === 'standard') return 'Standard';
  throw new HoldfastError('unsupported', `Azure does not thaw with tier ${tier}`, {
    hint: 'choose standard or expedited',
  });
}
