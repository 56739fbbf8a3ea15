import { expect, test } from 'vitest';
import { until } from '../harness/processes.ts';
import type { Cluster } from './cluster.fixture.ts';
import { sharedCluster } from './shared-cluster.fixture.ts';

let cluster: Cluster;
sharedCluster((opened) => {
  cluster = opened;
});

test('a node that stood still during a full takes nothing back, and what it still makes is beside the chain', async () => {
  const task = 'stood-still';
  const owner = await cluster.declare(task);
  const { run } = await cluster.catchFull(task, owner);
  await owner.freeze();
  const successor = await cluster.assertTakenOver(task, owner);
  const chains = await cluster.backupsOf(task).manifests();
  expect(chains.map(({ node }) => node)).toEqual([successor.name]);

  await owner.thaw();
  owner.wire.release();
  await owner.untilBack();
  await until('nothing of it runs any more', async () => {
    const { active } = await owner.running.client.getStatus({ signal });
    return active.length === 0;
  });
  await cluster.taskAt(owner, task, ({ node }) => node === successor.name);
  expect(await cluster.witness(owner).running.ended(run.id)).toMatchObject({
    node: owner.name,
    state: 'interrupted',
  });
  await cluster.assertSound(task, successor);
  // What it may have finished all the same is a full in a chain of its own, under the generation that it had.
  const late = (await cluster.backupsOf(task).manifests()).filter(({ node }) => node === owner.name);
  for (const manifest of late) expect(manifest).toMatchObject({ scope: 'full', generation: 1, sequence: 0 });
  await cluster.assertStory(task, [
    `1 assigned ${owner.name}: `,
    `1 not-suitable ${owner.name}: node ${owner.name} gives no sign of life`,
    `2 moved ${successor.name}: node ${owner.name} has given no sign of life for longer than moveAfter`,
    `2 ownership ${successor.name}: `,
  ]);
});

test('a node that stood still between two backups does not write its chain on', async () => {
  const task = 'stood-still-later';
  const owner = await cluster.declare(task);
  expect(await owner.running.run(task, 'full')).toMatchObject({ state: 'succeeded' });
  const { run } = await cluster.catchIncremental(task, owner);
  await owner.freeze();
  const successor = await cluster.assertTakenOver(task, owner);
  const before = await cluster.backupsOf(task).manifests();
  await owner.thaw();
  owner.wire.release();
  await owner.untilBack();
  await until('nothing of it runs any more', async () => {
    const { active } = await owner.running.client.getStatus({ signal });
    return active.length === 0;
  });
  expect(await cluster.witness(owner).running.ended(run.id)).toMatchObject({ state: 'interrupted' });
  await cluster.assertSound(task, successor);
  // An incremental that was on its way restores, if it came to be; nothing follows it.
  const own = (await cluster.backupsOf(task).manifests()).filter(({ node }) => node === owner.name);
  expect(own.length - before.filter(({ node }) => node === owner.name).length).toBeLessThanOrEqual(1);
  for (const { generation } of own) expect(generation).toBe(1);
});

test('the cluster waits for a node that is cut from everything, and then another makes a full', async () => {
  const task = 'cut-from-all';
  const owner = await cluster.declare(task);
  expect(await owner.running.run(task, 'full')).toMatchObject({ state: 'succeeded' });
  const { run } = await cluster.catchIncremental(task, owner);
  await owner.cutFromEtcd();
  await owner.cutFromDatabase();
  owner.wire.release();
  const successor = await cluster.assertTakenOver(task, owner);
  await cluster.assertGoesOn(task, successor);
  await owner.heal();
  await owner.untilBack();
  expect(await cluster.witness(owner).running.ended(run.id)).toMatchObject({ state: 'interrupted' });
  await cluster.assertSound(task, successor);
});

test('a node that is cut from the database keeps its task, says what is wrong, and goes on afterwards', async () => {
  const task = 'cut-from-database';
  const owner = await cluster.declare(task);
  expect(await owner.running.run(task, 'full')).toMatchObject({ state: 'succeeded' });
  const { run } = await cluster.catchIncremental(task, owner);
  await owner.cutFromDatabase();
  owner.wire.release();
  const ended = await owner.running.ended(run.id);
  expect(ended.state).toBe('failed');
  expect(['source_failed', 'unavailable']).toContain(ended.error?.code);
  expect(ended.error?.message).toContain('127.0.0.1');
  const again = await owner.running.run(task);
  expect(again).toMatchObject({ state: 'failed', node: owner.name, error: { code: 'unavailable' } });
  expect(again.error?.hint).toBeDefined();
  const view = await cluster.taskAt(
    cluster.witness(owner),
    task,
    ({ lastError }) => lastError?.run === again.id,
  );
  expect(view).toMatchObject({ node: owner.name, generation: 1, owner: { node: owner.name } });
  await owner.heal();
  await cluster.assertSound(task, owner);
  await cluster.assertStory(task, [`1 assigned ${owner.name}: `, `1 ownership ${owner.name}: `]);
});

const { signal } = new AbortController();
