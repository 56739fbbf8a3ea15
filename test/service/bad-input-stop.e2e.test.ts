import type { RunView } from '@holdfast/client';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { openShop, type Shop } from '../bad-input/shop.fixture.ts';
import { contentsOf, differences } from '../harness/postgres-contents.ts';
import { childrenOf, hasEnded, until } from '../harness/processes.ts';
import { holdfast, type Outcome } from '../harness/run-holdfast.ts';
import { RunningNode } from '../harness/running-node.ts';
import { slotsOf } from '../harness/server-state.ts';

const { signal } = new AbortController();

let shop: Shop;

beforeAll(async () => {
  shop = await openShop();
});

afterAll(async () => {
  await shop?.[Symbol.asyncDispose]();
});

beforeEach(() => shop.wire.release());

interface Caught {
  readonly node: RunningNode;
  readonly run: RunView;
  /** Of the run. */
  readonly children: readonly number[];
}

/** A node that is in the middle of a full backup. */
async function caughtAtWork(task: string): Promise<Caught> {
  const node = await RunningNode.start({ folder: shop.folder.join(task) });
  await node.apply(`
sources: { shop: { type: postgres, url: "${shop.wire.url('shop')}" } }
destinations: { near: { type: folder, path: ${shop.folder.join(`${task}-backups`)} } }
tasks: { ${task}: { source: shop, destinations: [near], full: "0 3 29 2 *", incremental: "0 4 29 2 *" } }
`);
  await until('the task is known', async () => (await node.client.listTasks({ signal })).length === 1);
  const held = shop.wire.holdAfter(512 * 1024, 'from server');
  const { run } = await node.client.runTask({ task, scope: 'full', signal });
  await held;
  const children = await childrenOf(node.pid);
  expect(children).not.toEqual([]);
  return { node, run, children };
}

async function assertGone(children: readonly number[]): Promise<void> {
  for (const child of children) expect(await hasEnded(child)).toBe(true);
}

async function assertRestores(task: string): Promise<void> {
  const at = `file:${shop.folder.join(`${task}-backups`)}`;
  await holdfast(['restore', '--at', at, '--to', shop.server.url(`restored_${task}`), '--verify']);
  const restored = await contentsOf(shop.server, `restored_${task}`);
  expect(differences(restored, await contentsOf(shop.server, 'shop'))).toEqual([]);
}

test('a node that is told to stop finishes the backup that runs, begins no other, and leaves nothing', async () => {
  const { node, run, children } = await caughtAtWork('drained');
  const ended = node.signal('SIGTERM');
  await until('the node drains', () => node.log.includes('the node stops: running backups may finish'));
  // It still answers, and says what it does.
  expect((await node.client.getRun({ run: run.id, signal })).state).toBe('running');
  shop.wire.release();
  expect(await ended).toMatchObject({ code: 0, signal: null, stderr: '' });
  await assertGone(children);
  await using again = await RunningNode.start({ folder: shop.folder.join('drained') });
  expect(await again.history('drained')).toMatchObject([
    { id: run.id, state: 'succeeded', scopeMade: 'full' },
  ]);
  await assertRestores('drained');
});

test('a node that is told to stop twice ends at once, and the backup goes on when it starts again', async () => {
  const { node, run, children } = await caughtAtWork('hurried');
  // Two that come at once are one request: it is said again until it is heard as a second one.
  let outcome: Outcome | undefined;
  const ended = node.signal('SIGTERM').then((how) => {
    outcome = how;
  });
  await until('the node ends', async () => {
    if (outcome === undefined) void node.signal('SIGTERM');
    await new Promise((resolve) => setTimeout(resolve, 100));
    return outcome !== undefined;
  });
  await ended;
  expect(outcome).toMatchObject({ code: 0, signal: null });
  await assertGone(children);
  shop.wire.release();
  await using again = await RunningNode.start({ folder: shop.folder.join('hurried') });
  await until('the run goes on', async () => (await again.history('hurried')).at(-1)?.state === 'succeeded');
  expect(await again.history('hurried')).toMatchObject([
    { id: run.id, state: 'interrupted' },
    { state: 'succeeded', trigger: 'owed', resumes: run.id, scopeMade: 'full' },
  ]);
  // What the interrupted one had begun on the server is gone, too.
  expect((await slotsOf(shop.server, 'shop')).filter((slot) => slot.includes('hurried'))).toHaveLength(1);
  await assertRestores('hurried');
});
