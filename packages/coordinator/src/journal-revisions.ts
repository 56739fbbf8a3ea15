import { HoldfastError, type Revision } from '@holdfast/core';

/** A power of two, so that sums are exact up to four thousand million revisions of the cluster. */
const step = 2 ** -20;

/**
 * Revisions of a time apart lie between the last one that was seen of the cluster and the next: they grow, and none of
 * them ever is one of the cluster's, all of which are whole numbers. So a check that was made on one fails there for
 * certain, instead of holding by chance for what somebody else has written.
 */
export class JournalRevisions {
  readonly #highest: Revision;
  readonly #origin: Revision;

  /** `highest` that was seen of the cluster, and where the journal was then. */
  constructor(highest: Revision, origin: Revision) {
    this.#highest = highest;
    this.#origin = origin;
  }

  of(journal: Revision): Revision {
    return this.#highest + (journal - this.#origin + 0.5) * step;
  }

  /** From where in the journal a watch goes on: what was seen of the cluster lies before all of it. */
  journalOf(since: Revision): Revision {
    if (isOfCluster(since)) return this.#origin;
    const journal = this.#origin + Math.floor((since - this.#highest) / step);
    if (journal < this.#origin) throw listAnew();
    return journal;
  }
}

export function isOfCluster(revision: Revision): boolean {
  return Number.isInteger(revision);
}

export function listAnew(): HoldfastError {
  return new HoldfastError(
    'out_of_range',
    'the revision is one of the time when the store could not be reached',
    { hint: 'list again, and watch since the revision of the list' },
  );
}
