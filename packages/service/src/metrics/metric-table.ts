export interface MetricRow {
  readonly kind: 'gauge' | 'counter' | 'histogram';
  readonly help: string;
  readonly labels: readonly string[];
}

/** What happens once is counted when it happens, by this node. */
export const countedMetrics = {
  holdfast_runs_total: {
    kind: 'counter',
    labels: ['task', 'scope', 'state'],
    help: 'Runs of this node that have ended, by how they ended, since it started.',
  },
  holdfast_run_duration_seconds: {
    kind: 'histogram',
    labels: ['task', 'scope'],
    help: 'How long runs that succeeded or failed have worked.',
  },
  holdfast_run_stored_bytes_total: {
    kind: 'counter',
    labels: ['task'],
    help: 'Bytes of backups that runs of this node have made, compressed, counted once however many destinations.',
  },
} as const satisfies Record<string, MetricRow>;

/** What is, is set anew each time that somebody asks. */
export const snapshotMetrics = {
  holdfast_task_info: {
    kind: 'gauge',
    labels: ['task', 'source', 'type', 'node'],
    help: '1 for each task; `node` is the responsible one, empty while there is none.',
  },
  holdfast_task_state: {
    kind: 'gauge',
    labels: ['task', 'state'],
    help: '1 for the state that the task is in: enabled, paused, delayed or disabled; 0 for the others.',
  },
  holdfast_task_freshness: {
    kind: 'gauge',
    labels: ['task', 'state'],
    help: '1 for what its backups are: disabled, paused, waiting-first, never-ran, fresh or overdue; 0 for the others.',
  },
  holdfast_task_last_good_timestamp_seconds: {
    kind: 'gauge',
    labels: ['task', 'scope'],
    help: 'The moment as of which the newest good backup of that scope has everything.',
  },
  holdfast_task_last_good_at_destination_timestamp_seconds: {
    kind: 'gauge',
    labels: ['task', 'destination'],
    help: 'The same of the newest good backup that this destination holds.',
  },
  holdfast_task_behind_seconds: {
    kind: 'gauge',
    labels: ['task', 'destination'],
    help: 'For how long this destination has lacked backups that exist elsewhere; 0 when it lacks none.',
  },
  holdfast_task_behind_backups: {
    kind: 'gauge',
    labels: ['task', 'destination'],
    help: 'How many backups this destination lacks that exist elsewhere.',
  },
  holdfast_task_last_attempt_timestamp_seconds: {
    kind: 'gauge',
    labels: ['task', 'state'],
    help: 'When the newest run was created; `state` is what has become of it.',
  },
  holdfast_task_next_run_timestamp_seconds: {
    kind: 'gauge',
    labels: ['task', 'scope'],
    help: 'When the schedule asks for the next run of that scope.',
  },
  holdfast_task_expected_timestamp_seconds: {
    kind: 'gauge',
    labels: ['task'],
    help: 'The occurrence that the next good backup has to answer; in the past, it is late.',
  },
  holdfast_task_overdue_seconds: {
    kind: 'gauge',
    labels: ['task'],
    help: 'For how long the task has been overdue; 0 when it is not.',
  },
  holdfast_task_failing: {
    kind: 'gauge',
    labels: ['task'],
    help: '1 from a failed run on until a run succeeds.',
  },
  holdfast_task_running_too_long: {
    kind: 'gauge',
    labels: ['task'],
    help: '1 when its run works for longer than its schedule leaves between two.',
  },
  holdfast_runs_active: {
    kind: 'gauge',
    labels: ['state'],
    help: 'Runs that are waiting or running on this node.',
  },
  holdfast_run_stuck: {
    kind: 'gauge',
    labels: ['task'],
    help: '1 when the run on this node has not got on for too long; absent without a run.',
  },
  holdfast_run_progress_ratio: {
    kind: 'gauge',
    labels: ['task'],
    help: 'How far the run on this node is, from 0 to 1.',
  },
  holdfast_run_bytes_per_second: {
    kind: 'gauge',
    labels: ['task'],
    help: 'How fast the run on this node reads at present.',
  },
  holdfast_copies_active: {
    kind: 'gauge',
    labels: ['state'],
    help: 'Copies from one destination to another that are waiting or running on this node.',
  },
  holdfast_destination_written_bytes_total: {
    kind: 'counter',
    labels: ['destination'],
    help: 'Bytes that runs and copies of this node have sent to the destination.',
  },
  holdfast_destination_read_bytes_total: {
    kind: 'counter',
    labels: ['destination'],
    help: 'Bytes that runs and copies of this node have read from the destination.',
  },
  holdfast_destination_requests_total: {
    kind: 'counter',
    labels: ['destination', 'call'],
    help: 'Calls of the destination: prepare, write, read, stat, list, delete, thaw; each attempt is one.',
  },
  holdfast_destination_retries_total: {
    kind: 'counter',
    labels: ['destination'],
    help: 'Calls of the destination that were tried again after they had failed.',
  },
  holdfast_destination_failures_total: {
    kind: 'counter',
    labels: ['destination', 'code'],
    help: 'Calls of the destination that failed, by the code of the error; tried again or not.',
  },
  holdfast_node_info: {
    kind: 'gauge',
    labels: ['node', 'version'],
    help: '1 for the node that answers.',
  },
  holdfast_event_loop_delay_seconds: {
    kind: 'gauge',
    labels: [],
    help: 'The longest time since the last question for which the node could do nothing else.',
  },
  holdfast_store_up: {
    kind: 'gauge',
    labels: [],
    help: "1 when the cluster's store answers this node, and the others see it alive.",
  },
  holdfast_nodes_alive: {
    kind: 'gauge',
    labels: [],
    help: 'Nodes of the cluster that are alive, as this node sees it.',
  },
  holdfast_staging_free_bytes: {
    kind: 'gauge',
    labels: [],
    help: "Room left where this node's staging is; absent when it cannot be told.",
  },
  holdfast_service_failures_total: {
    kind: 'counter',
    labels: ['service'],
    help: 'How often a part of the node failed and was started again.',
  },
} as const satisfies Record<string, MetricRow>;

export type SnapshotMetric = keyof typeof snapshotMetrics;
export type LabelsOf<N extends SnapshotMetric> = Readonly<
  Record<(typeof snapshotMetrics)[N]['labels'][number], string>
>;
