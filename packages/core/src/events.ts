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
    };

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
