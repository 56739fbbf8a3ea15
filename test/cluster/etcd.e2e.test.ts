import { writeFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { assertFailure } from '../harness/failure.ts';
import { until } from '../harness/processes.ts';
import type { Cluster } from './cluster.fixture.ts';
import { sharedCluster } from './shared-cluster.fixture.ts';

let cluster: Cluster;
sharedCluster((opened) => {
  cluster = opened;
});

test('a run succeeds although the leader of etcd dies during it, and nothing moves', async () => {
  const task = 'leader-dies';
  const owner = await cluster.declare(task);
  const { run } = await cluster.catchFull(task, owner);
  const leader = await cluster.etcd.leader();
  await leader.kill();
  owner.wire.release();
  expect(await owner.running.ended(run.id)).toMatchObject({ state: 'succeeded', node: owner.name });
  await cluster.assertGoesOn(task, owner);
  await leader.restart();
  await cluster.assertSound(task, owner);
  await cluster.assertStory(task, [`1 assigned ${owner.name}: `, `1 ownership ${owner.name}: `]);
});

const stops = {
  'stands still': {
    stop: async () => {
      for (const member of cluster.etcd.members) member.freeze();
    },
    start: async () => {
      for (const member of cluster.etcd.members) member.thaw();
    },
  },
  'is killed': {
    stop: async () => {
      await Promise.all(cluster.etcd.members.map((member) => member.kill()));
    },
    start: async () => {
      await Promise.all(cluster.etcd.members.map((member) => member.spawn()));
      await Promise.all(cluster.etcd.members.map((member) => member.ready()));
    },
  },
};

test.each(Object.entries(stops))(
  'when all of etcd %s, owners go on and nothing moves',
  async (how, { stop, start }) => {
    const task = `etcd-${how.replace(' ', '-')}`;
    const owner = await cluster.declare(task, { incremental: '*/3 * * * * *' });
    const backups = cluster.backupsOf(task);
    const storesMore = async (): Promise<void> => {
      const before = (await backups.manifests()).length;
      await cluster.insertOrders();
      await until(`${owner.name} stores more`, async () => (await backups.manifests()).length > before);
    };
    await cluster.taskAt(owner, task, (view) => view.owner?.node === owner.name);
    const [full] = await backups.manifests();

    await stop();
    await Promise.all(cluster.nodes.map((node) => node.untilApart()));
    await storesMore();
    for (const node of cluster.nodes) {
      const { name, running } = node;
      const status = await running.client.getStatus({ signal });
      expect(status.problems).toContainEqual(
        expect.stringMatching(/^the store of the cluster cannot be reached/),
      );
      const tasks = await running.client.listTasks({ signal });
      expect(tasks.find((view) => view.name === task)?.node, name).toBe(owner.name);
      expect(await running.client.listNodes({ signal })).toHaveLength(cluster.nodes.length);
      const refused = await running.holdfast(['pause', task, '--json']);
      if (node === owner) continue;
      assertFailure(refused, {
        code: 'unavailable',
        exit: 3,
        says: ['the store of the cluster cannot be reached since'],
        hint: /try again when the store answers|when the store answers/,
      });
    }
    await owner.running.client.resumeTask({ task, signal });
    const file = cluster.folder.join('more.yaml');
    await writeFile(file, 'destinations: { more: { type: folder, path: /tmp/never-made } }\n');
    assertFailure(await owner.running.holdfast(['apply', '-f', file, '--json']), {
      code: 'unavailable',
      exit: 3,
      says: ['the store of the cluster cannot be reached since'],
      hint: 'when the store answers',
    });
    // Longer than anybody would wait for a single node: moveAfter, and each node's turn.
    await storesMore();
    await storesMore();

    await start();
    await Promise.all(cluster.nodes.map((node) => node.untilBack()));
    await storesMore();
    await cluster.pause(task);
    await cluster.assertSound(task, owner);
    const manifests = await backups.manifests();
    expect(new Set(manifests.map(({ chain }) => chain))).toEqual(new Set([full?.chain]));
    await cluster.assertStory(task, [
      `1 assigned ${owner.name}: `,
      `1 ownership ${owner.name}: `,
      `1 apart ${owner.name}: node ${owner.name} could not reach the store from `,
    ]);
  },
);

const { signal } = new AbortController();
