import { type ClusterStore, type DeclaredObjects, HoldfastError, type Sig } from '@holdfast/core';
import { type Known, noObjects } from './entries.ts';
import { keys } from './keys.ts';
import type { ObjectsRecord, TaskRecord } from './records.ts';

/** What changed: the objects, or records of these tasks. */
export interface ViewChange {
  readonly objects: boolean;
  readonly tasks: ReadonlySet<string>;
}

/**
 * The objects and the tasks' records as this node last saw them, kept up to date by a watch. Decisions are made on it and
 * written by compare-and-set: what is stale loses.
 */
export class ClusterView {
  readonly #store: ClusterStore;
  #objects: Known<DeclaredObjects> = { value: noObjects, revision: 0 };
  readonly #tasks = new Map<string, Known<TaskRecord>>();
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

  task(task: string): Known<TaskRecord> | undefined {
    return this.#tasks.get(task);
  }

  /** Returns how to stop being told. */
  onChange(listener: (change: ViewChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Reads everything; then the view is as of one revision, which `follow` goes on from. */
  async load(o: Sig): Promise<number> {
    const { entries, revision } = await this.#store.list(keys.tasks, o);
    const objects = await this.#store.get(keys.objects, o);
    if (objects) this.#takeObjects(objects.value, objects.revision);
    const listed = new Set(entries.map(({ value, revision: at }) => this.#takeTask(value, at)));
    const changed = new Set(this.#tasks.keys());
    for (const [task, known] of this.#tasks)
      if (!listed.has(task) && known.revision <= revision) this.#tasks.delete(task);
    this.#seen = revision;
    this.#tell({ objects: true, tasks: changed });
    // That of the list: what was read after it comes again, and is known by its revision.
    return revision;
  }

  /** Until the signal aborts; called again, it goes on. A watch that fell behind reads everything anew. */
  async follow(since: number, o: Sig): Promise<void> {
    for (let from = Math.max(since, this.#seen); ; ) {
      try {
        for await (const change of this.#store.watch('', { ...o, since: from })) {
          from = change.revision;
          this.#seen = from;
          const changed = new Set<string>();
          let objects = false;
          for (const { key, value, revision } of change.puts) {
            if (key === keys.objects) objects = this.#takeObjects(value, revision) || objects;
            else if (key.startsWith(keys.tasks)) changed.add(this.#takeTask(value, revision));
          }
          for (const key of change.deletes) {
            if (!key.startsWith(keys.tasks)) continue;
            const task = key.slice(keys.tasks.length);
            this.#tasks.delete(task);
            changed.add(task);
          }
          if (objects || changed.size > 0) this.#tell({ objects, tasks: changed });
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
    const before = this.#tasks.get(known.value.task);
    if (before && before.revision >= known.revision) return;
    this.#tasks.set(known.value.task, known);
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

  #tell(change: ViewChange): void {
    for (const listener of this.#listeners) listener(change);
  }
}
