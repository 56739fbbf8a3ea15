import {
  type Change,
  type ClusterStore,
  type DeclaredObjects,
  HoldfastError,
  type Sig,
} from '@holdfast/core';
import { type Known, noObjects } from './entries.ts';
import { keys } from './keys.ts';
import type { NodeRecord, ObjectsRecord, TaskRecord } from './records.ts';

/** What changed: the objects, records of these tasks, or these nodes (they came, went or drain). */
export interface ViewChange {
  readonly objects: boolean;
  readonly tasks: ReadonlySet<string>;
  readonly nodes: ReadonlySet<string>;
}

/**
 * The objects, the tasks' records and who is alive as this node last saw them, kept up to date by a watch. Decisions are
 * made on it and written by compare-and-set: what is stale loses.
 */
export class ClusterView {
  readonly #store: ClusterStore;
  #objects: Known<DeclaredObjects> = { value: noObjects, revision: 0 };
  readonly #tasks = new Map<string, Known<TaskRecord>>();
  readonly #nodes = new Map<string, Known<NodeRecord>>();
  readonly #drains = new Set<string>();
  /** Names of tasks by their responsible node. */
  readonly #tasksOf = new NamesBy();
  /** Names of tasks by the node that carries out their running run. */
  readonly #runningOn = new NamesBy();
  /** Up to here everything has been seen. */
  #seen = 0;
  readonly #listeners = new Set<(change: ViewChange) => void>();

  constructor(store: ClusterStore) {
    this.#store = store;
  }

  get objects(): Known<DeclaredObjects> {
    return this.#objects;
  }

  get tasks(): ReadonlyMap<string, Known<TaskRecord>> {
    return this.#tasks;
  }

  /** Nodes that are alive. */
  get nodes(): ReadonlyMap<string, Known<NodeRecord>> {
    return this.#nodes;
  }

  /** Nodes that are to give their tasks away. */
  get drains(): ReadonlySet<string> {
    return this.#drains;
  }

  task(task: string): Known<TaskRecord> | undefined {
    return this.#tasks.get(task);
  }

  /** Names of the tasks that a node is responsible for. */
  tasksOf(node: string): ReadonlySet<string> {
    return this.#tasksOf.get(node);
  }

  /** Names of the tasks whose running run a node carries out, whoever is responsible for them. */
  runningOn(node: string): ReadonlySet<string> {
    return this.#runningOn.get(node);
  }

  /** Returns how to stop being told. */
  onChange(listener: (change: ViewChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Reads everything; then the view is as of one revision, which `follow` goes on from. What is read counts, also
   * against what was noted before: revisions of a time apart from the store mean nothing to it.
   */
  async load(o: Sig): Promise<number> {
    const { entries, revision } = await this.#store.list(keys.tasks, o);
    const nodes = await this.#store.list(keys.nodes, o);
    const drains = await this.#store.list(keys.drains, o);
    const objects = await this.#store.get(keys.objects, o);
    this.#objects = objects
      ? { value: (JSON.parse(objects.value) as ObjectsRecord).objects, revision: objects.revision }
      : { value: noObjects, revision: 0 };
    const tasksChanged = new Set(this.#tasks.keys());
    const nodesChanged = new Set([...this.#nodes.keys(), ...this.#drains]);
    this.#tasks.clear();
    this.#tasksOf.clear();
    this.#runningOn.clear();
    this.#nodes.clear();
    this.#drains.clear();
    for (const entry of entries) tasksChanged.add(this.#takeTask(entry.value, entry.revision));
    for (const entry of [...nodes.entries, ...drains.entries]) this.#takeNode(entry.key, entry, nodesChanged);
    this.#seen = revision;
    this.#tell({ objects: true, tasks: tasksChanged, nodes: nodesChanged });
    // That of the first list: what was read after it comes again.
    return revision;
  }

  /** Until the signal aborts; called again, it goes on. A watch that fell behind reads everything anew. */
  async follow(since: number, o: Sig): Promise<void> {
    for (let from = Math.max(since, this.#seen); ; ) {
      try {
        for await (const change of this.#store.watch('', { ...o, since: from })) {
          from = change.revision;
          this.#seen = from;
          this.#take(change);
        }
        return;
      } catch (caught) {
        const error = HoldfastError.from(caught);
        if (o.signal.aborted || error.code !== 'out_of_range') throw error;
        from = await this.load(o);
      }
    }
  }

  /** What this process has just written or read: no need to wait for the watch to say it. */
  note(known: Known<TaskRecord>): void {
    const { task } = known.value;
    const before = this.#tasks.get(task);
    if (before && before.revision >= known.revision) return;
    this.#place(task, known);
  }

  #take({ puts, deletes }: Change): void {
    const tasks = new Set<string>();
    const nodes = new Set<string>();
    let objects = false;
    for (const entry of puts) {
      const { key, value, revision } = entry;
      if (key === keys.objects) objects = this.#takeObjects(value, revision) || objects;
      else if (key.startsWith(keys.tasks)) tasks.add(this.#takeTask(value, revision));
      else this.#takeNode(key, entry, nodes);
    }
    for (const key of deletes) {
      if (key.startsWith(keys.tasks)) {
        const task = key.slice(keys.tasks.length);
        this.#place(task, undefined);
        tasks.add(task);
      } else this.#takeNode(key, undefined, nodes);
    }
    if (objects || tasks.size > 0 || nodes.size > 0) this.#tell({ objects, tasks, nodes });
  }

  #takeObjects(text: string, revision: number): boolean {
    if (revision <= this.#objects.revision) return false;
    this.#objects = { value: (JSON.parse(text) as ObjectsRecord).objects, revision };
    return true;
  }

  #takeTask(text: string, revision: number): string {
    const value = JSON.parse(text) as TaskRecord;
    this.note({ value, revision });
    return value.task;
  }

  #takeNode(
    key: string,
    entry: { readonly value: string; readonly revision: number } | undefined,
    changed: Set<string>,
  ): void {
    if (key.startsWith(keys.nodes)) {
      const node = key.slice(keys.nodes.length);
      if (entry) this.#nodes.set(node, { value: JSON.parse(entry.value), revision: entry.revision });
      else this.#nodes.delete(node);
      changed.add(node);
    } else if (key.startsWith(keys.drains)) {
      const node = key.slice(keys.drains.length);
      if (entry) this.#drains.add(node);
      else this.#drains.delete(node);
      changed.add(node);
    }
  }

  #place(task: string, known: Known<TaskRecord> | undefined): void {
    const before = this.#tasks.get(task)?.value;
    const after = known?.value;
    if (known) this.#tasks.set(task, known);
    else this.#tasks.delete(task);
    this.#tasksOf.move(task, holderOf(before), holderOf(after));
    this.#runningOn.move(task, before?.running?.node, after?.running?.node);
  }

  #tell(change: ViewChange): void {
    for (const listener of this.#listeners) listener(change);
  }
}

/** A task that is no longer declared is nobody's load. */
function holderOf(record: TaskRecord | undefined): string | undefined {
  return record?.removedAtMs === undefined ? record?.node : undefined;
}

const none: ReadonlySet<string> = new Set();

/** Names of tasks by the node that each is with. */
class NamesBy {
  readonly #names = new Map<string, Set<string>>();

  get(node: string): ReadonlySet<string> {
    return this.#names.get(node) ?? none;
  }

  move(task: string, from: string | undefined, to: string | undefined): void {
    if (from === to) return;
    if (from !== undefined) {
      const names = this.#names.get(from);
      names?.delete(task);
      if (names?.size === 0) this.#names.delete(from);
    }
    if (to !== undefined) this.#names.set(to, (this.#names.get(to) ?? new Set()).add(task));
  }

  clear(): void {
    this.#names.clear();
  }
}
