import type { ErrorRecord } from '../errors.ts';
import type { SegmentEntry } from '../manifest.ts';
import type { Sig } from './sig.ts';

/**
 * The local folder of one run, and the way from it to the destinations. Promises:
 * - room is reserved before it is used: `reserve` rejects with `exhausted` and the numbers, before anything is written;
 * - a segment given to `push` is on its way at once to every destination, each at its own pace;
 * - `commit` resolves as soon as all of them, and then the manifest, are stored and were confirmed at as many
 *   destinations as the task requires; the others are `behind`, which staging remembers until they have caught up;
 * - after `seal` a crash is resumed by pushing what is there; before it, the run's litter is known and collected;
 * - so is a commit that fails for a reason that passes (told to stop, no right to act any more, a destination that
 *   says "later"): the run stays, with what it stored, and `Staging.recover` finds it;
 * - nothing stored is ever overwritten; what this run stored is removed again when it fails otherwise.
 */
export interface Stage extends AsyncDisposable {
  readonly directory: string;
  reserve(bytes: number, o: Sig): Promise<void>;
  /**
   * Waits while so much lies in `directory` that nothing more should be read; at once where a backup is staged whole.
   * To be asked before something large is begun.
   */
  room(o: Sig): Promise<void>;
  /** A closed and synced segment in `directory`. */
  push(segment: SegmentEntry): void;
  /** Aborts when a push has failed for good, so that the run does not go on in vain. */
  readonly signal: AbortSignal;
  /** Keeps the finished manifest in staging, durably. */
  seal(name: string, manifest: Uint8Array, o: Sig): Promise<void>;
  commit(o: Sig): Promise<void>;
  /**
   * The backup exists, or may still come to exist: its manifest is or may be at a destination, or the sealed run waits
   * for the next one. Known only once the stage is disposed; false until then.
   */
  readonly survives: boolean;
  /** Which destinations hold the backup, in the order in which they were given; after `commit`. */
  readonly outcomes: readonly DestinationOutcome[];
}

/** What became of a backup at one destination. Plain data. */
export interface DestinationOutcome {
  /** As a person may see it. */
  readonly destination: string;
  readonly stored: boolean;
  /** The backup exists without it; it gets its copy later, from staging or from another destination. */
  readonly behind?: boolean;
  /** Why not. */
  readonly error?: ErrorRecord;
}
