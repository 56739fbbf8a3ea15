import {
  noTask,
  ownsIncrementals,
  type RunRecord,
  type RunResult,
  type TaskRecord,
  timeOfRun,
} from '@holdfast/coordinator';
import { type DeclaredObjects, HoldfastError } from '@holdfast/core';
import type { RatePlan } from '@holdfast/destinations/wrap';
import type { BackupReport } from '@holdfast/engine';
import { toRunTargets } from '../objects/run-targets.ts';
import type { BackupRun } from '../run-request.ts';

/** What a run's process is told, and by which names its destinations are declared. */
export interface RunOrder {
  readonly run: BackupRun;
  /** In the order of `run.to`. */
  readonly destinations: readonly string[];
}

/** From what is declared when the run begins: later changes are for the next one. */
export function runOrder(
  objects: DeclaredObjects,
  o: {
    readonly run: RunRecord;
    /** The task's, as it is known when the run begins. */
    readonly record: TaskRecord | undefined;
    readonly staging: string;
    readonly workers?: number | undefined;
    readonly stagingBytesMax?: number | undefined;
    readonly nodeRate?: RatePlan | undefined;
  },
): RunOrder {
  const { run, record } = o;
  const spec = objects.tasks[run.task];
  if (!spec) throw noTask(run.task);
  const targets = toRunTargets(objects, run.task);
  const enabled = targets.destinations.filter(({ disabled }) => !disabled);
  if (enabled.length === 0) {
    throw new HoldfastError('config_invalid', `all backup destinations of task ${run.task} are disabled`, {
      hint: 'enable one of them, or give the task another; then holdfast apply',
    });
  }
  // A full that another node was asked for is a copy beside the chain: nothing is kept in the source for it.
  const isResponsible = record === undefined || record.node === run.node;
  const keepsChanges = spec.incremental !== undefined && isResponsible;
  const owned = record && ownsIncrementals(record) ? record.owner : undefined;
  return {
    destinations: enabled.map(({ name }) => name),
    run: {
      kind: 'backup',
      from: targets.from,
      to: enabled.map(({ address }) => address),
      staging: o.staging,
      require: spec.require,
      // The backup exists then, and a slow destination must not hold up the next run; it catches up.
      late: 'leave',
      ...(spec.staging === 'stream' && { passage: true }),
      ...(o.workers !== undefined && { workers: o.workers }),
      ...(o.stagingBytesMax !== undefined && { stagingBytesMax: o.stagingBytesMax }),
      ...(o.nodeRate && { nodeRate: o.nodeRate }),
      request: {
        task: run.task,
        // An incremental that cannot be made becomes a full, and says why: a backup is better than none.
        scope: run.scope === 'full' ? 'full' : 'auto',
        type: spec.type,
        // A task without incrementals leaves nothing in its source.
        keepChanges: keepsChanges ? 'if-possible' : false,
        // An interrupted full that is finished first counts as this one only if it is as new as this one has to be.
        resumedSinceMs:
          run.resumes === undefined ? (run.occurrenceMs ?? run.createdAtMs) : timeOfRun(run.resumes),
        node: run.node,
        generation: run.generation,
        ...(owned?.node === run.node && { ownedGeneration: owned.generation }),
        run: run.id,
        ...(isResponsible && record?.forsaken?.length && { forsaken: record.forsaken }),
        newSource: run.newSource ?? false,
      },
    },
  };
}

export function resultOf(report: BackupReport, order: RunOrder): RunResult {
  const { outcome, scope, backup, reason, rows, changes, rawBytes, storedBytes, segments, notices, gap } =
    report;
  return {
    outcome,
    scope,
    backup,
    reason,
    rows,
    changes,
    rawBytes,
    storedBytes,
    segments,
    notices: notices.slice(0, noticesMax),
    destinations: order.destinations.map((name, at) => {
      const { stored = true, error } = report.destinations[at] ?? {};
      // The backup exists: whoever does not hold it lacks it, whatever the run knows of the reason.
      return { name, stored, ...(!stored && { behind: true }), ...(error && { error }) };
    }),
    ...(gap !== undefined && { gap }),
  };
}

/** A record is for people to read; all notices are in the run's log. */
const noticesMax = 20;
