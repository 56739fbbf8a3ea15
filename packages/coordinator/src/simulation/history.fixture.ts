import type { Change, DeclaredObjects } from '@holdfast/core';
import type { SimulatedStore } from '@holdfast/testing';
import { noObjects } from '../entries.ts';
import { keys } from '../keys.ts';
import type { DecisionRecord, NodeRecord, ObjectsRecord, RunRecord, TaskRecord } from '../records.ts';

/** One transaction of the store, with what there was before it. */
export interface Written {
  readonly atMs: number;
  readonly tasks: readonly { readonly before: TaskRecord | undefined; readonly after: TaskRecord }[];
  readonly runs: readonly { readonly before: RunRecord | undefined; readonly after: RunRecord }[];
  readonly decisions: readonly DecisionRecord[];
}

/** What was declared, drained and alive from some moment on. */
export interface Circumstances {
  readonly fromMs: number;
  readonly objects: DeclaredObjects;
  readonly drains: ReadonlySet<string>;
  readonly nodes: ReadonlyMap<string, NodeRecord>;
}

/** Reads what happened in the store, change by change, beside all nodes and without any fault. */
export class History {
  readonly tasks = new Map<string, TaskRecord>();
  readonly runs = new Map<string, RunRecord>();
  /** The latest last. */
  readonly circumstances: Circumstances[] = [
    { fromMs: 0, objects: noObjects, drains: new Set(), nodes: new Map() },
  ];
  readonly #store: SimulatedStore;
  #at = 0;

  constructor(store: SimulatedStore) {
    this.#store = store;
  }

  get now(): Circumstances {
    return this.circumstances.at(-1) as Circumstances;
  }

  /** All that was written since the last time. */
  read(): Written[] {
    const { table } = this.#store;
    const written: Written[] = [];
    while (this.#at < table.revision) {
      const next = table.next('', this.#at);
      if (typeof next === 'number') {
        this.#at = next;
      } else {
        this.#at = next.revision;
        written.push(this.#take(next));
      }
    }
    return written;
  }

  #take({ puts, deletes }: Change): Written {
    const atMs = this.#store.time.nowMs;
    const tasks: { before: TaskRecord | undefined; after: TaskRecord }[] = [];
    const runs: { before: RunRecord | undefined; after: RunRecord }[] = [];
    const decisions: DecisionRecord[] = [];
    for (const { key, value } of puts) {
      if (key.startsWith(keys.tasks)) {
        const after = JSON.parse(value) as TaskRecord;
        tasks.push({ before: this.tasks.get(after.task), after });
        this.tasks.set(after.task, after);
      } else if (key.startsWith(keys.runs)) {
        const after = JSON.parse(value) as RunRecord;
        runs.push({ before: this.runs.get(after.id), after });
        this.runs.set(after.id, after);
      } else if (key.startsWith(keys.decisions)) decisions.push(JSON.parse(value) as DecisionRecord);
    }
    this.#follow(atMs, puts, deletes);
    return { atMs, tasks, runs, decisions };
  }

  #follow(atMs: number, puts: Change['puts'], deletes: Change['deletes']): void {
    let { objects, drains, nodes } = this.now;
    for (const { key, value } of puts) {
      if (key === keys.objects) objects = (JSON.parse(value) as ObjectsRecord).objects;
      if (key.startsWith(keys.drains)) drains = new Set([...drains, key.slice(keys.drains.length)]);
      if (key.startsWith(keys.nodes)) {
        const record = JSON.parse(value) as NodeRecord;
        nodes = new Map([...nodes, [record.node, record]]);
      }
    }
    for (const key of deletes) {
      if (key.startsWith(keys.drains))
        drains = new Set([...drains].filter((node) => keys.drain(node) !== key));
      if (key.startsWith(keys.nodes)) nodes = new Map([...nodes].filter(([node]) => keys.node(node) !== key));
    }
    const { now } = this;
    if (objects === now.objects && drains === now.drains && nodes === now.nodes) return;
    this.circumstances.push({ fromMs: atMs, objects, drains, nodes });
  }
}
