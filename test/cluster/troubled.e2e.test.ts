import { join } from 'node:path';
import { expect, test } from 'vitest';
import { assertFailure } from '../harness/failure.ts';
import { until } from '../harness/processes.ts';
import type { Cluster } from './cluster.fixture.ts';
import { ClusterNode } from './cluster-node.ts';
import { sharedCluster } from './shared-cluster.fixture.ts';

let cluster: Cluster;
// Elections take their time on a machine under load: nothing is to move here.
sharedCluster(
  (opened) => {
    cluster = opened;
  },
  {
    moveAfter: '5m',
    etcdArgs: ['--quota-backend-bytes', `${8 * 1024 * 1024}`],
  },
);

/** A fourth node, which differs in something. */
function oneMore(name: string, o: { readonly secret?: string; readonly env?: Record<string, string> }) {
  const { etcd, server, folder } = cluster;
  return ClusterNode.open({ name, folder: folder.path, etcd, server, moveAfter: '5m', ...o });
}

async function untilSaid(node: ClusterNode, words: readonly string[]): Promise<void> {
  let problems: readonly string[] = [];
  try {
    await until('the problem is told', async () => {
      problems = (await node.running.client.getStatus({ signal })).problems;
      return problems.some((problem) => words.every((word) => problem.includes(word)));
    });
  } catch (cause) {
    throw new Error(`${node.name} does not say ${words.join(' … ')}: ${problems.join('\n')}`, { cause });
  }
}

test('a node whose clock is an hour off is told of, and named, at every node', async () => {
  const NODE_OPTIONS = `--import ${join(import.meta.dirname, 'late-clock.mjs')}`;
  await using late = await oneMore('node-late', { env: { NODE_OPTIONS } });
  const [node] = cluster.nodes;
  if (!node) throw new Error('there are three nodes');
  await untilSaid(node, ['node-late', 'clock']);
  await untilSaid(late, [node.name, 'clock']);
});

test('a node that has another secret is told of, and named, on both sides', async () => {
  await using other = await oneMore('node-other', { secret: 'not-the-secret-of-this-cluster' });
  const [node] = cluster.nodes;
  if (!node) throw new Error('there are three nodes');
  await untilSaid(node, ['node-other', 'secret']);
  await untilSaid(other, [node.name, 'secret']);
});

test.each([
  [
    'pinned-to-nobody',
    '{ prefer: node-x, pin: true }',
    'the task is pinned to node node-x, which is not alive',
  ],
  ['tagged-for-nobody', '{ tags: [gpu] }', 'no node that takes tasks has all of the tags gpu'],
])('a task that no node may run has none, and says why: %s', async (task, nodes, reason) => {
  await cluster.apply(task, { nodes, incremental: '* * * * * *' });
  const node = cluster.witness();
  const view = await cluster.taskAt(node, task, (one) => one.node === undefined && one.nodeReason === reason);
  expect(view.generation).toBe(1);
  assertFailure(await node.running.holdfast(['run', task, '--json']), {
    code: 'precondition_failed',
    exit: 2,
    says: [`no node is responsible for task ${task}`],
    hint: reason,
  });
  expect(await node.running.history(task)).toEqual([]);
  // A node that comes and may have it is found at once.
  const owner = await cluster.declare(
    task,
    nodes.includes('pin') ? { nodes: '{ prefer: node-a, pin: true }' } : {},
  );
  await cluster.assertStory(task, [`1 assigned -: ${reason}`, `2 moved ${owner.name}: `]);
});

test('what was compacted while a node could not see it is read anew, and nothing is lost', async () => {
  const task = 'compacted';
  const owner = await cluster.declare(task);
  expect(await owner.running.run(task, 'full')).toMatchObject({ state: 'succeeded' });
  await cluster.etcd.compact();
  await cluster.assertGoesOn(task, owner);
  await owner.cutFromEtcd();
  await owner.untilApart();
  await cluster.apply('declared-meanwhile', {}, cluster.witness(owner));
  await cluster.etcd.compact();
  await owner.heal();
  await owner.untilBack();
  await cluster.taskAt(owner, 'declared-meanwhile', () => true);
  await cluster.assertSound(task, owner);
});

test('an etcd without room is told of, and work goes on as soon as there is room again', async () => {
  const task = 'no-room';
  const owner = await cluster.declare(task, { incremental: '*/2 * * * * *' });
  await cluster.taskAt(owner, task, (view) => view.owner?.node === owner.name);
  const { etcd } = cluster;
  for (let at = 0; !(await etcd.ctl('alarm', 'list')).includes('NOSPACE'); at += 1)
    await etcd.ctl('put', `/filler/${at}`, 'x'.repeat(100_000)).catch(() => undefined);
  await untilSaid(owner, ['database space exceeded']);
  assertFailure(await owner.running.holdfast(['pause', task, '--json']), {
    code: 'exhausted',
    exit: 3,
    says: ['database space exceeded'],
    hint: 'etcdctl alarm disarm',
  });
  await etcd.ctl('del', '--prefix', '/filler/');
  await etcd.compact();
  await etcd.ctl('defrag');
  await etcd.ctl('alarm', 'disarm');
  await owner.untilBack();
  const before = (await cluster.backupsOf(task).manifests()).length;
  await cluster.insertOrders();
  await until(
    'the schedule goes on',
    async () => (await cluster.backupsOf(task).manifests()).length > before,
  );
  await cluster.pause(task);
  await cluster.assertSound(task, owner);
  const chains = (await cluster.backupsOf(task).manifests()).map(({ chain }) => chain);
  expect(new Set(chains).size).toBe(1);
});

const { signal } = new AbortController();
