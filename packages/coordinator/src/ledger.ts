import {
  type Check,
  type Clock,
  type ClusterStore,
  type DeclaredObjects,
  type ErrorRecord,
  HoldfastError,
  type Put,
  type Revision,
  type Sig,
} from '@holdfast/core';
import type { Adopted } from './assignments.ts';
import { decisionPut, type Known, messagePut, objectsOf, runPut } from './entries.ts';
import { keys } from './keys.ts';
import { noTask } from './not-found.ts';
import type { DecisionRecord, Message, ObjectsRecord, RunRecord, Settled, TaskRecord } from './records.ts';
import {
  beginRun,
  delayTask,
  endRun,
  type Outcome,
  pauseTask,
  resumeTask,
  type Skip,
  type Start,
  type Step,
  skipped,
  startRun,
} from './transitions.ts';

/** Of what this build writes into a store. */
const storeFormat = '1';

/** Two nodes rarely meet at one record; meeting this often means that something is broken. */
const triesMax = 50;

export interface Taken {
  readonly run: RunRecord;
  readonly known: Known<TaskRecord>;
}

/** What the end of a run has to tell: computed from the records before and after, written with them. */
export type Tell = (before: TaskRecord, after: Step) => readonly Message[];

/** Every change to what the cluster remembers: each is one transaction of the store. */
export class Ledger {
  readonly #store: ClusterStore;
  readonly #clock: Clock;

  constructor(o: { readonly store: ClusterStore; readonly clock: Clock }) {
    this.#store = o.store;
    this.#clock = o.clock;
  }

  /**
   * Makes an empty store a cluster's. Resolves with the cluster's id.
   * @throws HoldfastError unsupported when a newer build has written this store
   */
  async prepare(o: Sig): Promise<string> {
    const found = await this.#store.get(keys.format, o);
    if (found === undefined) {
      const put = { key: keys.format, value: storeFormat };
      await this.#store
        .transact({ checks: [{ key: keys.format, revision: 'absent' }], puts: [put] }, o)
        .catch(ignoreConflict);
    } else if (found.value !== storeFormat) {
      throw new HoldfastError(
        'unsupported',
        `the store (${this.#store.description}) is of format ${found.value}, this build knows ${storeFormat}`,
        { hint: 'run the Holdfast that wrote it, or a newer one' },
      );
    }
    const key = keys.cluster;
    const known = await this.#store.get(key, o);
    if (known) return known.value;
    const value = crypto.randomUUID();
    await this.#store
      .transact({ checks: [{ key, revision: 'absent' }], puts: [{ key, value }] }, o)
      .catch(ignoreConflict);
    // Of nodes that start at once, one names the cluster.
    return (await this.#store.get(key, o))?.value ?? value;
  }

  async objects(o: Sig): Promise<Known<DeclaredObjects>> {
    return objectsOf(await this.#store.get(keys.objects, o));
  }

  /** @throws HoldfastError conflict when they were changed since `revision` */
  async replaceObjects(objects: DeclaredObjects, revision: Revision, o: Sig): Promise<Revision> {
    const record: ObjectsRecord = { objects, appliedAtMs: this.#clock.now() };
    const checks = [{ key: keys.objects, revision: revision === 0 ? ('absent' as const) : revision }];
    try {
      return await this.#store.transact(
        { checks, puts: [{ key: keys.objects, value: JSON.stringify(record) }] },
        o,
      );
    } catch (caught) {
      const error = HoldfastError.from(caught);
      if (error.code === 'conflict')
        throw new HoldfastError('conflict', 'the declared objects were changed in the meantime', {
          hint: 'look at holdfast plan again, then apply',
          cause: error,
        });
      if (error.code === 'config_invalid')
        throw new HoldfastError('config_invalid', 'too much is declared for one cluster', {
          hint: 'all declared objects together may take one megabyte: split them over two clusters',
          cause: error,
        });
      throw error;
    }
  }

  async task(task: string, o: Sig): Promise<Known<TaskRecord> | undefined> {
    const entry = await this.#store.get(keys.task(task), o);
    return entry && { value: JSON.parse(entry.value), revision: entry.revision };
  }

  /** A removed task was declared again: its schedule counts from now. */
  async reviveTask(task: string, as: Adopted, o: Sig): Promise<TaskRecord> {
    return this.#changeKnown(task, o, (record) => {
      if (record.removedAtMs === undefined) return { record };
      const nowMs = this.#clock.now();
      const { removedAtMs: _removed, owed: _owed, ...rest } = record;
      // By the clock of a node that is behind, now is before what another has settled already.
      const { full, incremental } = rest.settledMs;
      const settledMs = { full: Math.max(full, nowMs), incremental: Math.max(incremental, nowMs) };
      return { record: { ...rest, ...as, sinceMs: nowMs, settledMs } };
    });
  }

  /** A task is no longer declared. Its record stays for a while: for history, and so that generations only grow. */
  async abandonTask(task: string, o: Sig): Promise<TaskRecord> {
    return this.#change(task, o, (record) => {
      if (!record) throw noTask(task);
      if (record.removedAtMs !== undefined) return { record };
      const {
        owed: _owed,
        delayedUntilMs: _delayed,
        pausedSinceMs: _paused,
        behind: _behind,
        ...rest
      } = record;
      return { record: { ...rest, removedAtMs: this.#clock.now() } };
    });
  }

  /**
   * Takes an occurrence: the run is created and the cursor moves in one transaction, made only if the record still is
   * the one that the decision was made on. Any number of nodes may try; one wins.
   * @throws HoldfastError conflict for the others
   */
  async take(known: Known<TaskRecord>, start: Start, o: Sig): Promise<Taken> {
    return this.#create(known, startRun(known.value, start, this.#clock.now()), o);
  }

  async skipOccurrence(known: Known<TaskRecord>, skip: Skip, o: Sig): Promise<Taken> {
    return this.#create(known, skipped(known.value, skip, this.#clock.now()), o);
  }

  /** By hand: the running run is the answer, also if the store, changing its leader, did not confirm that it was made. */
  async startByHand(
    task: string,
    start: (record: TaskRecord) => Start,
    o: Sig,
  ): Promise<{ readonly run: RunRecord; readonly already: boolean }> {
    let untold: string | undefined;
    for (;;) {
      const known = await this.task(task, o);
      if (!known || known.value.removedAtMs !== undefined) throw noTask(task);
      const { running } = known.value;
      if (running) {
        const run = await this.run(running.run, o);
        if (run) return { run, already: run.id !== untold };
      }
      const step = startRun(known.value, start(known.value), this.#clock.now());
      try {
        const { run } = await this.#create(known, step, o);
        return { run, already: false };
      } catch (caught) {
        const { code } = HoldfastError.from(caught);
        if (code === 'unavailable' && untold === undefined) untold = step.run.id;
        else if (code !== 'conflict') throw caught;
      }
    }
  }

  async run(id: string, o: Sig): Promise<RunRecord | undefined> {
    const entry = await this.#store.get(keys.run(id), o);
    return entry && JSON.parse(entry.value);
  }

  async begin(run: RunRecord, o: Sig): Promise<RunRecord> {
    return (await this.#endOrBegin(run, o, (record) => beginRun({ record, run }, this.#clock.now()))).run;
  }

  /**
   * Ends a run once.
   * @throws HoldfastError lease_lost when the task's generation is another by now, or the run has ended already
   */
  async finish(run: RunRecord, outcome: Outcome, tell: Tell, o: Sig): Promise<Step> {
    return this.#endOrBegin(run, o, (record) => endRun({ record, run }, outcome, this.#clock.now()), tell);
  }

  /** Ends a run that nobody carries out. */
  async interrupt(run: RunRecord, message: string, o: Sig): Promise<RunRecord> {
    const error: ErrorRecord = { code: 'unavailable', message, hint: 'the run goes on by itself' };
    return (await this.finish(run, { state: 'interrupted', error }, () => [], o)).run;
  }

  async tasks(o: Sig): Promise<readonly Known<TaskRecord>[]> {
    const { entries } = await this.#store.list(keys.tasks, o);
    return entries.map(({ value, revision }) => ({ value: JSON.parse(value), revision }));
  }

  async pause(task: string, o: Sig): Promise<TaskRecord> {
    return this.#changeKnown(task, o, (record) => ({ record: pauseTask(record, this.#clock.now()) }));
  }

  async resume(task: string, settle: (record: TaskRecord) => Settled, o: Sig): Promise<TaskRecord> {
    return this.#changeKnown(task, o, (record) => ({
      record: resumeTask(record, settle(record), this.#clock.now()),
    }));
  }

  async delay(
    task: string,
    untilMs: number,
    scope: (record: TaskRecord) => 'full' | 'incremental',
    o: Sig,
  ): Promise<TaskRecord> {
    return this.#changeKnown(task, o, (record) => ({ record: delayTask(record, scope(record), untilMs) }));
  }

  /** Any other change of one record, together with messages. */
  async amend(
    task: string,
    amend: (record: TaskRecord) => { readonly record: TaskRecord; readonly messages?: readonly Message[] },
    o: Sig,
  ): Promise<TaskRecord> {
    return this.#changeKnown(task, o, amend);
  }

  /** The newest runs of a task, the newest first; before a run's id, if named. */
  async history(task: string, o: Sig & { readonly last: number }): Promise<readonly RunRecord[]> {
    const { entries } = await this.#store.list(keys.runsOf(task), { signal: o.signal, last: o.last });
    return entries.map(({ value }) => JSON.parse(value) as RunRecord).reverse();
  }

  /** Deletes the oldest runs of a task beyond `keep`, except one that goes on; resolves with their ids. */
  async trimHistory(task: string, o: Sig & { readonly keep: number }): Promise<readonly string[]> {
    const { entries } = await this.#store.list(keys.runsOf(task), { signal: o.signal });
    const old = entries
      .slice(0, Math.max(0, entries.length - o.keep))
      .map(({ key, value }) => ({ key, run: JSON.parse(value) as RunRecord }))
      .filter(({ run }) => run.endedAtMs !== undefined);
    for (let at = 0; at < old.length; at += 100) {
      await this.#store.transact({ deletes: old.slice(at, at + 100).map(({ key }) => key) }, o);
    }
    return old.map(({ run }) => run.id);
  }

  /** Deletes what is left of a task that was removed; resolves with the ids of its runs. */
  async forgetTask(known: Known<TaskRecord>, o: Sig): Promise<readonly string[]> {
    const { task } = known.value;
    const runs = await this.trimHistory(task, { ...o, keep: 0 });
    const key = keys.task(task);
    const { entries } = await this.#store.list(keys.decisionsOf(task), { signal: o.signal, first: 100 });
    const deletes = [key, ...entries.map((entry) => entry.key)];
    await this.#store.transact({ checks: [{ key, revision: known.revision }], deletes }, o);
    return runs;
  }

  /** Tells a node to give its tasks away, or that it may have some again. It need not be alive. */
  async setDrain(node: string, on: boolean, o: Sig): Promise<void> {
    const key = keys.drain(node);
    await this.#store.transact(
      on ? { puts: [{ key, value: String(this.#clock.now()) }] } : { deletes: [key] },
      o,
    );
  }

  /** What was decided of a task's responsible node, the newest last. */
  async decisions(task: string, o: Sig & { readonly last: number }): Promise<readonly DecisionRecord[]> {
    const { entries } = await this.#store.list(keys.decisionsOf(task), { signal: o.signal, last: o.last });
    return entries.map(({ value }) => JSON.parse(value) as DecisionRecord);
  }

  async messages(o: Sig): Promise<readonly Known<Message>[]> {
    const { entries } = await this.#store.list(keys.outbox, { ...o, first: 1000 });
    return entries.map(({ value, revision }) => ({ value: JSON.parse(value), revision }));
  }

  async deleteMessage(id: string, o: Sig): Promise<void> {
    await this.#store.transact({ deletes: [keys.message(id)] }, o);
  }

  async #endOrBegin(run: RunRecord, o: Sig, next: (record: TaskRecord) => Step, tell?: Tell): Promise<Step> {
    let result: Step | undefined;
    await this.#changeKnown(run.task, o, (record) => {
      if (record.running?.run !== run.id || record.generation !== run.generation)
        throw new HoldfastError('lease_lost', `run ${run.id} is no longer the task's running run`, {
          hint: 'another node is responsible for the task now, or the run was ended; see holdfast history',
        });
      result = next(record);
      return {
        record: result.record,
        puts: [runPut(result.run), ...granted(record, result, this.#clock.now())],
        messages: tell?.(record, result) ?? [],
      };
    });
    if (!result) throw new HoldfastError('internal', 'a run ended without an answer');
    return result;
  }

  #changeKnown(
    task: string,
    o: Sig,
    change: (record: TaskRecord) => {
      readonly record: TaskRecord;
      readonly puts?: readonly Put[];
      readonly messages?: readonly Message[];
    },
  ): Promise<TaskRecord> {
    return this.#change(task, o, (record) => {
      if (!record) throw noTask(task);
      return change(record);
    });
  }

  /** Reads, changes and writes until no one else has written in between. */
  async #change(
    task: string,
    o: Sig,
    change: (record: TaskRecord | undefined) => {
      readonly record: TaskRecord;
      readonly puts?: readonly Put[];
      readonly messages?: readonly Message[];
    },
  ): Promise<TaskRecord> {
    for (let tries = 0; ; tries++) {
      const known = await this.task(task, o);
      const { record, puts = [], messages = [] } = change(known?.value);
      if (known && record === known.value && puts.length === 0) return record;
      try {
        await this.#write(
          known ?? { value: record, revision: 0 },
          { record, puts: [...puts, ...messages.map(messagePut)] },
          o,
        );
        return record;
      } catch (caught) {
        if (tries >= triesMax) throw caught;
        ignoreConflict(caught);
      }
    }
  }

  /** A run of history that a node apart has told of may have the id by now: it is not overwritten, and later is another id. */
  async #create(known: Known<TaskRecord>, { run, record }: Step, o: Sig): Promise<Taken> {
    const checks = [{ key: keys.run(run.id), revision: 'absent' as const }];
    return { run, known: await this.#write(known, { record, puts: [runPut(run)], checks }, o) };
  }

  async #write(
    known: Known<TaskRecord>,
    {
      record,
      puts,
      checks = [],
    }: { readonly record: TaskRecord; readonly puts: readonly Put[]; readonly checks?: readonly Check[] },
    o: Sig,
  ): Promise<Known<TaskRecord>> {
    const key = keys.task(record.task);
    const revision = known.revision === 0 ? ('absent' as const) : known.revision;
    const written = await this.#store.transact(
      { checks: [{ key, revision }, ...checks], puts: [{ key, value: JSON.stringify(record) }, ...puts] },
      o,
    );
    return { value: record, revision: written };
  }
}

/** The story of a task's responsible node is whole only with what its fulls gave it. */
function granted(before: TaskRecord, { record, run }: Step, nowMs: number): Put[] {
  const { owner, task, generation } = record;
  const { owner: had } = before;
  // A further full of the same owner is no news.
  if (!owner || (had?.node === owner.node && had.generation === owner.generation)) return [];
  const reason = `run ${run.id} committed the full of chain ${owner.chain}: node ${owner.node} makes the incrementals`;
  return [
    decisionPut({ task, atMs: nowMs, kind: 'ownership', node: owner.node, generation, by: run.node, reason }),
  ];
}

function ignoreConflict(caught: unknown): void {
  const error = HoldfastError.from(caught);
  if (error.code !== 'conflict') throw error;
}
