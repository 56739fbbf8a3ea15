import type { RunView, TaskView } from '@holdfast/client';
import {
  type EtcdCluster,
  type PostgresServer,
  startEtcd,
  startPostgres,
  type TemporaryFolder,
  temporaryFolder,
} from '@holdfast/testing';
import { expect } from 'vitest';
import { until } from '../harness/processes.ts';
import type { ClusterNodeOptions } from './cluster-node.ts';
import { ClusterNode } from './cluster-node.ts';
import { Repository } from './repository.ts';

const { signal } = new AbortController();

export interface TaskOptions {
  /** A cron expression; without it, the task runs only when it is told to. */
  readonly incremental?: string;
  /** How fast its destination is. */
  readonly bandwidth?: string;
  /** What is declared of its nodes, in braces. */
  readonly nodes?: string;
}

export type ClusterOptions = Pick<ClusterNodeOptions, 'moveAfter'> & {
  readonly etcdArgs?: readonly string[];
};

/** In the middle of its data, at the node that owns its task. */
export interface CaughtRun {
  readonly run: RunView;
  readonly owner: ClusterNode;
}

/** Never, as far as a test is concerned. */
const leapDay = '0 4 29 2 *';

/** More than this has passed when a run is caught in the middle of its data. */
const caughtAfterBytes = 512 * 1024;

/** Three members of etcd, three nodes, and the database `shop`, which all of them can back up into one folder. */
export class Cluster implements AsyncDisposable {
  readonly etcd: EtcdCluster;
  readonly server: PostgresServer;
  readonly folder: TemporaryFolder;
  readonly nodes: readonly ClusterNode[];
  readonly #parts: AsyncDisposableStack;
  #orders = 1_000_000;

  private constructor(
    at: Pick<Cluster, 'etcd' | 'server' | 'folder' | 'nodes'>,
    parts: AsyncDisposableStack,
  ) {
    this.etcd = at.etcd;
    this.server = at.server;
    this.folder = at.folder;
    this.nodes = at.nodes;
    this.#parts = parts;
  }

  static async open({ etcdArgs = [], ...o }: ClusterOptions = {}): Promise<Cluster> {
    await using parts = new AsyncDisposableStack();
    const folder = parts.use(await temporaryFolder());
    const server = parts.adopt(await startPostgres(), (started) => started.remove());
    await server.createDatabase('shop');
    await server.psql(
      'shop',
      `CREATE TABLE orders (id int PRIMARY KEY, note text);
       INSERT INTO orders SELECT i, md5(i::text) || md5(i::text || 'x') FROM generate_series(1, 30000) i`,
    );
    const etcd = parts.use(await startEtcd({ members: 3, args: etcdArgs }));
    const nodes: ClusterNode[] = [];
    for (const name of ['node-a', 'node-b', 'node-c'])
      nodes.push(parts.use(await ClusterNode.open({ ...o, name, folder: folder.path, etcd, server })));
    return new Cluster({ etcd, server, folder, nodes }, parts.move());
  }

  node(name: string): ClusterNode {
    const found = this.nodes.find((one) => one.name === name);
    if (!found) throw new Error(`there is no ${name}`);
    return found;
  }

  /** Any node but that one, to ask about the cluster. */
  witness(but?: ClusterNode): ClusterNode {
    const found = this.nodes.find((one) => one !== but && one.isThere);
    if (!found) throw new Error('no node is left');
    return found;
  }

  /** Declares one more task of the shop, with a destination of its own. Resolves with who is responsible for it. */
  async declare(task: string, o: TaskOptions = {}): Promise<ClusterNode> {
    const at = this.witness();
    await this.apply(task, o, at);
    return this.node((await this.taskAt(at, task, ({ node }) => node !== undefined)).node ?? '');
  }

  /** The same for a task that nobody may run, perhaps. */
  async apply(task: string, o: TaskOptions, at = this.witness()): Promise<void> {
    const { incremental = leapDay, bandwidth, nodes } = o;
    const rate = bandwidth === undefined ? '' : `, bandwidth: ${bandwidth}`;
    const preference = nodes === undefined ? '' : `, nodes: ${nodes}`;
    await at.running.apply(`
sources: { shop: { type: postgres, url: "\${env:SHOP_URL}" } }
destinations: { ${task}: { type: folder, path: ${this.backupsOf(task).path}${rate} } }
tasks:
  ${task}: { source: shop, destinations: [${task}], full: "0 3 29 2 *", incremental: "${incremental}"${preference} }
`);
  }

  /** What is stored of a task. */
  backupsOf(task: string): Repository {
    return new Repository(this.server, { task, path: this.folder.join('backups', task) });
  }

  /** The task as a node sees it, as soon as it is so. */
  async taskAt(at: ClusterNode, task: string, isSo: (view: TaskView) => boolean): Promise<TaskView> {
    let view: TaskView | undefined;
    try {
      await until(`task ${task} is as expected`, async () => {
        const tasks = await at.running.client.listTasks({ signal });
        view = tasks.find(({ name }) => name === task);
        return view !== undefined && isSo(view);
      });
    } catch (cause) {
      throw new Error(`task ${task} is not as expected: ${JSON.stringify(view)}`, { cause });
    }
    return view as TaskView;
  }

  /** The newest run that has succeeded and is the one meant, as soon as there is one. */
  async succeeded(at: ClusterNode, task: string, isIt: (run: RunView) => boolean): Promise<RunView> {
    let runs: readonly RunView[] = [];
    let found: RunView | undefined;
    try {
      await until(`a run of ${task} succeeds`, async () => {
        runs = await at.running.history(task);
        found = runs.findLast((run) => run.state === 'succeeded' && isIt(run));
        return found !== undefined;
      });
    } catch (cause) {
      throw new Error(`no run of ${task} succeeds as expected: ${runs.map(said).join('\n')}`, { cause });
    }
    return found as RunView;
  }

  /** A full that the owner is in the middle of; the data waits until its wire is released. */
  async catchFull(task: string, owner: ClusterNode): Promise<CaughtRun> {
    return this.#caught(task, owner, 'full');
  }

  async catchIncremental(task: string, owner: ClusterNode): Promise<CaughtRun> {
    await this.insertOrders(20_000);
    return this.#caught(task, owner, 'incremental');
  }

  async #caught(task: string, owner: ClusterNode, scope: 'full' | 'incremental'): Promise<CaughtRun> {
    const held = owner.wire.holdAfter(caughtAfterBytes, 'from server');
    const { run } = await owner.running.client.runTask({ task, scope, signal });
    const early = owner.running.ended(run.id).then((ended) => {
      throw new Error(`ended before it was caught: ${said(ended)}`);
    });
    early.catch(() => undefined);
    await Promise.race([held, early]);
    return { run, owner };
  }

  /** More rows in the shop, none of them twice. */
  async insertOrders(count = 100): Promise<void> {
    const from = this.#orders;
    this.#orders += count;
    await this.server.psql(
      'shop',
      `INSERT INTO orders SELECT i, md5(i::text) || md5(i::text || 'y') FROM generate_series(${from}, ${from + count - 1}) i`,
    );
  }

  /** From now on it runs only when it is told to. */
  async pause(task: string): Promise<void> {
    const at = this.witness();
    await at.running.client.pauseTask({ task, signal });
    await this.taskAt(at, task, ({ running, state }) => state === 'paused' && running === undefined);
  }

  /** One node goes on, by itself, with a chain that is its own. */
  async assertGoesOn(task: string, at: ClusterNode): Promise<RunView> {
    const asked = this.witness(at);
    await this.taskAt(asked, task, ({ node, owner }) => node === at.name && owner?.node === at.name);
    const before = (await asked.running.history(task)).length;
    await this.insertOrders();
    const { run } = await asked.running.client.runTask({ task, scope: 'incremental', signal });
    const ended = await asked.running.ended(run.id);
    expect(ended, said(ended)).toMatchObject({
      state: 'succeeded',
      node: at.name,
      scopeMade: 'incremental',
      outcome: 'stored',
    });
    const since = (await asked.running.history(task)).slice(before);
    expect(new Set(since.map(({ node }) => node))).toEqual(new Set([at.name]));
    return ended;
  }

  /**
   * What has to hold after every fault: one node goes on; no chain has two writers; all that is listed restores; and the
   * newest is what the database holds.
   */
  async assertSound(task: string, at: ClusterNode): Promise<void> {
    await this.assertGoesOn(task, at);
    const backups = this.backupsOf(task);
    await backups.assertOneWriterEach();
    await backups.assertRestores();
    await backups.assertNewestIs('shop');
  }

  /** All nodes run, and all lines are whole: whatever the test before has left. */
  async mend(): Promise<void> {
    for (const member of this.etcd.members) {
      if (member.isRunning) member.thaw();
      else await member.spawn();
    }
    await Promise.all(this.etcd.members.map((member) => member.ready()));
    for (const node of this.nodes) {
      node.wire.release();
      await node.heal();
      if (!node.isRunning) await node.start();
      else if (!node.isThere) await node.thaw();
      await node.untilBack();
    }
    await until('all nodes are known', async () => {
      const nodes = await this.witness().running.client.listNodes({ signal });
      return this.nodes.every(({ name }) => nodes.some((one) => one.name === name && one.alive));
    });
  }

  /** The run that a node made after it got the task from another one: a full in a chain that nobody else has written. */
  async assertTakenOver(task: string, from: ClusterNode): Promise<ClusterNode> {
    const asked = this.witness(from);
    const first = await this.succeeded(asked, task, ({ node }) => node !== from.name);
    const theirs = (await asked.running.history(task)).filter(({ node }) => node !== from.name);
    const made = theirs.find(({ state }) => state === 'succeeded');
    expect(made, said(first)).toMatchObject({ scopeMade: 'full', node: first.node });
    expect(made?.backup).toMatch(new RegExp(`-${first.node}-g\\d+/0000$`));
    const [chain] = made?.backup?.split('/') ?? [];
    const manifests = await this.backupsOf(task).manifests();
    expect(manifests.filter((one) => one.chain === chain)[0]).toMatchObject({
      node: first.node,
      scope: 'full',
    });
    return this.node(first.node);
  }

  /** What a person reads who asks why: kinds, nodes, generations and reasons. */
  async story(task: string): Promise<readonly string[]> {
    const decisions = await this.witness().running.client.listDecisions({ task, last: 50, signal });
    return decisions.map(
      ({ kind, node = '-', generation, reason }) => `${generation} ${kind} ${node}: ${reason}`,
    );
  }

  /** The story has these, in this order, and nobody else ever had the task. Each is a beginning. */
  async assertStory(task: string, expected: readonly string[]): Promise<void> {
    const story = await this.story(task);
    let at = 0;
    for (const line of story) if (line.startsWith(expected[at] ?? '-')) at += 1;
    expect(expected[at], `is missing, or not in its place:\n${story.join('\n')}`).toBeUndefined();
    const holders = (lines: readonly string[]): readonly string[] =>
      lines.flatMap((line) => /^\d+ (?:assigned|moved|released) \S+/.exec(line) ?? []);
    expect(holders(story)).toEqual(holders(expected));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.disposeAsync();
  }
}

function said({ id, node, state, reason, error, backup = '' }: RunView): string {
  return `${id} ${node} ${state} ${backup} ${reason} ${error?.message ?? ''}`;
}
