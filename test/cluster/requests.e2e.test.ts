import { expect, test } from 'vitest';
import { assertFailure } from '../harness/failure.ts';
import { until } from '../harness/processes.ts';
import { runHoldfast } from '../harness/run-holdfast.ts';
import type { Cluster } from './cluster.fixture.ts';
import type { ClusterNode } from './cluster-node.ts';
import { sharedCluster } from './shared-cluster.fixture.ts';

let cluster: Cluster;
// Nothing moves because of a node that is away for a moment.
sharedCluster(
  (opened) => {
    cluster = opened;
  },
  { moveAfter: '5m' },
);

/** Neither the one nor any other of those. */
function another(...but: readonly ClusterNode[]): ClusterNode {
  const found = cluster.nodes.find((node) => !but.includes(node));
  if (!found) throw new Error('no node is left');
  return found;
}

async function ok(node: ClusterNode, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await node.running.holdfast(args);
  expect(code, stderr).toBe(0);
  return stdout;
}

test('a full that another node makes on request takes nothing from the owner, whose chain goes on', async () => {
  const task = 'asked-of-another';
  const owner = await cluster.declare(task);
  const { backup } = await owner.running.run(task, 'full');
  await cluster.insertOrders();
  const other = another(owner);
  const asked = another(owner, other);
  const { run } = JSON.parse(await ok(asked, 'run', task, '--full', '--node', other.name, '--json'));
  expect(run).toMatchObject({ node: other.name, state: 'succeeded', scopeMade: 'full', generation: 1 });
  expect(run.backup).toMatch(new RegExp(`-${other.name}-g1/0000$`));
  const view = await cluster.taskAt(asked, task, ({ lastGood }) => lastGood?.backup === run.backup);
  expect(view).toMatchObject({ node: owner.name, generation: 1 });
  expect(view.owner).toEqual({ node: owner.name, chain: backup?.split('/')[0] });

  const next = await cluster.assertGoesOn(task, owner);
  expect(next.backup).toBe(`${backup?.split('/')[0]}/0001`);
  assertFailure(
    await asked.running.holdfast(['run', task, '--incremental', '--node', other.name, '--json']),
    {
      code: 'precondition_failed',
      exit: 2,
      says: [other.name, `node ${owner.name} does`],
      hint: `holdfast run ${task} --full --node ${other.name}`,
    },
  );
  await cluster.assertSound(task, owner);
  await cluster.assertStory(task, [`1 assigned ${owner.name}: `, `1 ownership ${owner.name}: `]);
});

test('a node that is to be drained ends what it does, gives its tasks away, and gets none until that is undone', async () => {
  const task = 'drained';
  const owner = await cluster.declare(task);
  const asked = another(owner);
  const { run } = await cluster.catchFull(task, owner);
  expect(await ok(asked, 'nodes', 'drain', owner.name)).toContain(owner.name);
  // It is told to all, and the run goes on.
  expect(await ok(owner, 'nodes')).toMatch(new RegExp(`${owner.name}.*drain`));
  const during = await cluster.taskAt(asked, task, ({ running }) => running?.run === run.id);
  expect(during).toMatchObject({ node: owner.name, generation: 1 });
  owner.wire.release();
  expect(await asked.running.ended(run.id)).toMatchObject({ state: 'succeeded', node: owner.name });

  const view = await cluster.taskAt(asked, task, ({ node }) => node !== owner.name && node !== undefined);
  expect(view).toMatchObject({ generation: 2, nodeReason: `node ${owner.name} drains` });
  const successor = cluster.node(view.node ?? '');
  const first = await asked.running.run(task);
  expect(first).toMatchObject({ state: 'succeeded', node: successor.name, scopeMade: 'full' });
  const elsewhere = await cluster.declare('declared-during-drain', { nodes: `{ prefer: ${owner.name} }` });
  expect(elsewhere.name).not.toBe(owner.name);

  // A restart does not undo it.
  await owner.stop();
  await owner.start();
  const node = async () =>
    (await asked.running.client.listNodes({ signal })).find(({ name }) => name === owner.name);
  expect(await node()).toMatchObject({ draining: true, tasks: 0, alive: true });
  await ok(asked, 'nodes', 'drain', owner.name, '--undo');
  expect(await node()).toMatchObject({ draining: false });
  expect(await cluster.declare('declared-after-drain', { nodes: `{ prefer: ${owner.name} }` })).toBe(owner);
  await cluster.assertSound(task, successor);
  await cluster.assertStory(task, [
    `1 assigned ${owner.name}: `,
    `1 ownership ${owner.name}: `,
    `2 moved ${successor.name}: node ${owner.name} drains`,
    `2 ownership ${successor.name}: `,
  ]);
  const why = await ok(asked, 'tasks', '--why', task);
  for (const words of ['the task is new', `node ${owner.name} drains`, successor.name])
    expect(why).toContain(words);
});

test('a node that comes back in time keeps its task, and no full is forced', async () => {
  const task = 'away-for-a-moment';
  const owner = await cluster.declare(task, { incremental: '*/3 * * * * *' });
  await cluster.taskAt(owner, task, (view) => view.owner?.node === owner.name);
  const backups = cluster.backupsOf(task);
  const storesMore = async (): Promise<void> => {
    const before = (await backups.manifests()).length;
    await cluster.insertOrders();
    await until(`${owner.name} stores more`, async () => (await backups.manifests()).length > before);
  };
  await owner.cutFromEtcd();
  await cluster.taskAt(another(owner), task, ({ notSuitable }) => notSuitable !== undefined);
  await owner.untilApart();
  await storesMore();
  await owner.heal();
  await owner.untilBack();
  const view = await cluster.taskAt(another(owner), task, ({ notSuitable }) => notSuitable === undefined);
  expect(view).toMatchObject({ node: owner.name, generation: 1 });
  await storesMore();
  await cluster.pause(task);
  await cluster.assertSound(task, owner);
  const manifests = await backups.manifests();
  expect(manifests.map(({ sequence }) => sequence)).toEqual(manifests.map((_, at) => at));
  const missed = [
    `1 assigned ${owner.name}: `,
    `1 not-suitable ${owner.name}: node ${owner.name} gives no sign of life`,
  ];
  await cluster.assertStory(task, [...missed, `1 suitable-again ${owner.name}: node ${owner.name} is back`]);
  await cluster.assertStory(task, [
    ...missed,
    `1 apart ${owner.name}: node ${owner.name} could not reach the store`,
  ]);
});

test('commands that name several nodes work while one of them lives', async () => {
  const [first, second] = cluster.nodes;
  if (!first || !second) throw new Error('there are three nodes');
  const server = `${first.running.url},${second.running.url}`;
  await first.kill();
  for (const args of [['status'], ['tasks'], ['nodes'], ['history']]) {
    const { code, stderr } = await runHoldfast([...args, '--server', server]);
    expect(code, stderr).toBe(0);
  }
});

const { signal } = new AbortController();
