/**
 * What the cluster remembers, as it is kept in the store: one entry per task, run, node and message. Written by
 * transactions of this package alone; `keys.ts` says where.
 */
import type { DeclaredObjects, ErrorRecord, Scope } from '@holdfast/core';

/** All declared objects are one entry: an `apply` is one compare-and-set, whole or nothing. */
export interface ObjectsRecord {
  readonly objects: DeclaredObjects;
  readonly appliedAtMs: number;
}

/** Occurrences at or before these moments are settled: taken, skipped, missed or dropped. */
export interface Settled {
  readonly full: number;
  readonly incremental: number;
}

export interface TaskRecord {
  readonly task: string;
  /** The responsible node; only it takes occurrences. Empty while no node may run the task. */
  readonly node: string;
  /** Why that node, in words. */
  readonly nodeReason?: string;
  /** Somebody has seen that the responsible node cannot run it; another takes it after a while, unless that is over. */
  readonly notSuitable?: NotSuitable;
  /** Counts changes of the responsible node: the fencing token. */
  readonly generation: number;
  /** The schedule counts from here: declared, resumed or enabled. */
  readonly sinceMs: number;
  readonly settledMs: Settled;
  /** Who may make incrementals, and of which chain: granted by the commit of a full to the responsible node alone. */
  readonly owner?: IncrementalOwner;
  /** Whose full is the newest: a node that gets the task back goes on with its chain if it still is that one. */
  readonly newest?: IncrementalOwner;
  readonly pausedSinceMs?: number;
  readonly delayedUntilMs?: number;
  /** As declared when this node last looked: a change makes the schedule count anew. */
  readonly disabled?: boolean;
  readonly schedule?: string;
  readonly owed?: OwedRun;
  readonly running?: RunningRun;
  /** Runs that were lost with their nodes, or made apart: the next one ends what they may have begun in the source. */
  readonly forsaken?: readonly string[];
  /** So that ids of runs grow even where the clock goes back. */
  readonly lastRunId?: string;
  readonly lastAttempt?: LastAttempt;
  readonly lastGood?: GoodBackup;
  readonly lastGoodFull?: GoodBackup;
  /** By the destination's declared name. */
  readonly lastGoodAt: Readonly<Record<string, GoodBackup>>;
  /** Which destinations lack backups that exist elsewhere, by their declared names; undefined: none does. */
  readonly behind?: Readonly<Record<string, Behind>>;
  readonly lastError?: { readonly run: string; readonly atMs: number; readonly error: ErrorRecord };
  /** Told once each: what has been said and not yet been taken back by a recovery. */
  readonly failingSinceMs?: number;
  readonly overdueSinceMs?: number;
  readonly runsCount: number;
  /** No longer declared; kept for a while for its history, and for the generation. */
  readonly removedAtMs?: number;
}

export interface IncrementalOwner {
  readonly node: string;
  /** Under which the chain's full was made: part of the chain's name. */
  readonly generation: number;
  readonly chain: string;
}

export interface NotSuitable {
  /** By the clock of who saw it: for people. How long it lasts, each node measures itself, from when it saw this. */
  readonly sinceMs: number;
  readonly reason: string;
}

/** What a destination lacks, and what was done about it. */
export interface Behind {
  readonly sinceMs: number;
  /** The first run whose backup it lacks. */
  readonly run: string;
  /** How many backups it lacks; one that it got from a later run after all is still counted. */
  readonly backups: number;
  /** Copies that did not succeed since then. */
  readonly tries: number;
  readonly lastTriedAtMs?: number;
  /** Of the last try. */
  readonly error?: ErrorRecord;
  /** People were told. */
  readonly toldAtMs?: number;
}

/** A run that is owed besides the schedule. */
export interface OwedRun {
  readonly scope: Scope;
  readonly atMs: number;
  readonly reason: string;
  /** The interrupted run that it goes on with. */
  readonly resumes?: string;
  /** How many interrupted runs in a row have led here. */
  readonly attempts?: number;
}

export interface RunningRun {
  readonly run: string;
  readonly node: string;
  readonly scope: Scope;
  /** Undefined while it waits. */
  readonly startedAtMs?: number;
}

export interface LastAttempt {
  readonly run: string;
  readonly atMs: number;
  readonly state: RunState;
}

export interface GoodBackup {
  readonly run: string;
  readonly scope: Scope;
  /** `chain/sequence`; of an unchanged incremental: the backup that still is the newest. */
  readonly backup: string;
  /** The backup has everything that was there at this moment. */
  readonly asOfMs: number;
  readonly endedAtMs: number;
}

export const runStates = [
  'waiting',
  'running',
  'succeeded',
  'failed',
  'interrupted',
  'cancelled',
  'skipped',
] as const;
export type RunState = (typeof runStates)[number];
export type RunTrigger = 'schedule' | 'catch-up' | 'owed' | 'manual';

export interface RunRecord {
  readonly id: string;
  readonly task: string;
  readonly node: string;
  readonly generation: number;
  readonly state: RunState;
  readonly trigger: RunTrigger;
  /** As asked for; what was made is in `made`. */
  readonly scope: Scope;
  /** Why now, and why this scope, in words. */
  readonly reason: string;
  readonly occurrenceMs?: number;
  readonly dueMs?: number;
  /** Occurrences that this run stands for besides its own. */
  readonly missed?: number;
  readonly createdAtMs: number;
  readonly startedAtMs?: number;
  readonly endedAtMs?: number;
  readonly resumes?: string;
  readonly attempts?: number;
  /** The task's earlier backups are of another database, and that is meant. */
  readonly newSource?: boolean;
  readonly made?: RunResult;
  readonly error?: ErrorRecord;
}

export interface RunResult {
  readonly outcome: 'stored' | 'unchanged' | 'resumed';
  readonly scope: Scope;
  readonly backup: string;
  readonly reason: string;
  readonly rows: number;
  readonly changes: number;
  readonly rawBytes: number;
  readonly storedBytes: number;
  readonly segments: number;
  readonly notices: readonly string[];
  /** By the destination's declared name. */
  readonly destinations: readonly {
    readonly name: string;
    readonly stored: boolean;
    /** The backup exists without it: it gets its copy later. */
    readonly behind?: boolean;
    readonly error?: ErrorRecord;
  }[];
  readonly gap?: string;
}

/** A node's sign of life: it goes with the node's session. */
export interface NodeRecord {
  readonly node: string;
  /** Of this life of the node: two processes with one name differ in it. */
  readonly instance: string;
  readonly version: string;
  readonly startedAtMs: number;
  readonly tags: readonly string[];
  /** How many runs it carries out at once: its share of the tasks. */
  readonly capacity: number;
  /** Where other nodes reach its API; absent: nowhere. */
  readonly url?: string;
  /** By its own clock, when this was written: for a warning that clocks differ, and for nothing else. */
  readonly writtenAtMs: number;
}

/** What was decided of a task's responsible node, for people: kept for a while. */
export interface DecisionRecord {
  readonly task: string;
  readonly atMs: number;
  readonly kind:
    | 'assigned'
    | 'not-suitable'
    | 'suitable-again'
    | 'moved'
    | 'released'
    | 'ownership'
    | 'apart'
    | 'closed';
  /** The responsible node after it; empty: none. */
  readonly node: string;
  readonly generation: number;
  /** Who decided. */
  readonly by: string;
  readonly reason: string;
}

/** A message that waits to be delivered; written in the transaction of what it tells. */
export interface Message {
  readonly id: string;
  readonly event: 'failure' | 'recovery' | 'overdue' | 'behind';
  readonly task: string;
  /** That is behind, or no longer. */
  readonly destination?: string;
  readonly atMs: number;
  /** Whom it goes to: the name of a declared notification. */
  readonly to: string;
  readonly run?: string;
  readonly text: string;
  readonly error?: ErrorRecord;
  /** Who delivers it. */
  readonly node: string;
}
