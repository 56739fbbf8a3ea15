import type {
  BackupReport,
  BackupRequest,
  CheckReport,
  CheckRequest,
  RestorePlanSummary,
  RestoreReport,
  RestoreRequest,
} from '@holdfast/engine';

/**
 * One run, as plain data: it crosses to the run's process as a message, never in its arguments or environment,
 * because URLs may hold passwords. URLs may have placeholders (`interpolate.ts`); the run's process fills them in.
 */
export type RunRequest = BackupRun | CheckRun | RestoreRun;

export interface BackupRun {
  readonly kind: 'backup';
  readonly from: string;
  readonly to: readonly string[];
  /** How many destinations must hold the backup for it to count; undefined: all. */
  readonly require?: 'all' | number;
  /** The local folder to build it in; undefined: the uploader's `defaultStagingRoot()`. */
  readonly staging?: string;
  /** Undefined: the engine's `defaultWorkers()`. */
  readonly workers?: number;
  readonly request: BackupRequest;
}

export interface CheckRun {
  readonly kind: 'check';
  readonly at: string;
  readonly workers?: number;
  readonly request: CheckRequest;
}

export interface RestoreRun {
  readonly kind: 'restore';
  readonly at: string;
  readonly to: string;
  /** Answers with the plan and changes nothing. */
  readonly planOnly: boolean;
  readonly staging?: string;
  readonly workers?: number;
  readonly request: RestoreRequest;
}

export type ReportOf<Run extends RunRequest> = Run extends BackupRun
  ? BackupReport
  : Run extends CheckRun
    ? CheckReport
    : Run extends { readonly planOnly: true }
      ? RestorePlanSummary
      : Run extends { readonly planOnly: false }
        ? RestoreReport
        : RestorePlanSummary | RestoreReport;

export type RunReport = ReportOf<RunRequest>;
