/** What the engine's verbs take and answer. Plain data: requests and reports cross processes. */
import type {
  Clock,
  Destination,
  DestinationOutcome,
  Finding,
  Mark,
  ObjectAccess,
  Observer,
  Scope,
  Source,
  SourceIdentity,
  Staging,
  TaskType,
  ThawTier,
  ThawWay,
} from '@holdfast/core';

/** What every verb works with; put together by the service. */
export interface Tools {
  readonly clock: Clock;
  readonly observer: Observer;
  /** Worker threads for reading, checking and loading. */
  readonly workersMax: number;
}

export interface BackupRequest {
  readonly task: string;
  readonly scope: Scope | 'auto';
  readonly type: TaskType;
  /**
   * Undefined: as `scope` implies (auto keeps, a full by hand does not). True fails where the source cannot keep them;
   * `if-possible` makes a full without them then, and says so.
   */
  readonly keepChanges?: boolean | 'if-possible';
  readonly node: string;
  readonly generation: number;
  /** Of an earlier generation whose chain this node may go on with, because nobody has begun another since. */
  readonly ownedGeneration?: number;
  /** Names what a full makes in the source, where a cluster has to find it again; without it, the chain's name does. */
  readonly run?: string;
  /** Runs of other nodes that were lost in mid full: what they made in the source is ended. */
  readonly forsaken?: readonly string[];
  /** The task's earlier chains are of another database, and that is meant. */
  readonly newSource: boolean;
  /**
   * A full that was begun then or later by this node's clock, was interrupted, and is finished by this run, is the full
   * that was asked for; an earlier one is finished, and then a full is made. Undefined: any counts.
   */
  readonly resumedSinceMs?: number;
}

export interface BackupTools extends Tools {
  readonly source: Source;
  readonly destinations: readonly Destination[];
  readonly staging: Staging;
}

export interface BackupReport {
  readonly outcome: 'stored' | 'unchanged' | 'resumed';
  readonly task: string;
  readonly scope: Scope;
  /** `chain/sequence` of the backup that now is the newest. */
  readonly backup: string;
  /** Why it is a full, or an incremental, in words. */
  readonly reason: string;
  readonly to: Mark;
  readonly rows: number;
  /** Changes of rows, of an incremental. */
  readonly changes: number;
  readonly rawBytes: number;
  readonly storedBytes: number;
  readonly segments: number;
  /** Which of the run's destinations hold it, in their order. */
  readonly destinations: readonly DestinationOutcome[];
  readonly durationsMs: Readonly<Record<string, number>>;
  readonly notices: readonly string[];
  /** Set when what the chain before it had kept is lost. */
  readonly gap?: string;
}

export interface CopyRequest {
  readonly task: string;
  /** `all` of the task, or only what a destination lacks that fell behind. */
  readonly chains: 'all' | 'lacking';
}

export interface CopyReport {
  readonly task: string;
  /** The destination, as a person may see it. */
  readonly to: string;
  /** `chain/sequence`, in the order in which they were brought. */
  readonly backups: readonly string[];
  /** What was sent. */
  readonly bytes: number;
  /** Backups that were there already. */
  readonly backupsThere: number;
  /** Chains that could not be brought, and why. */
  readonly problems: readonly string[];
  readonly notices: readonly string[];
  readonly durationMs: number;
}

/** A task's backups at one destination, read from it alone. */
export interface TaskListing {
  readonly task: string;
  readonly chains: readonly ChainListing[];
  /** Objects below the task that are no part of a backup: litter, or foreign. */
  readonly strays: readonly string[];
}

export interface ChainListing {
  readonly chain: string;
  readonly type: TaskType;
  readonly source: SourceIdentity;
  readonly node: string;
  readonly generation: number;
  readonly backups: readonly BackupListing[];
  /** Why the chain, or its end, cannot be restored; empty when it can. */
  readonly problems: readonly string[];
}

export interface BackupListing {
  /** `chain/sequence`. */
  readonly backup: string;
  readonly sequence: number;
  readonly scope: Scope;
  readonly from?: Mark;
  readonly to: Mark;
  readonly rows: number;
  readonly rawBytes: number;
  readonly storedBytes: number;
  readonly chunks: number;
  readonly segments: number;
  readonly startedAtMs: number;
  readonly finishedAtMs: number;
  readonly restorable: boolean;
  /** Of its segments, those that the place's listing says are in cold storage; absent: none. */
  readonly cold?: ColdStock;
}

/** How many segments, and their bytes. */
export interface Volume {
  readonly segments: number;
  readonly bytes: number;
}

/** What lies in classes of storage that have to be thawed before it can be read, thawed or not. */
export interface ColdStock extends Volume {
  /** As the place names them, sorted. */
  readonly storageClasses: readonly string[];
}

export interface CheckRequest {
  /** Undefined: every task at the destination. */
  readonly task?: string;
  /** Chunk paths with `%` and `?`; backups (`chain/sequence`) or chains; empty: everything. */
  readonly paths: readonly string[];
}

export type FindingKind =
  | 'missing'
  | 'empty'
  | 'wrong size'
  | 'wrong checksum'
  | 'unreadable frame'
  | 'row count'
  | 'broken chain'
  | 'altered manifest';

export interface CheckFinding {
  readonly finding: FindingKind;
  readonly task: string;
  /** `chain/sequence`. */
  readonly backup: string;
  /** Of the chunk; absent when the whole backup or chain is meant. */
  readonly path?: string;
  /** Key of the object at the destination. */
  readonly object: string;
  readonly detail: string;
}

export interface CheckReport {
  readonly findings: readonly CheckFinding[];
  readonly backups: number;
  /** Read again, like the rows and bytes. */
  readonly chunks: number;
  readonly rows: number;
  readonly storedBytes: number;
  /** Only looked at, whether they are there and of the right size, because they are cold; absent: all was read. */
  readonly unread?: ColdStock & { readonly chunks: number };
  readonly durationMs: number;
}

export interface RestoreRequest {
  /** Undefined: the only task at the destination. */
  readonly task?: string;
  /** Undefined: the newest. A moment, or a backup's name (`chain/sequence`, or a chain: its newest). */
  readonly point?: { readonly timeMs: number } | { readonly backup: string };
  readonly noOwner: boolean;
  readonly verify: boolean;
  /** How long to wait for another restore into the same target. */
  readonly startTimeoutMs: number;
  /** Undefined: what would have to be thawed first is not restored. */
  readonly thaw?: ThawRequest;
}

export interface ThawRequest {
  readonly tier: ThawTier;
  /** How long it shall stay readable, where it goes back by itself. */
  readonly days: number;
  /** False: the restore ends when everything was asked for, unless nothing has to be waited for. */
  readonly wait: boolean;
}

export interface RestoreTools extends Tools {
  readonly destination: Destination;
  /** The server or file to restore into. */
  readonly target: Source;
  /** A local folder for what does not fit in memory. */
  readonly spillDirectory: string;
}

/** What a restore would do; shown by `--plan`. Plain data. */
export interface RestorePlanSummary {
  readonly task: string;
  readonly chain: string;
  readonly type: TaskType;
  readonly source: SourceIdentity;
  /** Backups that are read, in order. */
  readonly backups: readonly string[];
  /** The end of the last backup, or the moment inside it. */
  readonly point: { readonly timeMs: number; readonly position?: string; readonly exact: boolean };
  /** Paths that cannot be had at that moment; they come as of the backup before it. */
  readonly inexact: readonly string[];
  readonly tables: number;
  readonly chunks: number;
  readonly changes: number;
  readonly rows: number;
  readonly rawBytes: number;
  readonly storedBytes: number;
  readonly destination: string;
  readonly target: string;
  /** What stands in the way at the target. */
  readonly problems: readonly Finding[];
  /** Absent: nothing of what is read lies in cold storage. */
  readonly cold?: ColdPlan;
}

/** What a restore reads from classes of storage that have to be thawed first. */
export interface ColdPlan {
  /** Everything that it reads, cold or not. */
  readonly reads: Volume;
  readonly segments: readonly ColdSegment[];
  /** The same by class, sorted by name. */
  readonly classes: readonly ColdClass[];
  /** How what is cold can be thawed: the ways of its classes that the place has. */
  readonly ways: readonly ThawWay[];
}

export interface ColdSegment {
  /** Of its object at the destination. */
  readonly key: string;
  readonly bytes: number;
  readonly storageClass: string;
  readonly access: ObjectAccess;
}

export interface ColdClass extends Readonly<Record<ObjectAccess, Volume>> {
  readonly storageClass: string;
}

/** What a restore that does not wait has asked for. */
export interface ThawReport {
  readonly tier: ThawTier;
  readonly days: number;
  /** By this run. */
  readonly asked: Volume;
  /** Asked for before, and not readable yet. */
  readonly thawing: Volume;
  readonly thawed: Volume;
  /** Of what this run has asked for: when the place should have it ready, by this node's clock. Absent: it asked for nothing. */
  readonly readyByMs?: number;
}

export interface RestoreReport {
  readonly plan: RestorePlanSummary;
  /** Set: nothing was restored yet, because this has to be thawed first. */
  readonly thawing?: ThawReport;
  readonly tables: number;
  readonly rows: number;
  readonly verified: boolean;
  readonly resumedLoads: number;
  readonly durationsMs: Readonly<Record<string, number>>;
  readonly notices: readonly string[];
}
