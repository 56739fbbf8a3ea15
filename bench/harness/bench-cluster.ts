import { mkdir } from 'node:fs/promises';
import { ClusterView, Ledger } from '@holdfast/coordinator';
import { type ClusterStore, type DeclaredTask, SystemClock } from '@holdfast/core';
import { openEtcdStore } from '@holdfast/stores/etcd';
import { until } from './bench-node.ts';
import { type ClusterPlace, ClusterProcess, type ClusterReport } from './cluster-nodes.ts';

const { signal: never } = new AbortController();

/** Processes with nodes on one etcd, and an eye on what the store says of them. */
export class BenchCluster implements AsyncDisposable {
  readonly place: ClusterPlace;
  readonly view: ClusterView;
  readonly #store: ClusterStore;
  readonly #processes = new Set<ClusterProcess>();
  readonly #over = new AbortController();
  readonly #following: Promise<void>;

  private constructor(o: { place: ClusterPlace; store: ClusterStore; view: ClusterView; since: number }) {
    this.place = o.place;
    this.#store = o.store;
    this.view = o.view;
    this.#following = o.view.follow(o.since, { signal: this.#over.signal }).catch(() => undefined);
  }

  /** `watched`: the endpoints that the eye looks at, if others than the nodes'. */
  static async open(place: ClusterPlace, watched = place.endpoints): Promise<BenchCluster> {
    await mkdir(place.folder, { recursive: true });
    const clock = new SystemClock();
    const store = await openEtcdStore({ endpoints: watched, prefix: place.prefix, clock }, { signal: never });
    const view = new ClusterView(store);
    const since = await view.load({ signal: never });
    return new BenchCluster({ place, store, view, since });
  }

  /** One process of these nodes. */
  async start(nodes: readonly string[]): Promise<ClusterProcess> {
    const process = await ClusterProcess.start(this.place, nodes, { signal: this.#over.signal });
    this.#processes.add(process);
    return process;
  }

  async kill(process: ClusterProcess): Promise<void> {
    this.#processes.delete(process);
    await process[Symbol.asyncDispose]();
  }

  /** Tasks of which none is due within some hours. Returns the bytes of their record. */
  async declare(count: number): Promise<number> {
    const ledger = new Ledger({ store: this.#store, clock: new SystemClock() });
    const names = Array.from({ length: count }, (_, n) => `task-${String(n).padStart(4, '0')}`);
    const hour = (n: number): number => (new Date().getUTCHours() + 5 + (n % 14)) % 24;
    const taskOf = (name: string, n: number): DeclaredTask => ({
      source: name,
      type: 'logical',
      full: `${n % 60} ${hour(n)} * * *`,
      timezone: 'UTC',
      destinations: ['place'],
      require: 'all',
    });
    const objects = {
      sources: Object.fromEntries(names.map((name) => [name, { type: 'sqlite', path: `/db/${name}` }])),
      destinations: { place: { type: 'folder', path: '/place' } },
      notifications: {},
      tasks: Object.fromEntries(names.map((name, n) => [name, taskOf(name, n)])),
    };
    await ledger.replaceObjects(objects, this.view.objects.revision, { signal: never });
    return Buffer.byteLength(JSON.stringify(objects));
  }

  /** Until as many tasks have a node that is none of these. */
  async untilTaken(
    count: number,
    o: { readonly msMax: number; readonly not?: readonly string[] },
  ): Promise<void> {
    const { msMax, not = [] } = o;
    const without = [...not, ''];
    const isTaken = (): boolean =>
      this.view.tasks.size >= count && without.every((node) => this.view.tasksOf(node).size === 0);
    const changed = Promise.withResolvers<void>();
    const stop = this.view.onChange(() => isTaken() && changed.resolve());
    const timer = setTimeout(() => changed.reject(new Error(this.#missing(count, without))), msMax);
    if (isTaken()) changed.resolve();
    try {
      await changed.promise;
    } finally {
      clearTimeout(timer);
      stop();
    }
  }

  async untilAlive(count: number, msMax: number): Promise<void> {
    await until(`${count} nodes are alive`, msMax, () => this.view.nodes.size === count);
  }

  /** How many tasks each node has, of those that are alive, the most first. */
  shares(): number[] {
    return [...this.view.nodes.keys()].map((node) => this.view.tasksOf(node).size).sort((a, b) => b - a);
  }

  reports(): Promise<ClusterReport[]> {
    return Promise.all([...this.#processes].map((process) => process.report()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort();
    await Promise.all([...this.#processes].map((process) => process[Symbol.asyncDispose]()));
    await this.#following;
    await this.#store[Symbol.asyncDispose]();
  }

  #missing(count: number, without: readonly string[]): string {
    const left = without.reduce((sum, node) => sum + this.view.tasksOf(node).size, 0);
    return `of ${count} tasks ${this.view.tasks.size} have a record, and ${left} still have no node that lives`;
  }
}
