import type { ErrorRecord } from './errors.ts';

/** What a run tells while it works. Plain data: crosses processes. */
export type RunEvent =
  | { readonly kind: 'step'; readonly step: RunStep; readonly detail?: string }
  | { readonly kind: 'notice'; readonly text: string }
  | {
      readonly kind: 'progress';
      readonly phase: string;
      /** What the work is measured in, done and in all; the total may grow, never below done. */
      readonly doneBytes: number;
      readonly totalBytes: number;
      readonly rows: number;
    }
  | PlanEvent
  | ChunksEvent
  | UploadEvent;

/** What a backup is going to read, told once, when its view is open. */
export interface PlanEvent {
  readonly kind: 'plan';
  /** In the order of the view, `plannedTablesMax` of them at most. */
  readonly tables: readonly PlannedTable[];
  /** Of all tables, listed or not. */
  readonly tablesTotal: number;
  /** Of everything, what belongs to no table included: the schema, sequences, an image. */
  readonly chunksTotal: number;
}

export interface PlannedTable {
  /** The first part of its chunks' paths: partitions and key ranges of one table are its chunks. */
  readonly table: string;
  readonly chunks: number;
  readonly estimatedBytes: number;
}

/** What was read since the last event of this kind, and how much that is in all. */
export interface ChunksEvent {
  readonly kind: 'chunks';
  /** Listed tables whose first chunk is being read now. */
  readonly started: readonly string[];
  /** Of listed tables, each at most once. */
  readonly done: readonly ReadChunks[];
  readonly tablesDone: number;
  readonly chunksDone: number;
}

export interface ReadChunks {
  readonly table: string;
  readonly chunks: number;
  /** Written ones: a chunk that was compared and is the same as before has none. */
  readonly rows: number;
  readonly bytes: number;
}

/** How far one destination is. */
export interface UploadEvent {
  readonly kind: 'upload';
  /** As a person may see it. */
  readonly destination: string;
  /** Its place among the destinations that the run was given. */
  readonly index: number;
  /** Taken by the destination; less than before where an attempt begins again. */
  readonly doneBytes: number;
  /** Of the segments that are closed so far: it grows while the run reads. */
  readonly totalBytes: number;
  readonly state: UploadState;
  readonly error?: ErrorRecord;
}

/**
 * - `pending`: nothing is on its way yet;
 * - `uploading`, then `confirming`: all was sent, and what the destination holds is compared with it;
 * - `stored`: its manifest was read back there;
 * - `behind`: the backup exists without it, and it gets its copy later;
 * - `failed`: this run does not bring it there.
 *
 * The last three are the last word of a run on a destination; a destination that failed may still become `behind`.
 */
export type UploadState = 'pending' | 'uploading' | 'confirming' | 'stored' | 'behind' | 'failed';

/** Whether it is the last word of a run on a destination. */
export function isLastWord(state: UploadState): boolean {
  return state === 'stored' || state === 'behind' || state === 'failed';
}

export const plannedTablesMax = 10_000;

/**
 * The steps of a run, in order. Between any two of them a crash leaves a committed backup or litter without a
 * manifest; tests kill the process at each.
 */
export const runSteps = [
  'run-created',
  'source-checked',
  'view-opened',
  'chunk-written',
  'segment-closed',
  'segment-stored',
  'dump-finished',
  'sealed',
  'manifest-stored',
  'manifest-confirmed',
  'committed',
  'acknowledged',
  'cleaned-up',
] as const;

export type RunStep = (typeof runSteps)[number];

export type Observer = (event: RunEvent) => void;
