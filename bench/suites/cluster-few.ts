import { setTimeout as sleep } from 'node:timers/promises';
import { type EtcdCluster, TcpProxy } from '@holdfast/testing';
import { BenchCluster } from '../harness/bench-cluster.ts';
import { sumOf } from '../harness/cluster-nodes.ts';
import { readEtcdMetrics } from '../harness/etcd-metrics.ts';
import type { SuiteReport } from '../harness/report.ts';
import type { Measurement } from '../harness/rounds.ts';
import type { SuiteOptions } from '../harness/suite.ts';
import { costOf } from './cluster-many.ts';

const sizes = { small: { tasks: 200 }, full: { tasks: 2_000 } } as const;

const aliveForMs = 10_000;
const moveAfterMs = 5_000;
const delayMs = 1;
const waitMsMax = 300_000;
const settleMs = 5_000;

/** Three nodes share all tasks, and etcd is some way off: what one of them leaves, two take over. */
export async function fewNodes(etcd: EtcdCluster, options: SuiteOptions): Promise<SuiteReport> {
  const { tasks } = sizes[options.scale];
  options.log(`three nodes with ${tasks} tasks, ${2 * delayMs} ms from etcd`);
  const measurements: Measurement[] = [];
  const remarks: string[] = [];
  const port = Number(new URL(etcd.urls[0] ?? '').port);
  await using proxy = await TcpProxy.open(port);
  proxy.toServer.delayMs = delayMs;
  proxy.toClient.delayMs = delayMs;
  const endpoints = [`http://127.0.0.1:${proxy.port}`];
  const folder = options.workspace.path('cluster-few');
  const place = { endpoints, prefix: '/few/', folder, aliveForMs, moveAfterMs };
  await using cluster = await BenchCluster.open(place, etcd.urls);
  const started = [await cluster.start(['a']), await cluster.start(['b']), await cluster.start(['c'])];
  await cluster.untilAlive(3, waitMsMax);
  await sleep(settleMs);
  let before = await readEtcdMetrics(etcd.urls);
  let asked = sumOf(await cluster.reports());
  let begin = performance.now();
  await cluster.declare(tasks);
  await cluster.untilTaken(tasks, { msMax: waitMsMax });
  const declared = (performance.now() - begin) / 1000;
  await sleep(settleMs);
  let cost = await costOf(cluster, { etcd, before, tasks, counts: asked.counts, decisions: asked.decisions });
  measurements.push({ name: 'declared until every task has a node', seconds: [declared], notes: cost.notes });
  remarks.push(`declared: ${cost.counted}`);
  const moved = cluster.view.tasksOf('a').size;
  before = await readEtcdMetrics(etcd.urls);
  if (started[0]) await cluster.kill(started[0]);
  asked = sumOf(await cluster.reports());
  let goneMs = Number.NaN;
  const taken: number[] = [];
  const stop = cluster.view.onChange(({ nodes }) => {
    if (nodes.has('a') && !cluster.view.nodes.has('a')) goneMs = performance.now();
    if (cluster.view.tasksOf('a').size < moved && taken.length === 0) taken.push(performance.now());
  });
  begin = performance.now();
  await cluster.untilTaken(tasks, { msMax: waitMsMax, not: ['a'] });
  const end = performance.now();
  stop();
  await sleep(settleMs);
  cost = await costOf(cluster, {
    etcd,
    before,
    tasks: moved,
    counts: asked.counts,
    decisions: asked.decisions,
  });
  measurements.push({
    name: 'death of a node until its tasks moved',
    seconds: [(end - begin) / 1000],
    notes: {
      ...cost.notes,
      'gone s': [(goneMs - begin) / 1000],
      'first to last s': [(end - (taken[0] ?? Number.NaN)) / 1000],
    },
  });
  remarks.push(`death: ${moved} tasks; ${cost.counted}`);
  return {
    suite: 'cluster, few nodes',
    on: `3 nodes, ${tasks} tasks, ${2 * delayMs} ms to etcd and back; aliveFor ${aliveForMs / 1000} s, moveAfter ${moveAfterMs / 1000} s`,
    measurements,
    goals: [
      {
        what: 'death of a node until its tasks moved',
        value: (end - begin) / 1000,
        limit: (aliveForMs + moveAfterMs + 2_000) / 1000,
        unit: 's',
      },
    ],
    remarks,
  };
}
