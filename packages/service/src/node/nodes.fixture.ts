/** Nodes of one cluster without an API: one store in memory, one clock. Each can be cut off from the store, or killed. */
import { keys, Ledger, type RunRecord, type TaskRecord } from '@holdfast/coordinator';
import type { Change, DeclaredTask } from '@holdfast/core';
import {
  FakeClock,
  MemoryClusterStore,
  MemoryClusterTable,
  type TemporaryFolder,
  temporaryFolder,
} from '@holdfast/testing';
import type { NodeConfig } from '../config/node-config.ts';
import { CopyWorks, configOf, signal, taskOf, Works } from './bench.fixture.ts';
import { nodeLogger } from './logger.ts';
import { NodeCore } from './node-core.ts';
import { LifeClock, quiet, Waits } from './simulation-time.fixture.ts';

export interface OneNode extends AsyncDisposable {
  readonly core: NodeCore;
  readonly works: Works;
  readonly copies: CopyWorks;
  /** To be cut off, and connected again. */
  readonly store: MemoryClusterStore;
  /** What was logged, as documents. */
  readonly lines: Record<string, unknown>[];
  /** What a kill leaves: nothing goes on, and nobody is told. */
  kill(): void;
}

export interface OneNodeSettings {
  readonly tags?: readonly string[];
  /** Whether it goes on while it cannot reach the store. */
  readonly journal?: boolean;
  readonly instance?: string;
}

export class Nodes implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly table = new MemoryClusterTable();
  readonly ledger: Ledger;
  readonly #folder: TemporaryFolder;
  readonly #alive = new Map<string, OneNode>();
  readonly #journals = new Map<string, MemoryClusterTable>();

  private constructor(folder: TemporaryFolder) {
    this.#folder = folder;
    this.ledger = new Ledger({ store: this.#open(), clock: this.clock });
  }

  /** At 2026-11-20 14:00 UTC. */
  static async open(): Promise<Nodes> {
    return new Nodes(await temporaryFolder('holdfast-nodes'));
  }

  #open(table = this.table): MemoryClusterStore {
    return new MemoryClusterStore({ clock: this.clock, table });
  }

  /** Starts a node; of one name, another life of the same. */
  async add(name: string, settings: OneNodeSettings = {}): Promise<OneNode> {
    const { tags = [], journal = false, instance = name } = settings;
    const clock = new LifeClock(this.clock, new Waits());
    const works = new Works();
    const copies = new CopyWorks();
    const store = this.#open();
    const lines: Record<string, unknown>[] = [];
    const write = (line: string): unknown => lines.push(JSON.parse(line));
    const core = await NodeCore.open(
      {
        config: this.#configOf(name, tags),
        clock,
        logger: nodeLogger({ level: 'info', format: 'json', node: name, write }),
        store,
        ...(journal && { journal: this.#open(this.#journalOf(name)) }),
        instance,
        execute: works.execute,
        executeCopy: copies.execute,
      },
      { signal },
    );
    await core.join({ signal });
    const drain = new AbortController();
    const running = core.run({ drain: drain.signal, stop: drain.signal, kill: drain.signal });
    const node: OneNode = {
      core,
      works,
      copies,
      store,
      lines,
      kill: () => {
        this.#alive.delete(name);
        store.cutOff();
        clock.cut();
      },
      [Symbol.asyncDispose]: async () => {
        if (!this.#alive.delete(name)) return;
        drain.abort();
        await Promise.all([running, this.pass(10_000)]);
        core.parts.metrics[Symbol.dispose]();
      },
    };
    this.#alive.set(name, node);
    await this.pass(0);
    return node;
  }

  #configOf(name: string, tags: readonly string[]): NodeConfig {
    const folder = (of: string): string => this.#folder.join(name, of);
    return { ...configOf({ name, state: folder('state'), staging: folder('staging') }), tags };
  }

  #journalOf(name: string): MemoryClusterTable {
    const table = this.#journals.get(name) ?? new MemoryClusterTable();
    this.#journals.set(name, table);
    return table;
  }

  /** These tasks, and no others, are declared. */
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
    // Whoever is named second waits for the first.
    await this.pass(5_000);
  }

  async record(task: string): Promise<TaskRecord> {
    const known = await this.ledger.task(task, { signal });
    if (!known) throw new Error(`task ${task} has no record`);
    return known.value;
  }

  /** What was decided of a task's node, the newest last. */
  async decided(task: string): Promise<readonly string[]> {
    return (await this.ledger.decisions(task, { signal, last: 50 })).map(({ kind }) => kind);
  }

  /** As a person asks for it, at any node. */
  async startFull(task: string, node: string): Promise<RunRecord> {
    const start = { scope: 'full', node, trigger: 'manual', reason: 'asked for' } as const;
    const { run } = await this.ledger.startByHand(task, () => start, { signal });
    await this.pass(0);
    return run;
  }

  async stateOf({ id }: Pick<RunRecord, 'id'>): Promise<string | undefined> {
    return (await this.ledger.run(id, { signal }))?.state;
  }

  /** The one change by which a task got that generation. */
  async changeTo(task: string, generation: number): Promise<Change> {
    for (let at = 0; ; ) {
      const next = this.table.next('', at);
      if (typeof next === 'number') throw new Error(`task ${task} never got generation ${generation}`);
      const put = next.puts.find(({ key }) => key === keys.task(task));
      if (put && (JSON.parse(put.value) as TaskRecord).generation === generation) return next;
      at = next.revision;
    }
  }

  /** In small steps: what a node does in one of them may take the disk of this machine a while. */
  async pass(ms: number): Promise<void> {
    await quiet();
    for (let left = ms; left > 0; left -= stepMs) {
      await this.clock.advance(Math.min(left, stepMs));
      await quiet();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of [...this.#alive.values()]) {
      node.store.reconnect();
      await node[Symbol.asyncDispose]();
    }
    await this.#folder[Symbol.asyncDispose]();
  }
}

const stepMs = 1_000;
