import type { ClusterStore, Entry, ErrorRecord, HoldfastError } from '@holdfast/core';
import { HoldfastError as Failure } from '@holdfast/core';
import {
  FakeClock,
  failingStore,
  MemoryClusterStore,
  MemoryClusterTable,
  type StoreScript,
} from '@holdfast/testing';
import { JournaledStore } from './journaled-store.ts';
import { keys } from './keys.ts';
import { Ledger } from './ledger.ts';
import type { DecisionRecord, Message, RunRecord, RunResult, TaskRecord } from './records.ts';
import { newTask } from './transitions.ts';

export const { signal } = new AbortController();
export const o = { signal };
export const due = { scope: 'incremental', trigger: 'schedule', reason: 'due' } as const;
export const broken: ErrorRecord = { code: 'source_failed', message: 'pg_dump ended with 1' };
export const silence: HoldfastError = new Failure('unavailable', 'no etcd answers');
export const silent = (): readonly Message[] => [];

/** A store of two nodes: `a` is under test, `b` is another, which always reaches it. */
export class Cluster {
  readonly clock = new FakeClock();
  readonly table = new MemoryClusterTable();
  readonly journalTable = new MemoryClusterTable();
  readonly b = new MemoryClusterStore({ clock: this.clock, table: this.table });
  readonly ledgerB = new Ledger({ store: this.b, clock: this.clock });

  /** A life of node `a`: the journal is what the one before left. */
  life(script: StoreScript = {}, journalScript: StoreScript = {}): Life {
    const { clock, table, journalTable } = this;
    const line = new MemoryClusterStore({ clock, table });
    const journal = new MemoryClusterStore({ clock, table: journalTable });
    const store = new JournaledStore({
      store: failingStore(line, script),
      journal: failingStore(journal, journalScript),
      node: 'a',
      clock,
    });
    const ledger = new Ledger({ store, clock });
    const seen = async (): Promise<Entry[]> => {
      const tasks = await this.b.list(keys.tasks, o);
      const objects = await this.b.get(keys.objects, o);
      return [...tasks.entries, ...(objects ? [objects] : [])];
    };
    return { line, store, ledger, seen };
  }

  /** A task of a node that makes its incrementals. */
  async declare(task: string, node = 'a'): Promise<TaskRecord> {
    const owner = { node, generation: 1, chain: 'c1' };
    const record = { ...newTask(task, node, this.clock.now()), owner, newest: owner };
    await this.write(this.b, record);
    return record;
  }

  async write(store: ClusterStore, record: TaskRecord): Promise<void> {
    await store.transact({ puts: [{ key: keys.task(record.task), value: JSON.stringify(record) }] }, o);
  }

  async record(task: string, store: ClusterStore = this.b): Promise<TaskRecord> {
    const entry = await store.get(keys.task(task), o);
    if (!entry) throw new Failure('not_found', `no record of ${task}`);
    return JSON.parse(entry.value);
  }

  async runs(task: string): Promise<RunRecord[]> {
    return (await this.b.list(keys.runsOf(task), o)).entries.map(({ value }) => JSON.parse(value));
  }

  async decisions(task: string): Promise<DecisionRecord[]> {
    return (await this.b.list(keys.decisionsOf(task), o)).entries.map(({ value }) => JSON.parse(value));
  }

  /** Everything that is stored, without revisions. */
  async everything(): Promise<Record<string, unknown>> {
    const { entries } = await this.b.list('', o);
    return Object.fromEntries(entries.map(({ key, value }) => [key, JSON.parse(value)]));
  }
}

export interface Life {
  /** To the cluster. */
  readonly line: MemoryClusterStore;
  readonly store: JournaledStore;
  readonly ledger: Ledger;
  readonly seen: () => Promise<Entry[]>;
}

/** The line is cut, and the node goes on alone. */
export async function goApart({ line, store, seen }: Life): Promise<void> {
  const last = await seen();
  line.cutOff();
  await store.enter(last, silence, o);
}

export function made(backup: string, over: Partial<RunResult> = {}): RunResult {
  return {
    outcome: 'stored',
    scope: 'incremental',
    backup,
    reason: 'due',
    rows: 0,
    changes: 1,
    rawBytes: 10,
    storedBytes: 5,
    segments: 1,
    notices: [],
    destinations: [{ name: 'near', stored: true }],
    ...over,
  };
}

export async function take(life: Life, task: string): Promise<RunRecord> {
  const known = await life.ledger.task(task, o);
  if (!known) throw new Failure('not_found', `no record of ${task}`);
  const settledMs = { full: known.value.settledMs.full, incremental: known.value.settledMs.incremental + 1 };
  return (await life.ledger.take(known, { ...due, settledMs }, o)).run;
}

/** A run from its beginning to its good end. */
export async function back(life: Life, task: string, backup: string): Promise<RunRecord> {
  const run = await life.ledger.begin(await take(life, task), o);
  return (await life.ledger.finish(run, { state: 'succeeded', made: made(backup) }, silent, o)).run;
}
