import { setTimeout as sleep } from 'node:timers/promises';
import type { EtcdCluster } from '@holdfast/testing';
import { BenchCluster } from '../harness/bench-cluster.ts';
import { type ClusterProcess, type ClusterReport, sumOf } from '../harness/cluster-nodes.ts';
import type { StoreCounts } from '../harness/counting-store.ts';
import { callsByMethod, growth, readEtcdMetrics } from '../harness/etcd-metrics.ts';
import { Figures, type SuiteReport } from '../harness/report.ts';
import { type Measurement, median } from '../harness/rounds.ts';
import type { SuiteOptions } from '../harness/suite.ts';

const sizes = {
  small: { together: 2, each: 3, alone: 4, tasks: 100, aliveForMs: 10_000, moveAfterMs: 3_000, quietS: 60 },
  full: {
    together: 4,
    each: 10,
    alone: 10,
    tasks: 2_000,
    aliveForMs: 10_000,
    moveAfterMs: 30_000,
    quietS: 60,
  },
} as const;

type Size = (typeof sizes)[keyof typeof sizes];

/** Beyond the time to live and the wait, until all tasks have moved. */
const graceMs = 2_000;

const waitMsMax = 300_000;
/** What a start leaves to be written and read is over by then. */
const settleMs = 5_000;
/** However quiet it is, each node looks at every task again after so long. */
const lookAllMs = 62_000;

/** Nodes of one cluster, most of them ten to a process, the others in one of their own. */
export async function manyNodes(etcd: EtcdCluster, options: SuiteOptions): Promise<SuiteReport> {
  const { scale, log } = options;
  const size = sizes[scale];
  const nodes = size.together * size.each + size.alone;
  const measurements: Measurement[] = [];
  const remarks: string[] = [];
  const wrong: string[] = [];
  const stage: Stage = { etcd, options, size, nodes, measurements, remarks, wrong };
  await lifeOf(stage);
  log(`a start of ${nodes} nodes with ${size.tasks} tasks declared`);
  await startUp(stage).catch((error: unknown) =>
    measurements.push({ name: startUpName, seconds: [], notes: {}, failure: String(error) }),
  );
  const figures = new Figures(measurements);
  const limit = (size.aliveForMs + size.moveAfterMs + graceMs) / 1000;
  return {
    suite: `cluster, etcd with ${etcd.members.length} member${etcd.members.length > 1 ? 's' : ''}`,
    on: `${nodes} nodes, ${size.tasks} tasks; aliveFor ${size.aliveForMs / 1000} s, moveAfter ${size.moveAfterMs / 1000} s`,
    measurements,
    goals: [
      { what: 'written at rest', value: figures.note(quietName, 'puts'), limit: 0, unit: 'requests' },
      { what: `${dead(1)}, the worst`, value: figures.longest(dead(1)), limit, unit: 's' },
      { what: `${dead(size.each)}, the worst`, value: figures.longest(dead(size.each)), limit, unit: 's' },
    ],
    remarks,
    wrong,
  };
}

/** All nodes start, get tasks, rest, and some of them die. */
async function lifeOf(stage: Stage): Promise<void> {
  const { etcd, options, size, remarks } = stage;
  const { log } = options;
  await using cluster = await openCluster(stage, 'second');
  const processes = await startAll(cluster, stage);
  await declared(cluster, stage, processes);
  // Shares are evened out for a while after that: by nodes that have been there for long enough, at each one's next look.
  await sleep(size.moveAfterMs + lookAllMs);
  log(`quiet for ${size.quietS} s`);
  await quiet(cluster, stage);
  for (let round = 1; round <= Math.min(options.rounds, size.alone); round += 1) {
    log(`death of a node, round ${round}`);
    const [victim] = processes.alone.splice(0, 1);
    if (victim) processes.alone.push(await death(cluster, stage, victim));
  }
  log(`death of ${size.each} nodes at once`);
  const [victim] = processes.together;
  if (victim) await death(cluster, stage, victim);
  const { bytes } = await databaseSize(etcd);
  remarks.push(`etcd's database after all of it: ${(bytes / 1e6).toFixed(1)} MB`);
  const troubles = (await cluster.reports()).flatMap((report) => report.troubles);
  remarks.push(...troubles.slice(0, 5).map((trouble) => `told by a node: ${trouble}`));
}

const quietName = 'quiet, a node and minute';
const startUpName = 'start of all nodes until every task has one';

interface Stage {
  readonly etcd: EtcdCluster;
  readonly options: SuiteOptions;
  readonly size: Size;
  readonly nodes: number;
  readonly measurements: Measurement[];
  readonly remarks: string[];
  readonly wrong: string[];
}

interface Processes {
  readonly together: ClusterProcess[];
  readonly alone: ClusterProcess[];
}

function dead(nodes: number): string {
  return nodes === 1
    ? 'death of a node until its tasks moved'
    : `death of ${nodes} nodes until their tasks moved`;
}

function openCluster({ etcd, options, size }: Stage, name: string): Promise<BenchCluster> {
  const { aliveForMs, moveAfterMs } = size;
  const folder = options.workspace.path(`cluster-${etcd.members.length}-${name}`);
  return BenchCluster.open({ endpoints: etcd.urls, prefix: `/${name}/`, folder, aliveForMs, moveAfterMs });
}

async function startAll(cluster: BenchCluster, { size }: Stage): Promise<Processes> {
  const names = (process: number): string[] =>
    Array.from({ length: size.each }, (_, n) => `node-${process}-${n}`);
  const together = Array.from({ length: size.together }, (_, n) => cluster.start(names(n)));
  const alone = Array.from({ length: size.alone }, (_, n) => cluster.start([`alone-${n}`]));
  return { together: await Promise.all(together), alone: await Promise.all(alone) };
}

/** With everything declared before the first node comes. */
async function startUp(stage: Stage): Promise<void> {
  const { etcd, size, nodes, measurements, remarks } = stage;
  await using cluster = await openCluster(stage, 'first');
  const bytes = await cluster.declare(size.tasks);
  remarks.push(`the declared objects: ${(bytes / 1024).toFixed(0)} KiB, one record`);
  const before = await readEtcdMetrics(etcd.urls);
  const begin = performance.now();
  const taken = async (): Promise<{ readonly atMs: number; readonly there: number }> => {
    await cluster.untilTaken(size.tasks, { msMax: waitMsMax });
    return { atMs: performance.now(), there: cluster.view.nodes.size };
  };
  const first = cluster.untilAlive(1, waitMsMax).then(() => performance.now());
  const [{ atMs, there }, firstMs] = await Promise.all([taken(), first, startAll(cluster, stage)]);
  const seconds = (atMs - begin) / 1000;
  const sinceFirst = (atMs - firstMs) / 1000;
  await cluster.untilAlive(nodes, waitMsMax);
  await sleep(settleMs);
  const { notes, counted } = await costOf(cluster, { etcd, before, tasks: size.tasks });
  measurements.push({
    name: startUpName,
    seconds: [seconds],
    notes: { ...notes, 'since the first s': [sinceFirst] },
  });
  remarks.push(`start: ${counted}; ${there} of the nodes were there when the last task was taken`);
  remarks.push(`start: tasks by node, the most first: ${cluster.shares().slice(0, 8).join(', ')} …`);
}

/** Into a cluster that is there: tasks are spread over all nodes, and what a node needs for them is seen. */
async function declared(cluster: BenchCluster, stage: Stage, { alone }: Processes): Promise<void> {
  const { etcd, size, nodes, measurements, remarks, wrong } = stage;
  await cluster.untilAlive(nodes, waitMsMax);
  await sleep(settleMs);
  const empty = await Promise.all(alone.map((process) => process.report()));
  const before = await readEtcdMetrics(etcd.urls);
  const from = await databaseSize(etcd);
  const counts = sumOf(await cluster.reports()).counts;
  const begin = performance.now();
  await cluster.declare(size.tasks);
  await cluster.untilTaken(size.tasks, { msMax: waitMsMax });
  const seconds = [(performance.now() - begin) / 1000];
  await sleep(settleMs);
  const { notes, counted } = await costOf(cluster, { etcd, before, tasks: size.tasks, counts });
  measurements.push({ name: 'declared until every task has a node', seconds, notes });
  remarks.push(`declared: ${counted}`);
  const shares = cluster.shares();
  remarks.push(
    `declared: tasks by node: at most ${shares[0]}, at least ${shares.at(-1)}, median ${median(shares)}`,
  );
  if (shares.reduce((sum, each) => sum + each, 0) !== size.tasks) wrong.push('tasks by node do not add up');
  const full = await Promise.all(alone.map((process) => process.report()));
  const to = await databaseSize(etcd);
  measurements.push(
    memory('process of a node, no task', empty),
    memory(`process of a node, ${size.tasks} tasks in its view`, full),
  );
  remarks.push(
    `etcd's database: ${(from.bytes / 1e6).toFixed(1)} MB before, ${(to.bytes / 1e6).toFixed(1)} MB after`,
  );
}

function memory(name: string, reports: readonly ClusterReport[]): Measurement {
  return {
    name,
    seconds: [],
    notes: {
      'RSS MB': reports.map(({ rssBytes }) => rssBytes / 1e6),
      'heap MB': reports.map(({ heapBytes }) => heapBytes / 1e6),
    },
  };
}

/** Nothing is due and nobody comes or goes: what a node costs its store all the same. */
async function quiet(cluster: BenchCluster, stage: Stage): Promise<void> {
  const { etcd, size, nodes, measurements, remarks } = stage;
  const cpuOf = (reports: readonly ClusterReport[]): number =>
    reports.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0);
  const reportsBefore = await cluster.reports();
  const before = await readEtcdMetrics(etcd.urls);
  await sleep(size.quietS * 1000);
  const after = await readEtcdMetrics(etcd.urls);
  const reportsAfter = await cluster.reports();
  const perNodeMinute = (value: number): number => (value / nodes / size.quietS) * 60;
  const grown = (name: string, ...labels: string[]): number => growth(before, after, name, labels);
  const calls = callsByMethod(before, after);
  const puts = grown('etcd_mvcc_put_total') || grown('etcd_debugging_mvcc_put_total');
  const cpu = cpuOf(reportsAfter) - cpuOf(reportsBefore);
  measurements.push({
    name: quietName,
    seconds: [],
    notes: {
      requests: [perNodeMinute(Object.values(calls).reduce((sum, each) => sum + each, 0))],
      'KB in': [perNodeMinute(grown('etcd_network_client_grpc_received_bytes_total')) / 1000],
      'KB out': [perNodeMinute(grown('etcd_network_client_grpc_sent_bytes_total')) / 1000],
      puts: [perNodeMinute(puts)],
      'node CPU s': [perNodeMinute(cpu)],
      'etcd CPU s': [perNodeMinute(grown('process_cpu_seconds_total'))],
    },
  });
  const each = Object.entries(calls).map(([method, count]) => `${method} ${perNodeMinute(count).toFixed(1)}`);
  const asked = grown('grpc_server_msg_received_total', 'grpc_method="Watch"');
  remarks.push(
    `quiet, calls a node and minute: ${each.join(', ')}; in its watch ${perNodeMinute(asked).toFixed(1)}`,
  );
  const difference = differenceOf(sumOf(reportsAfter).counts, sumOf(reportsBefore).counts);
  remarks.push(`quiet, asked by all nodes together: ${textOf(difference)}`);
}

/** Sudden death of a process; its nodes' tasks move, and the first of the nodes comes back. Returns it. */
async function death(cluster: BenchCluster, stage: Stage, victim: ClusterProcess): Promise<ClusterProcess> {
  const { etcd, size, nodes, measurements, remarks } = stage;
  const { view } = cluster;
  const moved = victim.nodes.reduce((sum, node) => sum + view.tasksOf(node).size, 0);
  const before = await readEtcdMetrics(etcd.urls);
  const isGone = (): boolean => victim.nodes.every((node) => !view.nodes.has(node));
  const isMarked = (): boolean =>
    victim.nodes.every((node) =>
      [...view.tasksOf(node)].every((task) => view.task(task)?.value.notSuitable !== undefined),
    );
  const begin = performance.now();
  await cluster.kill(victim);
  const survivors = sumOf(await cluster.reports());
  let goneMs: number | undefined;
  let markedMs: number | undefined;
  const stop = view.onChange(() => {
    if (goneMs === undefined && isGone()) goneMs = performance.now() - begin;
    if (goneMs !== undefined && markedMs === undefined && isMarked()) markedMs = performance.now() - begin;
  });
  await cluster.untilTaken(size.tasks, { msMax: waitMsMax, not: victim.nodes });
  const seconds = (performance.now() - begin) / 1000;
  stop();
  await sleep(settleMs);
  const o = { etcd, before, tasks: moved, counts: survivors.counts, decisions: survivors.decisions };
  const { notes, counted } = await costOf(cluster, o);
  const name = dead(victim.nodes.length);
  addRound(measurements, name, {
    seconds: [seconds],
    notes: {
      ...notes,
      'gone s': [(goneMs ?? Number.NaN) / 1000],
      'marked s': [(markedMs ?? Number.NaN) / 1000],
    },
  });
  remarks.push(`${name}: ${moved} tasks; ${counted}`);
  const again = performance.now();
  const process = await cluster.start(victim.nodes.slice(0, 1));
  const startedS = (performance.now() - again) / 1000;
  const loadMs = process.started[0]?.loadMs ?? Number.NaN;
  addRound(measurements, 'start of one more node until it is known', {
    seconds: [startedS],
    notes: { 'load ms': [loadMs], 'join ms': [process.started[0]?.joinMs ?? Number.NaN] },
  });
  await cluster.untilAlive(nodes - victim.nodes.length + 1, waitMsMax);
  await sleep(settleMs);
  return process;
}

/** Each round adds to the one measurement of its name. */
function addRound(measurements: Measurement[], name: string, one: Omit<Measurement, 'name'>): void {
  const at = measurements.findIndex((each) => each.name === name);
  const before = measurements[at];
  if (before === undefined) {
    measurements.push({ name, ...one });
    return;
  }
  const notes: Record<string, readonly number[]> = { ...before.notes };
  for (const [note, values] of Object.entries(one.notes)) notes[note] = [...(notes[note] ?? []), ...values];
  measurements[at] = { name, seconds: [...before.seconds, ...one.seconds], notes };
}

interface CostOptions {
  readonly etcd: EtcdCluster;
  readonly before: Awaited<ReturnType<typeof readEtcdMetrics>>;
  readonly tasks: number;
  readonly counts?: StoreCounts;
  readonly decisions?: Readonly<Record<string, number>>;
}

/** What etcd counted, by the tasks that it was for, and what its nodes say they asked for. */
export async function costOf(
  cluster: BenchCluster,
  { etcd, before, tasks, counts, decisions = {} }: CostOptions,
): Promise<{ notes: Measurement['notes']; counted: string }> {
  const after = await readEtcdMetrics(etcd.urls);
  const now = sumOf(await cluster.reports());
  const calls = callsByMethod(before, after);
  const asked = counts ? differenceOf(now.counts, counts) : now.counts;
  const decided = Object.entries(now.decisions)
    .map(([kind, count]) => ({ kind, count: count - (decisions[kind] ?? 0) }))
    .filter(({ count }) => count > 0)
    .map(({ kind, count }) => `${kind} ${count}`);
  return {
    notes: {
      'Txn/task': [(calls.Txn ?? 0) / tasks],
      'conflicts/task': [asked.conflicts / tasks],
      'reads/task': [(asked.gets + asked.lists) / tasks],
    },
    counted: `${textOf(asked)}; decided ${decided.join(', ')}; Txn of etcd ${calls.Txn ?? 0}`,
  };
}

export function differenceOf(after: StoreCounts, before: StoreCounts): StoreCounts {
  const difference = { ...after };
  for (const name of Object.keys(difference) as (keyof StoreCounts)[]) difference[name] -= before[name];
  return difference;
}

function textOf(counts: StoreCounts): string {
  return Object.entries(counts)
    .map(([name, count]) => `${count} ${name}`)
    .join(', ');
}

async function databaseSize(etcd: EtcdCluster): Promise<{ readonly bytes: number }> {
  const metrics = await readEtcdMetrics(etcd.urls.slice(0, 1));
  return { bytes: metrics.get('etcd_mvcc_db_total_size_in_bytes') ?? Number.NaN };
}
