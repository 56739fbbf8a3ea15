import type { DestinationTotal } from './destination-totals.ts';
import type { LabelsOf, SnapshotMetric } from './metric-table.ts';

/** What a node knows at one moment, as metrics show it: times in milliseconds since 1970, durations in milliseconds. */
export interface MetricsSnapshot {
  readonly node: string;
  readonly version: string;
  readonly storeUp: boolean;
  /** Alive in the cluster. */
  readonly nodes: number;
  readonly stagingFreeBytes?: number | undefined;
  readonly services: readonly { readonly name: string; readonly failures: number }[];
  readonly tasks: readonly TaskMetrics[];
  /** Of this node. */
  readonly runs: readonly RunMetrics[];
  /** Of this node, by their state. */
  readonly copies: { readonly waiting: number; readonly running: number };
  readonly destinations: readonly DestinationMetrics[];
}

/** What this node has asked of a declared destination. */
export interface DestinationMetrics extends DestinationTotal {
  readonly name: string;
}

/** What a destination lacks. */
export interface BehindMetrics {
  readonly ms: number;
  readonly backups: number;
}

export const taskStates = ['enabled', 'paused', 'delayed', 'disabled'] as const;
export const freshnessStates = [
  'disabled',
  'paused',
  'waiting-first',
  'never-ran',
  'fresh',
  'overdue',
] as const;
const activeStates = ['waiting', 'running'] as const;

interface ByScope {
  readonly full?: number | undefined;
  readonly incremental?: number | undefined;
}

export interface TaskMetrics {
  readonly task: string;
  readonly source: string;
  readonly type: string;
  /** The responsible one. */
  readonly node?: string | undefined;
  readonly state: (typeof taskStates)[number];
  readonly freshness: (typeof freshnessStates)[number];
  /** The newest good backup of each scope. */
  readonly lastGoodMs: ByScope;
  readonly lastGoodAtMs: Readonly<Record<string, number>>;
  /** Of each destination of the task. */
  readonly behind: Readonly<Record<string, BehindMetrics>>;
  readonly lastAttempt?: { readonly atMs: number; readonly state: string } | undefined;
  readonly nextMs: ByScope;
  readonly expectedMs?: number | undefined;
  /** For how long; absent or 0 when it is not. */
  readonly overdueMs?: number | undefined;
  readonly failing: boolean;
  readonly runningTooLong: boolean;
}

export interface RunMetrics {
  readonly task: string;
  readonly state: (typeof activeStates)[number];
  readonly stuck: boolean;
  /** From 0 to 1. */
  readonly ratio?: number | undefined;
  readonly bytesPerSecond?: number | undefined;
}

export interface Sample {
  readonly name: SnapshotMetric;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** The values of all metrics that a snapshot, and what was measured with it, has something to say about. Pure. */
export function samplesOf(
  snapshot: MetricsSnapshot,
  { eventLoopDelayMs }: { readonly eventLoopDelayMs: number },
): readonly Sample[] {
  const { node, version, services, tasks, runs, stagingFreeBytes } = snapshot;
  return [
    ...sample('holdfast_node_info', { node, version }, 1),
    ...sample('holdfast_store_up', {}, snapshot.storeUp),
    ...sample('holdfast_nodes_alive', {}, snapshot.nodes),
    ...sample('holdfast_event_loop_delay_seconds', {}, seconds(eventLoopDelayMs)),
    ...sample('holdfast_staging_free_bytes', {}, stagingFreeBytes),
    ...services.flatMap(({ name, failures }) =>
      sample('holdfast_service_failures_total', { service: name }, failures),
    ),
    ...tasks.flatMap(samplesOfTask),
    ...activeStates.flatMap((state) =>
      sample('holdfast_runs_active', { state }, runs.filter((run) => run.state === state).length),
    ),
    ...runs.flatMap(samplesOfRun),
    ...activeStates.flatMap((state) => sample('holdfast_copies_active', { state }, snapshot.copies[state])),
    ...snapshot.destinations.flatMap(samplesOfDestination),
  ];
}

function samplesOfTask(of: TaskMetrics): readonly Sample[] {
  const { task, source, type, node = '', lastAttempt, lastGoodMs, nextMs } = of;
  return [
    ...sample('holdfast_task_info', { task, source, type, node }, 1),
    ...taskStates.flatMap((state) => sample('holdfast_task_state', { task, state }, state === of.state)),
    ...freshnessStates.flatMap((state) =>
      sample('holdfast_task_freshness', { task, state }, state === of.freshness),
    ),
    ...scopes.flatMap((scope) => [
      ...sample('holdfast_task_last_good_timestamp_seconds', { task, scope }, seconds(lastGoodMs[scope])),
      ...sample('holdfast_task_next_run_timestamp_seconds', { task, scope }, seconds(nextMs[scope])),
    ]),
    ...Object.entries(of.lastGoodAtMs).flatMap(([destination, ms]) =>
      sample('holdfast_task_last_good_at_destination_timestamp_seconds', { task, destination }, seconds(ms)),
    ),
    ...Object.entries(of.behind).flatMap(([destination, { ms, backups }]) => [
      ...sample('holdfast_task_behind_seconds', { task, destination }, seconds(ms)),
      ...sample('holdfast_task_behind_backups', { task, destination }, backups),
    ]),
    ...(lastAttempt
      ? sample(
          'holdfast_task_last_attempt_timestamp_seconds',
          { task, state: lastAttempt.state },
          seconds(lastAttempt.atMs),
        )
      : []),
    ...sample('holdfast_task_expected_timestamp_seconds', { task }, seconds(of.expectedMs)),
    ...sample('holdfast_task_overdue_seconds', { task }, seconds(of.overdueMs ?? 0)),
    ...sample('holdfast_task_failing', { task }, of.failing),
    ...sample('holdfast_task_running_too_long', { task }, of.runningTooLong),
  ];
}

function samplesOfRun({ task, stuck, ratio, bytesPerSecond }: RunMetrics): readonly Sample[] {
  return [
    ...sample('holdfast_run_stuck', { task }, stuck),
    ...sample('holdfast_run_progress_ratio', { task }, ratio),
    ...sample('holdfast_run_bytes_per_second', { task }, bytesPerSecond),
  ];
}

/** There from the start, so that the first write and its first failure are an increase. */
const firstCalls = { write: 0, read: 0, list: 0 };
const firstFailures = { unavailable: 0 };

function samplesOfDestination(of: DestinationMetrics): readonly Sample[] {
  const { name: destination } = of;
  const calls = Object.entries({ ...firstCalls, ...of.calls });
  const failures = Object.entries({ ...firstFailures, ...of.failures });
  return [
    ...sample('holdfast_destination_written_bytes_total', { destination }, of.bytesWritten),
    ...sample('holdfast_destination_read_bytes_total', { destination }, of.bytesRead),
    ...sample('holdfast_destination_retries_total', { destination }, of.retries),
    ...calls.flatMap(([call, value]) =>
      sample('holdfast_destination_requests_total', { destination, call }, value),
    ),
    ...failures.flatMap(([code, value]) =>
      sample('holdfast_destination_failures_total', { destination, code }, value),
    ),
  ];
}

const scopes = ['full', 'incremental'] as const;

/** None where nothing is known: an absent value is no zero. */
function sample<N extends SnapshotMetric>(
  name: N,
  labels: LabelsOf<N>,
  value: number | boolean | undefined,
): readonly Sample[] {
  const number = Number(value);
  return value === undefined || !Number.isFinite(number) ? [] : [{ name, labels, value: number }];
}

function seconds(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : ms / 1000;
}
