import type { RatePlan } from '@holdfast/destinations/wrap';
import type {
  BackupReport,
  BackupRequest,
  CheckReport,
  CheckRequest,
  CopyReport,
  CopyRequest,
  RestorePlanSummary,
  RestoreReport,
  RestoreRequest,
} from '@holdfast/engine';
import type { DestinationAddress } from './open.ts';

/**
 * One run, as plain data: it crosses to the run's process as a message, never in its arguments or environment,
 * because URLs may hold passwords. URLs may have placeholders (`interpolate.ts`); the run's process fills them in.
 */
export type RunRequest = BackupRun | CopyRun | CheckRun | RestoreRun;

export interface BackupRun {
  readonly kind: 'backup';
  readonly from: string;
  readonly to: readonly DestinationAddress[];
  /** How many destinations must hold the backup for it to count; undefined: all. */
  readonly require?: 'all' | number;
  /** Whether the run waits for destinations that are late when enough hold the backup; undefined: it waits. */
  readonly late?: 'wait' | 'leave';
  /** A backup need not fit into staging: it passes through. */
  readonly passage?: boolean;
  /** What all runs together may use of the staging folder's disk. */
  readonly stagingBytesMax?: number;
  /** How fast all its destinations together may be: this run's share of what its node may. */
  readonly nodeRate?: RatePlan;
  /** The local folder to build it in; undefined: the uploader's `defaultStagingRoot()`. */
  readonly staging?: string;
  /** Undefined: the engine's `defaultWorkers()`. */
  readonly workers?: number;
  readonly request: BackupRequest;
}

/** Brings a task's backups to a destination that lacks them. */
export interface CopyRun {
  readonly kind: 'copy';
  readonly from: readonly DestinationAddress[];
  readonly to: DestinationAddress;
  /** As that of a backup. */
  readonly nodeRate?: RatePlan;
  readonly staging?: string;
  readonly request: CopyRequest;
}

export interface CheckRun {
  readonly kind: 'check';
  readonly at: DestinationAddress;
  readonly workers?: number;
  readonly request: CheckRequest;
}

export interface RestoreRun {
  readonly kind: 'restore';
  readonly at: DestinationAddress;
  readonly to: string;
  /** Answers with the plan and changes nothing. */
  readonly planOnly: boolean;
  readonly staging?: string;
  readonly workers?: number;
  readonly request: RestoreRequest;
}

export type ReportOf<Run extends RunRequest> = Run extends BackupRun
  ? BackupReport
  : Run extends CopyRun
    ? CopyReport
    : Run extends CheckRun
      ? CheckReport
      : Run extends { readonly planOnly: true }
        ? RestorePlanSummary
        : Run extends { readonly planOnly: false }
          ? RestoreReport
          : RestorePlanSummary | RestoreReport;

export type RunReport = ReportOf<RunRequest>;
