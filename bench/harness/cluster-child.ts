// A process with nodes of a cluster, each on a connection of its own, that does what cluster-nodes.ts asks of it and ends
// with whoever started it.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError, SystemClock } from '@holdfast/core';
import { openEmbeddedStore } from '@holdfast/stores/embedded';
import { openEtcdStore } from '@holdfast/stores/etcd';
import type { NodeConfig } from '../../packages/service/src/config/node-config.ts';
import { nodeLogger } from '../../packages/service/src/node/logger.ts';
import { NodeCore } from '../../packages/service/src/node/node-core.ts';
import type { ClusterReport, ClusterRequest, ClusterStart, Started } from './cluster-nodes.ts';
import { CountingStore, noCounts, type StoreCounts } from './counting-store.ts';

const clock = new SystemClock();
const { signal } = new AbortController();

/** Of the warnings and errors that the nodes tell. */
const troublesMax = 5;

const startsMax = 10;

const stores: CountingStore[] = [];
const decisions: Record<string, number> = {};
const troubles: string[] = [];

function write(text: string): void {
  const { component, decision, level, msg, node } = JSON.parse(text) as Record<string, string>;
  if (component === 'assigner' && decision !== undefined)
    decisions[decision] = (decisions[decision] ?? 0) + 1;
  if (level !== 'info' && troubles.length < troublesMax) troubles.push(`${node}: ${msg}`);
}

function configOf(
  name: string,
  { folder, aliveForMs, moveAfterMs, endpoints, prefix }: ClusterStart,
): NodeConfig {
  return {
    file: undefined,
    name,
    state: join(folder, name),
    staging: join(folder, name, 'staging'),
    listen: { address: '127.0.0.1:0', tls: undefined, token: undefined, hosts: [] },
    store: { type: 'etcd', endpoints, prefix, user: undefined, password: undefined, tls: undefined },
    storeWaitMs: 0,
    cluster: { secret: undefined, advertise: undefined, aliveForMs, moveAfterMs },
    limits: { runs: 1, perSource: 1, historyPerTask: 10, workers: 1, stallAfterMs: 600_000 },
    log: { level: 'info', format: 'json' },
    tags: [],
    stop: { drainForMs: 0 },
  };
}

async function startNode(name: string, start: ClusterStart): Promise<Started> {
  await using stack = new AsyncDisposableStack();
  const beginMs = performance.now();
  const config = configOf(name, start);
  await mkdir(config.staging, { recursive: true });
  const etcd = await openEtcdStore({ endpoints: start.endpoints, prefix: start.prefix, clock }, { signal });
  const store = stack.use(new CountingStore(etcd));
  const journal = stack.use(
    await openEmbeddedStore({ path: join(config.state, 'journal.db'), clock }, { signal }),
  );
  const core = await NodeCore.open(
    {
      config,
      clock,
      logger: nodeLogger({ level: 'info', format: 'json', node: name, write }),
      store,
      journal,
      instance: name,
      execute: () => Promise.reject(new Error('nothing was to be due')),
    },
    { signal },
  );
  const loadedMs = performance.now();
  await core.join({ signal });
  const joinedMs = performance.now();
  stack.move();
  stores.push(store);
  void core.run({ drain: signal, stop: signal, kill: signal }).catch((error: unknown) => {
    process.stderr.write(`node ${name} ended: ${String(error)}\n`);
    process.exit(1);
  });
  return { node: name, loadMs: loadedMs - beginMs, joinMs: joinedMs - loadedMs };
}

/** On a machine that is too busy etcd may not answer in time, and a session be over before it was used. */
async function startSurely(name: string, start: ClusterStart): Promise<Started> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await startNode(name, start);
    } catch (caught) {
      const error = HoldfastError.from(caught);
      if (!error.retryable || attempt === startsMax) throw caught;
      troubles.push(`${name} was started again: ${error.reason}`);
    }
  }
}

function report(): ClusterReport {
  const counts: StoreCounts = noCounts();
  for (const store of stores)
    for (const [name, count] of Object.entries(store.counts)) counts[name as keyof StoreCounts] += count;
  globalThis.gc?.();
  const { rss, heapUsed } = process.memoryUsage();
  const { user, system } = process.cpuUsage();
  return {
    rssBytes: rss,
    heapBytes: heapUsed,
    cpuSeconds: (user + system) / 1e6,
    counts,
    decisions,
    troubles,
  };
}

process.on('disconnect', () => process.exit(0));
process.on('message', async (request: ClusterRequest) => {
  if (request.kind === 'report') process.send?.(report());
  else {
    try {
      process.send?.(await Promise.all(request.nodes.map((name) => startSurely(name, request))));
    } catch (error) {
      process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
      process.exit(1);
    }
  }
});
