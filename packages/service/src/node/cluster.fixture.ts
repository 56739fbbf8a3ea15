/** Nodes of one cluster in this process: one store in memory, one clock, an API each that the others reach. */
import { Client } from '@holdfast/client';
import { keys, Ledger, type TaskRecord } from '@holdfast/coordinator';
import { type DeclaredTask, Secret } from '@holdfast/core';
import {
  FakeClock,
  MemoryClusterStore,
  MemoryClusterTable,
  type TemporaryFolder,
  temporaryFolder,
} from '@holdfast/testing';
import type { ApiServer } from '../api/index.ts';
import type { NodeConfig } from '../config/node-config.ts';
import { CopyWorks, configOf, signal, taskOf, Works } from './bench.fixture.ts';
import { nodeLogger } from './logger.ts';
import { NodeCore } from './node-core.ts';
import { openApi } from './open-api.ts';
import { quiet } from './simulation-time.fixture.ts';

export interface ClusterNode extends AsyncDisposable {
  readonly core: NodeCore;
  readonly api: ApiServer;
  readonly works: Works;
  readonly copies: CopyWorks;
  /** As a person asks this node. */
  readonly client: Client;
}

export interface NodeSettings {
  /** Undefined: it has none. */
  readonly secret?: string | undefined;
  /** Where the others are told to look for it, instead of where it is; `nowhere`: they are not told. */
  readonly url?: string;
}

export const sharedSecret = 'a-secret-that-nodes-share';

export class Cluster implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly ledger: Ledger;
  readonly nodes = new Map<string, ClusterNode>();
  readonly #table = new MemoryClusterTable();
  readonly #folder: TemporaryFolder;

  private constructor(folder: TemporaryFolder) {
    this.#folder = folder;
    this.ledger = new Ledger({ store: this.#open(), clock: this.clock });
  }

  static async open(): Promise<Cluster> {
    return new Cluster(await temporaryFolder('holdfast-cluster'));
  }

  #open(): MemoryClusterStore {
    return new MemoryClusterStore({ clock: this.clock, table: this.#table });
  }

  async add(name: string, settings: NodeSettings = {}): Promise<ClusterNode> {
    const { clock } = this;
    const works = new Works();
    const copies = new CopyWorks();
    const config = configIn(this.#folder, name);
    const logger = nodeLogger({ level: 'error', format: 'json', node: name, write: () => undefined });
    const { secret } = { secret: sharedSecret, ...settings };
    const core = await NodeCore.open(
      {
        config,
        clock,
        logger,
        store: this.#open(),
        instance: name,
        secret: secret === undefined ? undefined : new Secret(secret),
        execute: works.execute,
        executeCopy: copies.execute,
      },
      { signal },
    );
    const api = await openApi(core.parts, { signal });
    const { url = api.url } = settings;
    await core.join({ signal, url: url === 'nowhere' ? undefined : url });
    const drain = new AbortController();
    const running = core.run({ drain: drain.signal, stop: drain.signal, kill: drain.signal });
    const node: ClusterNode = {
      core,
      api,
      works,
      copies,
      client: new Client({ url: api.url }),
      [Symbol.asyncDispose]: async () => {
        this.nodes.delete(name);
        drain.abort();
        const closing = api[Symbol.asyncDispose]();
        await Promise.all([running, this.pass(10_000)]);
        await Promise.all([closing, this.pass(10_000)]);
        core.parts.metrics[Symbol.dispose]();
      },
    };
    this.nodes.set(name, node);
    await this.pass(0);
    return node;
  }

  /** These tasks are declared, and each has a node. */
  async declare(tasks: Readonly<Record<string, Partial<DeclaredTask>>>): Promise<void> {
    const { revision } = await this.ledger.objects({ signal });
    const whole = Object.entries(tasks).map(([name, task]) => [name, taskOf(task)]);
    const objects = {
      sources: { shop: { type: 'sqlite', path: '/db/shop' } },
      destinations: { near: { type: 'folder', path: '/near' }, far: { type: 'folder', path: '/far' } },
      notifications: {},
      tasks: Object.fromEntries(whole),
    };
    await this.ledger.replaceObjects(objects, revision, { signal });
    await this.until(async () => {
      const known = await this.ledger.tasks({ signal });
      return Object.keys(tasks).every((task) => known.some(({ value }) => value.task === task && value.node));
    });
  }

  async record(task: string): Promise<TaskRecord> {
    const known = await this.ledger.task(task, { signal });
    if (!known) throw new Error(`task ${task} has no record`);
    return known.value;
  }

  /** What another life of a node has left: its sign of life goes, and it is not there to be asked. */
  async forget(node: string): Promise<void> {
    await this.#open().transact({ deletes: [keys.node(node)] }, { signal });
    await this.pass(0);
  }

  async pass(ms: number): Promise<void> {
    await quiet();
    await this.clock.advance(ms);
    await quiet();
  }

  /** Resolves when it holds; time stands still meanwhile. */
  async until(holds: () => boolean | Promise<boolean>): Promise<void> {
    while (!(await holds())) await quiet();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of [...this.nodes.values()]) await node[Symbol.asyncDispose]();
    await this.#folder[Symbol.asyncDispose]();
  }
}

/** Two runs of one source at once, and an end that waits for none of them. */
function configIn(folder: TemporaryFolder, name: string): NodeConfig {
  const base = configOf({ name, state: folder.join(name, 'state'), staging: folder.join(name, 'staging') });
  return { ...base, limits: { ...base.limits, perSource: 2 }, stop: { drainForMs: 0 } };
}
