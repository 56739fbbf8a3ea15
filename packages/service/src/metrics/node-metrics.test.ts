import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { RunRecord } from '@holdfast/coordinator';
import { register } from 'prom-client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { countedMetrics, type MetricRow, snapshotMetrics } from './metric-table.ts';
import type { MetricsSnapshot, TaskMetrics } from './metrics-snapshot.ts';
import { NodeMetrics } from './node-metrics.ts';

const page = await readFile(new URL('../../../../docs/metrics.md', import.meta.url), 'utf8');
const atMs = Date.UTC(2026, 10, 20, 14);

const orders: TaskMetrics = {
  task: 'orders',
  source: 'shop-db',
  type: 'logical',
  node: 'node-a',
  state: 'enabled',
  freshness: 'overdue',
  lastGoodMs: { full: atMs - 7_200_000, incremental: atMs - 3_600_000 },
  lastGoodAtMs: { near: atMs - 3_600_000, far: atMs - 7_200_000 },
  behind: { near: { ms: 0, backups: 0 }, far: { ms: 3_600_000, backups: 4 } },
  lastAttempt: { atMs: atMs - 1_500, state: 'failed' },
  nextMs: { full: atMs + 60_000, incremental: undefined },
  expectedMs: atMs - 900_000,
  overdueMs: 450_000,
  failing: true,
  runningTooLong: false,
};

const fresh: TaskMetrics = {
  task: 'crm',
  source: 'crm-db',
  type: 'snapshot',
  state: 'paused',
  freshness: 'waiting-first',
  lastGoodMs: {},
  lastGoodAtMs: {},
  behind: {},
  nextMs: {},
  failing: false,
  runningTooLong: false,
};

const snapshot: MetricsSnapshot = {
  node: 'node-a',
  version: '0.1.0',
  storeUp: true,
  nodes: 3,
  stagingFreeBytes: 5_000_000_000,
  services: [{ name: 'runner', failures: 2 }],
  tasks: [orders, fresh],
  runs: [
    { task: 'orders', state: 'running', stuck: true, ratio: 0.415, bytesPerSecond: 11_400_000 },
    { task: 'crm', state: 'waiting', stuck: false },
  ],
  copies: { waiting: 1, running: 2 },
  destinations: [
    {
      name: 'far',
      bytesWritten: 4_000,
      bytesRead: 50,
      calls: { write: 7, stat: 3 },
      failures: { timeout: 2 },
      retries: 2,
    },
  ],
};

function run(o: Partial<RunRecord> = {}): RunRecord {
  return {
    id: 'orders-20261120T140000000Z',
    task: 'orders',
    node: 'node-a',
    generation: 1,
    state: 'failed',
    trigger: 'schedule',
    scope: 'incremental',
    reason: 'schedule',
    createdAtMs: atMs,
    startedAtMs: atMs + 1_000,
    endedAtMs: atMs + 43_500,
    ...o,
  };
}

const made = (storedBytes: number, scope: 'full' | 'incremental'): NonNullable<RunRecord['made']> => ({
  outcome: 'stored',
  scope,
  backup: '20261120T140000Z-node-a-g1/0000',
  reason: '',
  rows: 1,
  changes: 0,
  rawBytes: 10 * storedBytes,
  storedBytes,
  segments: 1,
  notices: [],
  destinations: [],
});

/** The text format: what Prometheus makes of it. */
function parse(text: string) {
  const values = new Map<string, number>();
  const types = new Map<string, string>();
  const help = new Map<string, string>();
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const [, comment, about = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (comment !== undefined) {
      (comment === 'HELP' ? help : types).set(about, rest);
      continue;
    }
    const [, name = '', labels = '', value = ''] =
      /^([a-z_][a-z0-9_]*)(?:\{(.*)\})? (\S+)$/i.exec(line) ?? [];
    if (name === '') throw new Error(`not a line of the text format: ${line}`);
    const sorted = labels
      .split(/,(?=\w+=")/)
      .filter((one) => one !== '')
      .sort();
    const series = sorted.length === 0 ? name : `${name}{${sorted.join(',')}}`;
    if (values.has(series)) throw new Error(`twice: ${series}`);
    values.set(series, Number(value));
  }
  return { values, types, help };
}

let metrics: NodeMetrics;
beforeEach(() => {
  metrics = new NodeMetrics();
});
afterEach(() => metrics[Symbol.dispose]());

const rendered = async (of: MetricsSnapshot = snapshot): Promise<ReadonlyMap<string, number>> =>
  parse(await metrics.render(of)).values;
const seriesOf = (values: ReadonlyMap<string, number>, prefix: string): Record<string, number> =>
  Object.fromEntries([...values].filter(([name]) => name.startsWith(prefix)));

describe('metrics of a snapshot', () => {
  it('say what a task is and how its backups are', async () => {
    const values = await rendered();
    expect(seriesOf(values, 'holdfast_task_info')).toEqual({
      'holdfast_task_info{node="",source="crm-db",task="crm",type="snapshot"}': 1,
      'holdfast_task_info{node="node-a",source="shop-db",task="orders",type="logical"}': 1,
    });
    expect(seriesOf(values, 'holdfast_task_state{state="paused"')).toEqual({
      'holdfast_task_state{state="paused",task="crm"}': 1,
      'holdfast_task_state{state="paused",task="orders"}': 0,
    });
    const states = Object.entries(seriesOf(values, 'holdfast_task_freshness')).filter(
      ([, value]) => value === 1,
    );
    expect(states.map(([name]) => name)).toEqual([
      'holdfast_task_freshness{state="overdue",task="orders"}',
      'holdfast_task_freshness{state="waiting-first",task="crm"}',
    ]);
    expect(Object.keys(seriesOf(values, 'holdfast_task_freshness'))).toHaveLength(12);
  });

  it('have times in seconds, and none where nothing is known', async () => {
    const values = await rendered();
    const at = atMs / 1000;
    expect(seriesOf(values, 'holdfast_task_last_good')).toEqual({
      'holdfast_task_last_good_timestamp_seconds{scope="full",task="orders"}': at - 7200,
      'holdfast_task_last_good_timestamp_seconds{scope="incremental",task="orders"}': at - 3600,
      'holdfast_task_last_good_at_destination_timestamp_seconds{destination="near",task="orders"}': at - 3600,
      'holdfast_task_last_good_at_destination_timestamp_seconds{destination="far",task="orders"}': at - 7200,
    });
    expect(seriesOf(values, 'holdfast_task_last_attempt')).toEqual({
      'holdfast_task_last_attempt_timestamp_seconds{state="failed",task="orders"}': at - 1.5,
    });
    expect(seriesOf(values, 'holdfast_task_next_run')).toEqual({
      'holdfast_task_next_run_timestamp_seconds{scope="full",task="orders"}': at + 60,
    });
    expect(seriesOf(values, 'holdfast_task_expected')).toEqual({
      'holdfast_task_expected_timestamp_seconds{task="orders"}': at - 900,
    });
    expect(seriesOf(values, 'holdfast_task_overdue')).toEqual({
      'holdfast_task_overdue_seconds{task="orders"}': 450,
      'holdfast_task_overdue_seconds{task="crm"}': 0,
    });
    expect(values.get('holdfast_task_failing{task="orders"}')).toBe(1);
    expect(values.get('holdfast_task_running_too_long{task="orders"}')).toBe(0);
  });

  it('show runs and the node', async () => {
    const values = await rendered();
    expect(
      Object.fromEntries(
        [...values].filter(([name]) => /^holdfast_(run_[^ds]|run_stuck|runs_active)/.test(name)),
      ),
    ).toEqual({
      'holdfast_run_stuck{task="orders"}': 1,
      'holdfast_run_stuck{task="crm"}': 0,
      'holdfast_run_progress_ratio{task="orders"}': 0.415,
      'holdfast_run_bytes_per_second{task="orders"}': 11_400_000,
      'holdfast_runs_active{state="waiting"}': 1,
      'holdfast_runs_active{state="running"}': 1,
    });
    expect(values.get('holdfast_node_info{node="node-a",version="0.1.0"}')).toBe(1);
    expect(values.get('holdfast_store_up')).toBe(1);
    expect(values.get('holdfast_nodes_alive')).toBe(3);
    expect(values.get('holdfast_staging_free_bytes')).toBe(5_000_000_000);
    expect(values.get('holdfast_service_failures_total{service="runner"}')).toBe(2);
    expect(values.get('holdfast_event_loop_delay_seconds')).toBeGreaterThanOrEqual(0);
    expect(values.get('process_cpu_seconds_total')).toBeGreaterThan(0);
  });

  it('show what destinations lack, and what was asked of them', async () => {
    const values = await rendered();
    expect(
      Object.fromEntries(
        [...values].filter(([name]) => /^holdfast_(task_behind|destination|copies)/.test(name)),
      ),
    ).toEqual({
      'holdfast_task_behind_seconds{destination="near",task="orders"}': 0,
      'holdfast_task_behind_seconds{destination="far",task="orders"}': 3600,
      'holdfast_task_behind_backups{destination="near",task="orders"}': 0,
      'holdfast_task_behind_backups{destination="far",task="orders"}': 4,
      'holdfast_copies_active{state="waiting"}': 1,
      'holdfast_copies_active{state="running"}': 2,
      'holdfast_destination_written_bytes_total{destination="far"}': 4000,
      'holdfast_destination_read_bytes_total{destination="far"}': 50,
      'holdfast_destination_requests_total{call="write",destination="far"}': 7,
      'holdfast_destination_requests_total{call="stat",destination="far"}': 3,
      'holdfast_destination_requests_total{call="read",destination="far"}': 0,
      'holdfast_destination_requests_total{call="list",destination="far"}': 0,
      'holdfast_destination_retries_total{destination="far"}': 2,
      'holdfast_destination_failures_total{code="timeout",destination="far"}': 2,
      'holdfast_destination_failures_total{code="unavailable",destination="far"}': 0,
    });
  });

  it('are the present state each time: what is gone is gone', async () => {
    metrics.countRun(run());
    await rendered();
    const { stagingFreeBytes: _unknown, ...rest } = snapshot;
    const values = await rendered({
      ...rest,
      storeUp: false,
      tasks: [{ ...fresh, state: 'enabled' }],
      runs: [],
    });
    expect([...values.keys()].filter((name) => name.includes('task="orders"'))).toEqual([]);
    expect(Object.keys(seriesOf(values, 'holdfast_run_stuck'))).toEqual([]);
    expect(values.get('holdfast_runs_active{state="running"}')).toBe(0);
    expect(values.has('holdfast_staging_free_bytes')).toBe(false);
    expect(values.get('holdfast_store_up')).toBe(0);
    expect(values.get('holdfast_task_state{state="enabled",task="crm"}')).toBe(1);
    expect(values.get('holdfast_task_state{state="paused",task="crm"}')).toBe(0);
    expect(values.get('holdfast_service_failures_total{service="runner"}')).toBe(2);
  });

  it('are whole for each of two who ask at once', async () => {
    const [one, other] = await Promise.all([rendered(), rendered()]);
    expect(new Set(one?.keys())).toEqual(new Set(other?.keys()));
  });

  it('grow with tasks, and with nothing else', async () => {
    const many = (count: number): MetricsSnapshot => ({
      ...snapshot,
      runs: [],
      tasks: Array.from({ length: count }, (_, i) => ({ ...orders, task: `task-${i}` })),
    });
    const size = async (count: number): Promise<number> =>
      [...(await rendered(many(count))).keys()].filter((name) => name.startsWith('holdfast_')).length;
    const [ten, twenty] = [await size(10), await size(20)];
    expect((twenty - ten) / 10).toBeLessThan(40);
    for (let i = 0; i < 100; i++) metrics.countRun(run({ id: `orders-${i}` }));
    expect(await size(20)).toBe(twenty);
  });
});

describe('metrics of runs', () => {
  it('count each end, by the scope that was made', async () => {
    metrics.countRun(run({ state: 'succeeded', made: made(40_000, 'full') }));
    metrics.countRun(run({ state: 'succeeded', made: made(2_000, 'incremental') }));
    metrics.countRun(run());
    metrics.countRun(run({ state: 'interrupted' }));
    const values = await rendered();
    expect(values.get('holdfast_runs_total{scope="full",state="succeeded",task="orders"}')).toBe(1);
    expect(values.get('holdfast_runs_total{scope="incremental",state="succeeded",task="orders"}')).toBe(1);
    expect(values.get('holdfast_runs_total{scope="incremental",state="failed",task="orders"}')).toBe(1);
    expect(values.get('holdfast_runs_total{scope="incremental",state="interrupted",task="orders"}')).toBe(1);
    expect(values.get('holdfast_run_stored_bytes_total{task="orders"}')).toBe(42_000);
    expect(values.get('holdfast_run_duration_seconds_count{scope="incremental",task="orders"}')).toBe(2);
    expect(values.get('holdfast_run_duration_seconds_sum{scope="full",task="orders"}')).toBe(42.5);
    expect(values.get('holdfast_run_duration_seconds_bucket{le="15",scope="full",task="orders"}')).toBe(0);
    expect(values.get('holdfast_run_duration_seconds_bucket{le="60",scope="full",task="orders"}')).toBe(1);
  });

  it('begin with 0, so that the first failure is an increase', async () => {
    expect((await rendered()).get('holdfast_runs_total{scope="full",state="failed",task="orders"}')).toBe(0);
    metrics.countRun(run({ task: 'new', scope: 'full' }));
    const values = await rendered({ ...snapshot, tasks: [{ ...orders, task: 'new' }] });
    expect(values.get('holdfast_runs_total{scope="full",state="failed",task="new"}')).toBe(1);
    expect(values.get('holdfast_runs_total{scope="full",state="succeeded",task="new"}')).toBe(0);
  });

  it('have no duration of runs that never worked, and none below 0', async () => {
    const { startedAtMs: _never, ...waited } = run();
    metrics.countRun(waited);
    metrics.countRun(run({ endedAtMs: atMs - 5_000 }));
    const values = await rendered();
    expect(values.get('holdfast_run_duration_seconds_count{scope="incremental",task="orders"}')).toBe(1);
    expect(values.get('holdfast_run_duration_seconds_sum{scope="incremental",task="orders"}')).toBe(0);
  });
});

describe('a registry', () => {
  it('is its own, and two do not disturb each other', async () => {
    using other = new NodeMetrics();
    other.countRun(run());
    expect(
      (await rendered()).get('holdfast_runs_total{scope="incremental",state="failed",task="orders"}'),
    ).toBe(0);
    expect(register.getMetricsAsArray()).toEqual([]);
    expect(metrics.contentType).toMatch(/^text\/plain; version=0\.0\.4/);
  });

  it('does not keep a process alive', async () => {
    const module = new URL('./node-metrics.ts', import.meta.url).href;
    const code = `const { NodeMetrics } = await import('${module}'); new NodeMetrics(); console.log('ends');`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', code], {
      timeout: 8_000,
    });
    expect(stdout).toBe('ends\n');
  });
});

describe('docs/metrics.md', () => {
  const rows: Readonly<Record<string, MetricRow>> = { ...countedMetrics, ...snapshotMetrics };

  it('has each metric, with its type, labels and help, and no other', () => {
    const documented = [...page.matchAll(/^\| `(holdfast_\w+)` \| (\w+) \| (.*?) \| (.+) \|$/gm)];
    const table = documented.map(([, name = '', kind, labels = '', help]) => [
      name,
      { kind, labels: [...labels.matchAll(/`(\w+)`/g)].map(([, label]) => label), help },
    ]);
    expect(Object.fromEntries(table)).toEqual(rows);
    expect(table).toHaveLength(Object.keys(rows).length);
  });

  it('is true of what is told', async () => {
    metrics.countRun(run());
    const { types, help, values } = parse(await metrics.render(snapshot));
    const own = [...types].filter(([name]) => !/^(process|nodejs)_/.test(name));
    expect(Object.fromEntries(own)).toEqual(
      Object.fromEntries(Object.entries(rows).map(([name, { kind }]) => [name, kind])),
    );
    for (const [name, row] of Object.entries(rows)) {
      expect(help.get(name)).toBe(row.help);
      const series = [...values.keys()].filter(
        (one) => one.replace(/_(bucket|sum|count)?\{.*|\{.*/, '') === name || one === name,
      );
      expect(series.length, name).toBeGreaterThan(0);
    }
  });

  it('asks in its expressions for nothing that is not told', () => {
    const expressions = page.match(/^ +expr: .*$/gm)?.join('\n') ?? '';
    const asked = expressions.match(/holdfast_\w+/g) ?? [];
    expect(asked.length).toBeGreaterThanOrEqual(3);
    for (const name of asked) expect(Object.keys(rows)).toContain(name);
  });
});
