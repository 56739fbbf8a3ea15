import { DatabaseSync } from 'node:sqlite';
import type { NodeView } from '@holdfast/client';
import {
  type EtcdCluster,
  freePort,
  startEtcd,
  type TemporaryFolder,
  temporaryFolder,
} from '@holdfast/testing';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { until } from '../harness/processes.ts';
import { type Outcome, runHoldfast } from '../harness/run-holdfast.ts';
import { RunningNode } from '../harness/running-node.ts';

const { signal } = new AbortController();

let folder: TemporaryFolder;
let etcd: EtcdCluster;

beforeEach(async () => {
  folder = await temporaryFolder();
  etcd = await startEtcd();
});

afterEach(async () => {
  await etcd?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

function startNode(name: string, secret = 'one-secret-for-the-cluster'): Promise<RunningNode> {
  const endpoints = etcd.urls.join(', ');
  return RunningNode.start({
    folder: folder.join(name),
    name,
    config: `store: { type: etcd, endpoints: [${endpoints}] }\ncluster: { secret: "\${env:CLUSTER_SECRET}" }`,
    env: { CLUSTER_SECRET: secret },
  });
}

function makeShop(): string {
  const path = folder.join('shop.db');
  using database = new DatabaseSync(path);
  database.exec('CREATE TABLE orders (id INTEGER PRIMARY KEY, what TEXT)');
  database.exec("INSERT INTO orders (what) VALUES ('nails'), ('rope')");
  return path;
}

/** A task that node-b is to have. */
async function declare(node: RunningNode): Promise<void> {
  await node.apply(`sources:
  shop: { type: sqlite, path: ${makeShop()} }
destinations:
  near: { type: folder, path: ${folder.join('near')} }
tasks:
  shop: { source: shop, full: "0 3 1 1 *", destinations: [near], nodes: { prefer: node-b } }
`);
  await until('node-b has the task', async () => {
    const [task] = await node.client.listTasks({ signal });
    return task?.node === 'node-b';
  });
}

test('whichever node a command asks, it works for the cluster; a node that is gone is passed over', async () => {
  await using a = await startNode('node-a');
  await using b = await startNode('node-b');
  await declare(a);
  const dead = `http://127.0.0.1:${await freePort()}`;
  const ask = (...args: string[]): Promise<Outcome> =>
    runHoldfast(args, { env: { HOLDFAST_SERVER: `${dead},${a.url},${b.url}` } });

  const run = await ask('run', 'shop');
  expect(run).toMatchObject({ code: 0, stdout: expect.stringContaining('Full backup shop') });
  expect(run.stderr).toContain('has started on node-b');

  const logs = await ask('logs', 'shop');
  expect(logs).toMatchObject({ code: 0, stdout: expect.stringContaining('the run starts: full backup') });

  const nodes = JSON.parse((await ask('nodes', '--json')).stdout) as NodeView[];
  expect(nodes.map(({ name, reachable, tasks, owns }) => ({ name, reachable, tasks, owns }))).toEqual([
    { name: 'node-a', reachable: true, tasks: 0, owns: 0 },
    { name: 'node-b', reachable: true, tasks: 1, owns: 1 },
  ]);

  const other = await ask('run', 'shop', '--full', '--node', 'node-a');
  expect(other).toMatchObject({ code: 0, stderr: expect.stringContaining('has started on node-a') });
  const task = await a.client.getTask({ task: 'shop', signal });
  expect(task).toMatchObject({ node: 'node-b', owner: { node: 'node-b' } });

  const why = await ask('tasks', '--why', 'shop');
  expect(why).toMatchObject({ code: 0, stdout: expect.stringContaining('node-b') });

  expect(await a.signal('SIGTERM')).toMatchObject({ code: 0 });
  expect(await ask('status')).toMatchObject({ code: 0, stdout: expect.stringContaining('node-b, ') });
});

test('nodes whose secrets differ say so, and go on', async () => {
  await using a = await startNode('node-a');
  await using _b = await startNode('node-b', 'another-secret-for-a-cluster');
  await declare(a);
  const nodes = await a.holdfast(['nodes']);
  expect(nodes.stdout).toContain('the cluster.secret of node-a is not that of node-b');
  expect(nodes.stdout).not.toContain('for-the-cluster');
  expect(nodes.code).toBe(0);
  // What is written into the store needs no word between the nodes.
  const run = await a.holdfast(['run', 'shop']);
  expect(run).toMatchObject({ code: 0, stdout: expect.stringContaining('Full backup shop') });
  const logs = await a.holdfast(['logs', 'shop']);
  expect(logs.code).toBe(2);
  expect(logs.stderr).toContain('[unauthenticated] node-b could not be asked: the cluster.secret');
});
