import type { TaskRecord } from '@holdfast/coordinator';
import { type DeclaredTask, version } from '@holdfast/core';
import { decideFreshness, nextOfEach } from '@holdfast/scheduler';
import type { MetricsSnapshot, RunMetrics, TaskMetrics } from '../metrics/metrics-snapshot.ts';
import { freshnessQuestion } from './freshness.ts';
import type { NodeParts } from './node-parts.ts';
import type { ActiveRun } from './runner.ts';
import { scheduleState } from './schedules.ts';
import { tasksOf } from './task-handlers.ts';
import { stateOf } from './views.ts';

/** Services without which the store is not known to answer. */
const storeServices = ['store', 'membership'];

/** What metrics show, as of now. */
export function takeSnapshot(
  parts: NodeParts,
  stagingFreeBytes: number | undefined,
): Omit<MetricsSnapshot, 'eventLoopDelayMs'> {
  const { config, supervisor, runner, catchUp, view, totals } = parts;
  const copiesIn = (wanted: string): number => catchUp.copies.filter(({ state }) => state === wanted).length;
  return {
    node: config.name,
    version,
    stagingFreeBytes,
    storeUp:
      parts.isMember() &&
      supervisor.states.every(({ name, state }) => !storeServices.includes(name) || state === 'working'),
    nodes: view.nodes.size,
    services: supervisor.states.map(({ name, failures }) => ({ name, failures })),
    tasks: tasksOf(parts).map(({ task, spec, record }) => taskMetrics(parts, { task, spec, record })),
    runs: runner.active.map((active) => runMetrics(active, config.limits.stallAfterMs)),
    copies: { waiting: copiesIn('waiting'), running: copiesIn('running') },
    destinations: Object.keys(view.objects.value.destinations).map((name) => ({ name, ...totals.of(name) })),
  };
}

function taskMetrics(
  { schedules, clock }: NodeParts,
  { task, spec, record }: { readonly task: string; readonly spec: DeclaredTask; readonly record: TaskRecord },
): TaskMetrics {
  const nowMs = clock.now();
  const schedule = schedules.of(task, spec);
  const runningSinceMs = record.running?.startedAtMs;
  const { question, graceMs } = freshnessQuestion(record, spec, runningSinceMs);
  const { state, expectedMs, overdueSinceMs, runningTooLong } = decideFreshness(
    schedule,
    question,
    nowMs,
    graceMs,
  );
  const { lastGood, lastGoodFull, lastAttempt } = record;
  const next = nextOfEach(schedule, scheduleState(record, spec), nowMs);
  return {
    task,
    source: spec.source,
    type: spec.type,
    node: record.node,
    state: stateOf(record, spec, nowMs),
    freshness: state,
    lastGoodMs: {
      full: lastGoodFull?.asOfMs,
      incremental: lastGood?.scope === 'incremental' ? lastGood.asOfMs : undefined,
    },
    lastGoodAtMs: Object.fromEntries(
      Object.entries(record.lastGoodAt).map(([name, good]) => [name, good.asOfMs]),
    ),
    behind: Object.fromEntries(
      spec.destinations.map((name) => {
        const { sinceMs = nowMs, backups = 0 } = record.behind?.[name] ?? {};
        return [name, { ms: Math.max(0, nowMs - sinceMs), backups }];
      }),
    ),
    lastAttempt: lastAttempt && { atMs: lastAttempt.atMs, state: lastAttempt.state },
    nextMs: { full: next.full?.atMs, incremental: next.incremental?.atMs },
    expectedMs,
    overdueMs: overdueSinceMs === undefined ? undefined : Math.max(0, nowMs - overdueSinceMs),
    failing: record.failingSinceMs !== undefined,
    runningTooLong,
  };
}

function runMetrics({ run, progress }: ActiveRun, stuckAfterMs: number): RunMetrics {
  if (run.state !== 'running') return { task: run.task, state: 'waiting', stuck: false };
  const { percent, bytesPerSecond } = progress.view();
  return {
    task: run.task,
    state: 'running',
    stuck: progress.stuckSinceMs(stuckAfterMs) !== undefined,
    ratio: percent / 100,
    bytesPerSecond,
  };
}
