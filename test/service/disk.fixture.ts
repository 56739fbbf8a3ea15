/** A node whose state is on a small disk that gets full and is emptied again; prints what it said meanwhile. */
import { execFileSync } from 'node:child_process';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunView } from '@holdfast/client';
import { HoldfastError } from '@holdfast/core';
import { until } from '../harness/processes.ts';
import type { Outcome } from '../harness/run-holdfast.ts';
import { RunningNode } from '../harness/running-node.ts';
import { Wire } from '../harness/wire.ts';
import { fillDisk } from './disk-filler.fixture.ts';
import { sampleOf } from './failures.fixture.ts';

const { signal } = new AbortController();

export interface DiskOrder {
  readonly scenario: 'staging' | 'store';
  /** On a large disk. */
  readonly folder: string;
  readonly source: string;
  /** The port of the server that `source` is on. */
  readonly port: number;
}

/** What a person and a probe see at one moment. */
export interface Seen {
  readonly ready: { readonly status: number; readonly body: unknown };
  readonly problems: readonly string[];
  /** Of `holdfast status`. */
  readonly status: string;
  /** How `holdfast tasks`, `history` and `export` end. */
  readonly codes: readonly (number | null)[];
}

export interface StagingReport {
  readonly way: string;
  readonly nearlyFull: Seen;
  readonly runs: readonly Outcome[];
  readonly freeBytes: number | undefined;
  readonly after: Seen;
  readonly good: RunView;
  readonly history: readonly RunView[];
  readonly historyAfterRestart: readonly RunView[];
  readonly log: string;
}

export interface StoreReport {
  readonly way: string;
  /** How a write is refused. */
  readonly refused: { readonly code: string; readonly message: string } | undefined;
  readonly full: Seen;
  readonly recorded: RunView;
  readonly good: RunView;
  readonly history: readonly RunView[];
  readonly historyAfterRestart: readonly RunView[];
  readonly log: string;
}

const [way = '', disk = '', text = ''] = process.argv.slice(2);
const order = JSON.parse(text) as DiskOrder;
const ballast = join(disk, 'ballast');
const settings = {
  folder: join(disk, 'node'),
  ...(order.scenario === 'store' && { config: `staging: ${join(order.folder, 'staging')}` }),
};

async function fill(node: RunningNode, leaveBytes: number): Promise<void> {
  if (way === 'mount') await fillDisk(ballast, { leaveBytes });
  // Where the disk cannot be a small one, files can.
  else execFileSync('prlimit', ['--pid', String(node.pid), '--fsize=4096:']);
}

async function empty(node: RunningNode): Promise<void> {
  await rm(ballast, { force: true });
  if (way !== 'mount') execFileSync('prlimit', ['--pid', String(node.pid), '--fsize=unlimited:']);
}

/** The node looks at its disks now and then. */
async function untilToldFull(node: RunningNode): Promise<void> {
  if (way !== 'mount') return;
  await until('the node says that a disk is full', async () =>
    (await node.client.getStatus({ signal })).problems.some((problem) => problem.includes('nearly full')),
  );
}

async function see(node: RunningNode): Promise<Seen> {
  const answer = await fetch(`${node.url}/ready`);
  const commands = [['tasks'], ['history'], ['export']];
  return {
    ready: { status: answer.status, body: await answer.json() },
    problems: (await node.client.getStatus({ signal })).problems,
    status: (await node.holdfast(['status'])).stdout,
    codes: await Promise.all(commands.map(async (args) => (await node.holdfast(args)).code)),
  };
}

async function isReady(node: RunningNode): Promise<boolean> {
  return (await fetch(`${node.url}/ready`)).status === 200;
}

async function declare(node: RunningNode, source: string): Promise<void> {
  await node.apply(`
sources: { shop: { type: postgres, url: "${source}" } }
destinations: { near: { type: folder, path: ${join(order.folder, 'backups')} } }
tasks: { shop: { source: shop, destinations: [near], full: "0 3 29 2 *", incremental: "0 4 29 2 *" } }
`);
  await until('the task is known', async () => (await node.client.listTasks({ signal })).length === 1);
}

/** What is remembered by the same node, started again. */
async function restarted(node: RunningNode): Promise<RunView[]> {
  await node.signal('SIGTERM');
  await using again = await RunningNode.start(settings);
  return await again.history('shop');
}

async function staging(): Promise<StagingReport> {
  await using node = await RunningNode.start(settings);
  await declare(node, order.source);
  await node.run('shop', 'full');
  await fill(node, 40 * 1024 * 1024);
  if (way === 'mount') await until('the node says that its disk is full', async () => !(await isReady(node)));
  await untilToldFull(node);
  const nearlyFull = await see(node);
  const metrics = await node.client.getMetrics({ signal });
  const runs = [await node.holdfast(['run', 'shop', '--full', '--json'])];
  // A run that the store takes with the last of its room could not begin before there is more.
  await refusedWrite(node);
  runs.push(await node.holdfast(['run', 'shop', '--full', '--json']));
  await empty(node);
  await until('the node is ready again', () => isReady(node));
  const after = await see(node);
  const good = await node.run('shop', 'full');
  const history = await node.history('shop');
  return {
    way,
    nearlyFull,
    runs,
    freeBytes: sampleOf(metrics, 'holdfast_staging_free_bytes', {}),
    after,
    good,
    history,
    historyAfterRestart: await restarted(node),
    log: node.log,
  };
}

/** Writes that nothing comes of, until one is refused. */
async function refusedWrite(node: RunningNode): Promise<StoreReport['refused']> {
  let refused: HoldfastError | undefined;
  const write = async (): Promise<void> => {
    await node.client.pauseTask({ task: 'shop', signal });
    await node.client.resumeTask({ task: 'shop', signal });
  };
  await until('a write is refused', async () => {
    await fill(node, 0);
    await write().catch((caught: unknown) => {
      refused = HoldfastError.from(caught);
    });
    return refused !== undefined;
  });
  return refused?.toRecord();
}

async function store(): Promise<StoreReport> {
  const url = (): string => order.source;
  await using wire = await Wire.open({ port: order.port, url });
  await using node = await RunningNode.start(settings);
  await declare(node, wire.url('shop'));
  await node.run('shop', 'full');
  const held = wire.holdAfter(512 * 1024, 'from server');
  const { run } = await node.client.runTask({ task: 'shop', scope: 'full', signal });
  await held;
  const refused = await refusedWrite(node);
  wire.release();
  await until("the run's end could not be kept", () => node.log.includes('it is told again'));
  if (way === 'mount') await until('the node says that its disk is full', async () => !(await isReady(node)));
  await untilToldFull(node);
  const full = await see(node);
  await empty(node);
  const recorded = await node.ended(run.id);
  await until('the node is ready again', () => isReady(node));
  // Whatever became of it, nothing of it is left to do.
  await until('nothing runs', async () => (await node.client.getStatus({ signal })).active.length === 0);
  const good = await node.run('shop');
  const history = await node.history('shop');
  return {
    way,
    refused,
    full,
    recorded,
    good,
    history,
    historyAfterRestart: await restarted(node),
    log: node.log,
  };
}

await mkdir(order.folder, { recursive: true });
console.log(JSON.stringify(order.scenario === 'staging' ? await staging() : await store()));
