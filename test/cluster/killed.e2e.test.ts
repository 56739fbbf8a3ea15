import { expect, test } from 'vitest';
import { until } from '../harness/processes.ts';
import type { Cluster } from './cluster.fixture.ts';
import type { ClusterNode } from './cluster-node.ts';
import { sharedCluster } from './shared-cluster.fixture.ts';

let cluster: Cluster;
sharedCluster((opened) => {
  cluster = opened;
});

/** How the task got from one node to the other, in words. */
function moved(from: ClusterNode, to: ClusterNode): readonly string[] {
  return [
    `1 assigned ${from.name}: the task is new; chosen by hash among 3 suited nodes`,
    `1 not-suitable ${from.name}: node ${from.name} gives no sign of life`,
    `2 moved ${to.name}: node ${from.name} has given no sign of life for longer than moveAfter`,
    `2 ownership ${to.name}: `,
  ];
}

/** The run that died with its node is in the history as such. */
async function assertInterrupted(run: string, node: ClusterNode): Promise<void> {
  const view = await cluster.witness().running.ended(run);
  expect(view).toMatchObject({ node: node.name, state: 'interrupted' });
  expect(view.error?.message).toBe(`node ${node.name} went away during the run`);
}

/** The one that died takes nothing back. */
async function assertComesBack(node: ClusterNode, task: string, successor: ClusterNode): Promise<void> {
  await node.start();
  await cluster.assertSound(task, successor);
  await cluster.assertStory(task, moved(node, successor));
}

test('another node makes a full when the owner dies in the middle of its first one', async () => {
  const task = 'killed-in-full';
  const owner = await cluster.declare(task);
  const { run } = await cluster.catchFull(task, owner);
  await owner.kill();
  const successor = await cluster.assertTakenOver(task, owner);
  await assertInterrupted(run.id, owner);
  await assertComesBack(owner, task, successor);
  // What the dead one had begun has left nothing that is listed.
  const writers = (await cluster.backupsOf(task).manifests()).map(({ node }) => node);
  expect(new Set(writers)).toEqual(new Set([successor.name]));
});

test('another node begins a new chain when the owner dies in the middle of an incremental', async () => {
  const task = 'killed-in-incremental';
  const owner = await cluster.declare(task);
  expect(await owner.running.run(task, 'full')).toMatchObject({ state: 'succeeded', node: owner.name });
  await cluster.assertGoesOn(task, owner);
  const chain = await cluster.backupsOf(task).manifests();
  const { run } = await cluster.catchIncremental(task, owner);
  await owner.kill();
  const successor = await cluster.assertTakenOver(task, owner);
  await assertInterrupted(run.id, owner);
  await cluster.assertGoesOn(task, successor);
  await owner.start();
  await cluster.assertSound(task, successor);
  await cluster.assertStory(task, [
    `1 assigned ${owner.name}: `,
    `1 ownership ${owner.name}: `,
    ...moved(owner, successor).slice(1),
  ]);
  // The old chain is as it was.
  expect((await cluster.backupsOf(task).manifests()).filter(({ node }) => node === owner.name)).toEqual(
    chain,
  );
});

test('another node makes a full when the owner dies during an upload', async () => {
  const task = 'killed-in-upload';
  const owner = await cluster.declare(task, { bandwidth: '64KiB/s' });
  const { run } = await owner.running.client.runTask({ task, scope: 'full', signal });
  const backups = cluster.backupsOf(task);
  // The destination's own marker comes first.
  await until('something of the backup is there', async () =>
    (await backups.files()).some((name) => name.includes(`-${owner.name}-`)),
  );
  await owner.kill();
  expect(await backups.manifests()).toEqual([]);
  await cluster.declare(task);
  const successor = await cluster.assertTakenOver(task, owner);
  await assertInterrupted(run.id, owner);
  await assertComesBack(owner, task, successor);
});

test('a full whose commit nobody heard restores, and another node begins its own chain', async () => {
  const task = 'killed-before-commit';
  const owner = await cluster.declare(task);
  const { run } = await cluster.catchFull(task, owner);
  await owner.cutFromEtcd();
  owner.wire.release();
  const backups = cluster.backupsOf(task);
  await until('the manifest is there', async () => (await backups.manifests()).length > 0);
  await owner.kill();
  await owner.heal();
  const [made] = await backups.manifests();
  expect(made).toMatchObject({ node: owner.name, generation: 1, scope: 'full' });
  const successor = await cluster.assertTakenOver(task, owner);
  await assertInterrupted(run.id, owner);
  await assertComesBack(owner, task, successor);
  expect((await backups.manifests()).filter(({ node }) => node === owner.name)).toEqual([made]);
});

const { signal } = new AbortController();
