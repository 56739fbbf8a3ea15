import type { ErrorRecord, RunEvent } from '@holdfast/core';
import type { DestinationCounts } from '@holdfast/destinations/wrap';
import type { RunReport, RunRequest } from './run-request.ts';

/** What a run's process is told. */
export type ParentMessage =
  | { readonly kind: 'run'; readonly request: RunRequest }
  | { readonly kind: 'abort'; readonly reason: ErrorRecord };

/** What it tells: any number of events, what was asked of destinations, then one answer, then it ends. */
export type ChildMessage =
  | { readonly kind: 'event'; readonly event: RunEvent }
  | { readonly kind: 'counts'; readonly counts: readonly DestinationCounts[] }
  | ChildAnswer;

export type ChildAnswer =
  | { readonly kind: 'done'; readonly report: RunReport }
  /** The stack is for whoever debugs a bug; it is not shown otherwise. */
  | { readonly kind: 'failed'; readonly error: ErrorRecord; readonly stack?: string };
