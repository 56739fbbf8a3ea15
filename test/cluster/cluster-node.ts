import { join } from 'node:path';
import { type EtcdCluster, type PostgresServer, TcpProxy } from '@holdfast/testing';
import { childrenOf, until } from '../harness/processes.ts';
import { RunningNode } from '../harness/running-node.ts';
import { Wire } from '../harness/wire.ts';

export interface ClusterNodeOptions {
  readonly name: string;
  readonly folder: string;
  readonly etcd: EtcdCluster;
  readonly server: PostgresServer;
  /** Further lines of its holdfast.yaml. */
  readonly config?: string;
  readonly secret?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly moveAfter?: string;
}

/** A machine under load stands still for a second or two: what is to stay must survive that. */
const aliveFor = '3s';
const moveAfterDefault = '3s';

/**
 * A node of a cluster as a process of its own, with lines of its own to etcd and to the database: each can be cut for
 * this node alone.
 */
export class ClusterNode implements AsyncDisposable {
  readonly name: string;
  /** To the database: it can be stopped in the middle of the data. */
  readonly wire: Wire;
  readonly #options: ClusterNodeOptions;
  readonly #toEtcd: readonly TcpProxy[];
  readonly #toDatabase: TcpProxy;
  #running: RunningNode | undefined;
  #isCut = false;
  #isFrozen = false;

  private constructor(
    options: ClusterNodeOptions,
    lines: { readonly wire: Wire; readonly toEtcd: readonly TcpProxy[]; readonly toDatabase: TcpProxy },
  ) {
    this.name = options.name;
    this.#options = options;
    this.wire = lines.wire;
    this.#toEtcd = lines.toEtcd;
    this.#toDatabase = lines.toDatabase;
  }

  static async open(options: ClusterNodeOptions): Promise<ClusterNode> {
    const { etcd, server } = options;
    await using parts = new AsyncDisposableStack();
    const toEtcd: TcpProxy[] = [];
    for (const { port } of etcd.members) toEtcd.push(parts.use(await TcpProxy.open(port)));
    const toDatabase = parts.use(await TcpProxy.open(server.port));
    const wire = parts.use(await Wire.open({ port: toDatabase.port, url: (...at) => server.url(...at) }));
    const node = new ClusterNode(options, { wire, toEtcd, toDatabase });
    await node.start();
    parts.move();
    return node;
  }

  get running(): RunningNode {
    if (!this.#running) throw new Error(`${this.name} does not run`);
    return this.#running;
  }

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  /** It runs, and the cluster can hear of it. */
  get isThere(): boolean {
    return this.isRunning && !this.#isCut && !this.#isFrozen;
  }

  get folder(): string {
    return join(this.#options.folder, this.name);
  }

  /** Where the members of etcd are for this node. */
  get endpoints(): readonly string[] {
    const { etcd } = this.#options;
    return this.#toEtcd.map(({ port }, i) => etcd.members[i]?.urlAt(port) ?? '');
  }

  async start(): Promise<void> {
    const { name, config = '', moveAfter = moveAfterDefault, env } = this.#options;
    const { secret = 'the-secret-of-this-cluster' } = this.#options;
    this.#running = await RunningNode.start({
      name,
      folder: this.folder,
      env: { SHOP_URL: this.wire.url('shop'), CLUSTER_SECRET: secret, ...env },
      config: `store: { type: etcd, endpoints: ${JSON.stringify(this.endpoints)} }
cluster: { secret: "\${env:CLUSTER_SECRET}", aliveFor: ${aliveFor}, moveAfter: ${moveAfter} }
limits: { runs: 3 }
${config}`,
    });
  }

  /** Sudden death of the node and of all its runs, as if the machine had lost its power. */
  async kill(): Promise<void> {
    const { pid } = this.running;
    // While it stands still it begins nothing more; and a run that saw its node go would end in good order.
    tell(pid, 'SIGSTOP');
    for (const child of await descendantsOf(pid)) tell(child, 'SIGKILL');
    await this.running.signal('SIGKILL');
    this.#running = undefined;
    this.#isFrozen = false;
    this.wire.release();
  }

  async stop(): Promise<void> {
    await this.running[Symbol.asyncDispose]();
    this.#running = undefined;
  }

  /** The machine stands still: the node, and all its runs. */
  async freeze(): Promise<void> {
    this.#isFrozen = true;
    const { pid } = this.running;
    tell(pid, 'SIGSTOP');
    for (const child of await descendantsOf(pid)) tell(child, 'SIGSTOP');
  }

  async thaw(): Promise<void> {
    const { pid } = this.running;
    for (const child of await descendantsOf(pid)) tell(child, 'SIGCONT');
    tell(pid, 'SIGCONT');
    this.#isFrozen = false;
  }

  async cutFromEtcd(): Promise<void> {
    this.#isCut = true;
    await Promise.all(this.#toEtcd.map((line) => line.setMode('stall')));
  }

  /** It knows that it cannot reach the store, and says so. */
  async untilApart(): Promise<void> {
    await until(`${this.name} is apart`, async () => (await this.#problems()).some(isOfStore));
  }

  async untilBack(): Promise<void> {
    await until(`${this.name} is back`, async () => (await this.#problems()).length === 0);
  }

  async #problems(): Promise<readonly string[]> {
    return (await this.running.client.getReadiness({ signal })).reasons;
  }

  async cutFromDatabase(): Promise<void> {
    await this.#toDatabase.setMode('refuse');
    this.#toDatabase.cut();
  }

  async heal(): Promise<void> {
    this.#isCut = false;
    await Promise.all([...this.#toEtcd, this.#toDatabase].map((line) => line.setMode('pass')));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.wire.release();
    if (this.#isFrozen) await this.thaw();
    await this.heal();
    await this.#running?.[Symbol.asyncDispose]();
    await this.wire[Symbol.asyncDispose]();
    await Promise.all([...this.#toEtcd, this.#toDatabase].map((line) => line[Symbol.asyncDispose]()));
  }
}

const { signal } = new AbortController();

function isOfStore(problem: string): boolean {
  return problem.startsWith('the store of the cluster cannot be reached');
}

/** Of a node: its runs, and the tools that those use. */
async function descendantsOf(pid: number): Promise<readonly number[]> {
  const children = await childrenOf(pid);
  const further = await Promise.all(children.map(descendantsOf));
  return [...children, ...further.flat()];
}

function tell(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended in the meantime.
  }
}
