import type { TaskRecord } from '@holdfast/coordinator';
import type { DeclaredTask } from '@holdfast/core';
import type { FreshnessQuestion } from '@holdfast/scheduler';
import { durationMs } from '../config/duration.ts';

/** What freshness is judged on. */
export function freshnessQuestion(
  record: TaskRecord,
  spec: DeclaredTask,
  runningSinceMs?: number,
): { readonly question: FreshnessQuestion; readonly graceMs: number | undefined } {
  const { lastGood, lastGoodFull, lastAttempt } = record;
  return {
    graceMs: spec.overdueAfter === undefined ? undefined : durationMs(spec.overdueAfter),
    question: {
      sinceMs: record.sinceMs,
      paused: record.pausedSinceMs !== undefined,
      disabled: spec.disabled === true,
      hasEverRun: lastGood !== undefined,
      ...(lastGood && { lastGoodMs: lastGood.asOfMs }),
      ...(lastGoodFull && { lastGoodFullMs: lastGoodFull.asOfMs }),
      ...(lastAttempt && { lastAttemptMs: lastAttempt.atMs }),
      ...(runningSinceMs !== undefined && { runningSinceMs }),
    },
  };
}
