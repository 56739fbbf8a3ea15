import type { Scope } from '../manifest.ts';
import type { Destination } from './destination.ts';
import type { Sig } from './sig.ts';
import type { Stage } from './stage.ts';

/** The local staging root: where runs are built before they are pushed, and where interrupted ones are found. */
export interface Staging {
  /** Proves that the folder is there and takes writes; warns where it shares a disk with one of `neverOn`. */
  prepare(o: Sig & { readonly neverOn?: readonly string[] }): Promise<readonly string[]>;
  /**
   * One run at a time per task and set of destinations on this machine; the operating system frees it when its
   * process dies. @throws HoldfastError conflict, naming the holder
   */
  lock(task: string, destinations: readonly Destination[]): Promise<AsyncDisposable>;
  openRun(run: StagedRun, destinations: readonly Destination[], o: Sig): Promise<Stage>;
  /**
   * What interrupted runs of this task left here. Call it under the lock, and before a new run is opened: who finishes
   * what is sealed first never has more than one such run waiting per task and set of destinations.
   */
  recover(task: string, destinations: readonly Destination[], o: Sig): Promise<readonly RecoveredRun[]>;
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
