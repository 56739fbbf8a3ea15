import { mkdir, writeFile } from 'node:fs/promises';
import { HoldfastError } from '@holdfast/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type NodeUnderTest, openNode, signal } from './bench.fixture.ts';

const error = { code: 'unavailable', message: 'far does not answer' } as const;

let node: NodeUnderTest;

beforeEach(async () => {
  node = await openNode();
  void node.start();
  const path = node.bench.folder.join('far');
  const text = `sources:
  shop: { type: sqlite, path: /db/shop }
destinations:
  near: { type: folder, path: /backups }
  far: { type: folder, path: ${path} }
tasks:
  shop: { source: shop, full: "0 2 * * *", destinations: [near, far], require: 1 }
`;
  await node.bench.pass(0);
  await node.handlers.applyObjects({ files: [{ name: 'a.yaml', text }], prune: false, signal });
  await node.bench.pass(0);
});

afterEach(() => node[Symbol.asyncDispose]());

/** A run whose backup only the first destination holds. */
async function leaveBehind(): Promise<string> {
  const { run } = await node.handlers.runTask({ task: 'shop', signal });
  await node.bench.pass(0);
  node.works.last.o.onCounts?.([counts(100), counts(0)]);
  node.works.last.succeed({
    destinations: [
      { destination: '/backups', stored: true },
      { destination: '/far', stored: false, behind: true, error },
    ],
  });
  await node.bench.pass(0);
  return run.id;
}

function counts(bytesWritten: number) {
  const calls = { prepare: 1, write: 2, read: 0, stat: 0, list: 1, delete: 0, thaw: 0 };
  return { bytesWritten, bytesRead: 7, calls, failures: { timeout: 1 }, retries: 1, waitedMs: 5 };
}

describe('destinations', () => {
  it('say what they lack, what they have, and what was asked of them', async () => {
    const run = await leaveBehind();
    const [far, near] = await node.handlers.listDestinations({ probe: false, signal });
    expect(near).toMatchObject({
      name: 'near',
      type: 'folder',
      place: 'file:/backups',
      disabled: false,
      tasks: [{ task: 'shop', lastGood: { scope: 'full' } }],
      counters: {
        writtenBytes: 100,
        readBytes: 7,
        requests: { write: 2, list: 1 },
        retries: 1,
        failures: { timeout: 1 },
      },
    });
    expect(far?.tasks).toMatchObject([{ task: 'shop', behind: { run, backups: 1, tries: 0, error } }]);
    expect(far).not.toHaveProperty('probe');
    expect(far?.tasks[0]).not.toHaveProperty('lastGood');
  });

  it('say of each run where its backup is', async () => {
    const run = await leaveBehind();
    expect((await node.handlers.getRun({ run, signal })).destinations).toEqual([
      { name: 'near', state: 'stored' },
      { name: 'far', state: 'behind', error },
    ]);
    const status = await node.handlers.getStatus({ signal });
    expect(status.problems.join()).toContain('task shop: Destination far lacks a backup since');
  });

  it('are looked at when that is asked for, and nothing is written there', async () => {
    const path = node.bench.folder.join('far');
    await mkdir(path);
    await writeFile(`${path}/an-object`, 'twelve bytes');
    const [far] = await node.handlers.listDestinations({ probe: true, signal });
    expect(far?.probe).toEqual({ reachable: true, usedBytes: 12, freeBytes: expect.any(Number) });
  });
});

describe('a copy by hand', () => {
  it('is begun, seen, and over; then the destination lacks nothing', async () => {
    await leaveBehind();
    node.copies.last.fail(new HoldfastError('unavailable', 'still away'));
    await node.bench.pass(0);
    const wish = { task: 'shop', to: 'far', from: 'near', all: true, signal };
    const { copy, already } = await node.handlers.copyTask(wish);
    expect(already).toBe(false);
    expect(copy).toMatchObject({ task: 'shop', to: 'far', chains: 'all', trigger: 'manual' });
    await node.bench.pass(0);
    node.copies.last.o.observer({
      kind: 'upload',
      destination: '/far',
      index: 0,
      doneBytes: 10,
      totalBytes: 300,
      state: 'uploading',
    });
    const [running] = (await node.handlers.listCopies({ signal })).copies;
    expect(running).toMatchObject({
      id: copy.id,
      state: 'running',
      from: ['near'],
      progress: { name: 'far', doneBytes: 10, totalBytes: 300, state: 'uploading' },
    });
    node.copies.last.succeed();
    await node.bench.pass(0);
    const [ended] = (await node.handlers.listCopies({ signal })).copies;
    expect(ended).toMatchObject({ id: copy.id, state: 'succeeded', bytes: 300, problems: [] });
    expect(await node.bench.record('shop')).not.toHaveProperty('behind');
  });

  it('that is refused says why', async () => {
    const wish = { task: 'shop', to: 'fra', all: false, signal };
    await expect(node.handlers.copyTask(wish)).rejects.toThrow('task shop has no destination fra');
  });
});

it('metrics say how long and how much a destination lacks', async () => {
  await leaveBehind();
  await node.bench.pass(30_000);
  const text = await node.handlers.getMetrics({ signal });
  expect(text).toContain('holdfast_task_behind_backups{task="shop",destination="far"} 1\n');
  expect(text).toContain('holdfast_task_behind_seconds{task="shop",destination="far"} 30\n');
  expect(text).toContain('holdfast_task_behind_seconds{task="shop",destination="near"} 0\n');
  expect(text).toContain('holdfast_copies_active{state="running"} 1\n');
  expect(text).toContain('holdfast_destination_written_bytes_total{destination="near"} 100\n');
});
