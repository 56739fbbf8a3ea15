import type { HoldfastError } from '../errors.ts';
import type { Scope, SegmentEntry } from '../manifest.ts';
import type { Destination } from './destination.ts';
import type { Sig } from './sig.ts';
import type { Stage } from './stage.ts';

/** The local staging root: where runs are built before they are pushed, and where interrupted ones are found. */
export interface Staging {
  /** How many of so many destinations must hold a backup for it to count. */
  required(destinations: number): number;
  /** Proves that the folder is there and takes writes; warns where it shares a disk with one of `neverOn`. */
  prepare(o: Sig & { readonly neverOn?: readonly string[] }): Promise<readonly string[]>;
  /**
   * One run at a time per task and set of destinations on this machine; the operating system frees it when its
   * process dies. @throws HoldfastError conflict, naming the holder
   */
  lock(task: string, destinations: readonly Destination[]): Promise<AsyncDisposable>;
  /**
   * One writer of a task's backups at one destination, on this machine: a run, or whoever brings that destination up to
   * date. Undefined when another process has it, unless `wait`.
   */
  lockDestination(
    task: string,
    destination: Destination,
    o: Sig & { readonly wait: boolean },
  ): Promise<AsyncDisposable | undefined>;
  /** `destinations` are all that the backup is for; `absent` are those of them that cannot take part now. */
  openRun(
    run: StagedRun,
    destinations: readonly Destination[],
    o: Sig & { readonly absent?: readonly AbsentDestination[] },
  ): Promise<Stage>;
  /**
   * What interrupted runs of this task left here. Call it under the lock, and before a new run is opened: who finishes
   * what is sealed first never has more than one such run waiting per task and set of destinations.
   */
  recover(
    task: string,
    destinations: readonly Destination[],
    o: Sig & { readonly absent?: (run: StagedRun) => readonly AbsentDestination[] },
  ): Promise<readonly RecoveredRun[]>;
  /** Brings one committed backup to a destination that lacks it, and confirms it there. */
  deliver(delivery: Delivery, o: Sig): Promise<Delivered>;
  /**
   * Committed runs that are kept here for destinations that are behind: `has` says of one whether it need not wait for
   * that destination any more. What waits for none is removed.
   */
  settle(task: string, destination: Destination, has: (run: StagedRun) => boolean, o: Sig): Promise<void>;
  /**
   * Remembers durably what a source may keep for a chain: from before anything is made there until the source has
   * confirmed that it was ended, so that neither a killed process nor a deleted backup makes it be forgotten.
   */
  rememberKept(kept: KeptLabel, destinations: readonly Destination[], o: Sig): Promise<void>;
  /** Those of a task that went to one of these destinations, but for chains at which a run is at work. */
  listKept(task: string, destinations: readonly Destination[], o: Sig): Promise<readonly RememberedLabel[]>;
  /** The source keeps nothing under it any more. Not remembered: no error. */
  releaseKept(task: string, label: string, o: Sig): Promise<void>;
}

/** The label under which a source keeps changes for a chain. */
export interface KeptLabel {
  readonly task: string;
  /** As `OpenFull` has it. */
  readonly label: string;
  readonly chain: string;
  /** Of the source: another one knows nothing of the label, and cannot confirm that it was ended. */
  readonly identity: string;
}

/** Of a damaged record nothing but the label is known. */
export interface RememberedLabel extends Partial<Omit<KeptLabel, 'label'>> {
  readonly label: string;
  /** The chain may exist, or come to exist, where these destinations do not show it: in staging, or at others. */
  readonly mayBeElsewhere: boolean;
}

export interface AbsentDestination {
  readonly destination: Destination;
  /** Why. */
  readonly error: HoldfastError;
}

/** A committed backup on its way to one more destination. */
export interface Delivery {
  readonly task: string;
  readonly chain: string;
  readonly sequence: number;
  /** Name of the manifest's file. */
  readonly name: string;
  readonly manifest: Uint8Array;
  readonly segments: readonly SegmentEntry[];
  readonly to: Destination;
  /** Its place among the task's destinations. */
  readonly index: number;
  /** Destinations that hold it, the best first: what staging does not have any more comes from them. */
  readonly from: readonly Destination[];
}

export interface Delivered {
  /** What was sent, less what was there already. */
  readonly bytes: number;
}

/** What staging remembers of a run, before the run does anything. */
export interface StagedRun {
  readonly task: string;
  readonly chain: string;
  readonly sequence: number;
  readonly scope: Scope;
  /** The label under which the source made things for this run. */
  readonly label: string;
  readonly startedAtMs: number;
}

export type RecoveredRun =
  /** Dumped whole: `commit` pushes what is missing, then the manifest; disposed without a commit, it is given up. */
  | { readonly kind: 'sealed'; readonly run: StagedRun; readonly manifest: Uint8Array; readonly stage: Stage }
  /** Broken off before: `collect` removes its files here and its objects at the destinations. */
  | { readonly kind: 'litter'; readonly run: StagedRun; collect(o: Sig): Promise<void> };
