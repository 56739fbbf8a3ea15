import { expect, test } from 'vitest';
import { until } from '../harness/processes.ts';
import { slotsOf } from '../harness/server-state.ts';
import type { Cluster } from './cluster.fixture.ts';
import type { ClusterNode } from './cluster-node.ts';
import { sharedCluster } from './shared-cluster.fixture.ts';

const often = '*/3 * * * * *';

let cluster: Cluster;
sharedCluster((opened) => {
  cluster = opened;
});

/** There is something new in the shop, and the schedule has the node store it in its own chain. */
async function assertStoresMore(task: string, node: ClusterNode): Promise<void> {
  const own = async () => (await cluster.backupsOf(task).manifests()).filter((one) => one.node === node.name);
  const before = (await own()).length;
  await cluster.insertOrders();
  await until(`${node.name} stores more`, async () => (await own()).length > before);
}

async function ownerThatWorks(task: string, nodes?: string): Promise<ClusterNode> {
  const owner = await cluster.declare(task, { incremental: often, ...(nodes && { nodes }) });
  await cluster.taskAt(owner, task, (view) => view.owner?.node === owner.name);
  await assertStoresMore(task, owner);
  return owner;
}

test('a node that is cut from etcd for long goes on in its own chain, which ends when it hears of its successor', async () => {
  const task = 'cut-for-long';
  const owner = await ownerThatWorks(task);
  const witness = cluster.witness(owner);
  await owner.cutFromEtcd();
  await owner.untilApart();
  await assertStoresMore(task, owner);

  const successor = await cluster.assertTakenOver(task, owner);
  await assertStoresMore(task, successor);
  // Both work, and neither knows of the other.
  await assertStoresMore(task, owner);
  const kept = await slotsOf(cluster.server, 'shop');

  await owner.heal();
  await owner.untilBack();
  await cluster.taskAt(owner, task, ({ node }) => node === successor.name);
  await until('nothing runs at the old owner', async () => {
    const { active } = await owner.running.client.getStatus({ signal });
    return active.every((run) => run.task !== task || run.node !== owner.name);
  });
  const madeBy = async ({ name }: ClusterNode) =>
    (await cluster.backupsOf(task).manifests()).filter(({ node }) => node === name);
  const closed = await madeBy(owner);
  await assertStoresMore(task, successor);
  // The successor's next run has ended what the closed chain kept in the source.
  expect(await slotsOf(cluster.server, 'shop')).toHaveLength(kept.length - 1);
  await cluster.pause(task);
  await cluster.assertSound(task, successor);
  expect((await cluster.backupsOf(task).manifests()).filter(({ node }) => node === owner.name)).toEqual(
    closed,
  );

  await cluster.assertStory(task, [
    `1 assigned ${owner.name}: the task is new`,
    `1 ownership ${owner.name}: `,
    `1 not-suitable ${owner.name}: node ${owner.name} gives no sign of life`,
    `2 moved ${successor.name}: node ${owner.name} has given no sign of life for longer than moveAfter`,
    `2 ownership ${successor.name}: `,
    `2 closed ${successor.name}: node ${owner.name} could not reach the store from `,
  ]);
  // What it made meanwhile is in the history, and says why it counts no more.
  const history = await witness.running.history(task);
  const last = history.findLast(({ node, outcome }) => node === owner.name && outcome === 'stored');
  const backups = closed.map((one) => `${one.chain}/${String(one.sequence).padStart(4, '0')}`);
  expect(backups).toContain(last?.backup);
  expect(last).toMatchObject({
    node: owner.name,
    state: 'interrupted',
    error: {
      code: 'lease_lost',
      message: `the backup exists and restores, but its chain is closed: node ${successor.name} is responsible since generation 2`,
    },
  });
});

test('a node that is cut from etcd while no other may have its task keeps it, and its chain goes on', async () => {
  const task = 'cut-and-pinned';
  const owner = await ownerThatWorks(task, '{ prefer: node-b, pin: true }');
  expect(owner.name).toBe('node-b');
  await owner.cutFromEtcd();
  await owner.untilApart();
  await assertStoresMore(task, owner);
  await until('the others miss it', async () => {
    const nodes = await cluster.witness(owner).running.client.listNodes({ signal });
    return nodes.some(({ name, alive }) => name === owner.name && !alive);
  });
  await assertStoresMore(task, owner);
  await owner.heal();
  await owner.untilBack();
  await assertStoresMore(task, owner);
  await cluster.pause(task);
  await cluster.assertSound(task, owner);

  const manifests = await cluster.backupsOf(task).manifests();
  expect(manifests.map(({ sequence }) => sequence)).toEqual(manifests.map((_, at) => at));
  expect(manifests.filter(({ scope }) => scope === 'full')).toHaveLength(1);
  await cluster.assertStory(task, [
    '1 assigned node-b: the task is new; the task is pinned to it',
    '1 ownership node-b: ',
    '1 apart node-b: node node-b could not reach the store from ',
  ]);
  // The others know of every backup.
  const history = await cluster.witness(owner).running.history(task);
  const stored = history.filter(({ state, outcome }) => state === 'succeeded' && outcome === 'stored');
  expect(stored.map(({ backup }) => backup)).toEqual(
    manifests.map(({ chain, sequence }) => `${chain}/${String(sequence).padStart(4, '0')}`),
  );
});

const { signal } = new AbortController();
