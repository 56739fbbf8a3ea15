import { type Check, type Clock, type ClusterStore, HoldfastError, type Put, type Sig } from '@holdfast/core';
import { decisionPut, type Known, runPut } from './entries.ts';
import { keys } from './keys.ts';
import type { DecisionRecord, RunRecord, TaskRecord } from './records.ts';
import { endRun, moveTask, newTask } from './transitions.ts';

/** How many decisions of a task are remembered. */
const decisionsMax = 50;

/** What of a declaration a task's record remembers. */
export type Adopted = Pick<TaskRecord, 'schedule' | 'disabled'>;

export interface AssignmentsOptions {
  readonly store: ClusterStore;
  readonly clock: Clock;
  /** Who decides. */
  readonly node: string;
  /** Of this node's own sign of life: without it nothing is decided. Undefined while there is none. */
  readonly revision: () => number | undefined;
}

/**
 * The transactions by which responsibility changes. Each holds only if the record still is the one that was decided on,
 * if the node that decides is alive for the store as well, and if a node that was taken for dead still is.
 * Every method rejects with `conflict` when that is not so: look again.
 */
export class Assignments {
  readonly #o: AssignmentsOptions;

  constructor(options: AssignmentsOptions) {
    this.#o = options;
  }

  /** A task without a record gets one, and this node with it; with `nobody`, none. */
  async adopt(
    task: string,
    as: Adopted & { readonly reason: string; readonly nobody?: boolean },
    o: Sig,
  ): Promise<Known<TaskRecord>> {
    const { reason, nobody = false, ...adopted } = as;
    const node = nobody ? '' : this.#o.node;
    const record = { ...newTask(task, node, this.#o.clock.now()), ...adopted, nodeReason: reason };
    return this.#write({ value: record, revision: 0 }, record, { kind: 'assigned', reason }, o);
  }

  /** The responsible node cannot run the task: whoever sees that says so before anything moves. */
  async mark(known: Known<TaskRecord>, reason: string, o: Sig): Promise<Known<TaskRecord>> {
    const { value } = known;
    const record = { ...value, notSuitable: { sinceMs: this.#o.clock.now(), reason } };
    const checks = isGone(value.node);
    return this.#write(known, record, { kind: 'not-suitable', reason, checks }, o);
  }

  async clear(known: Known<TaskRecord>, reason: string, o: Sig): Promise<Known<TaskRecord>> {
    const { notSuitable: _mark, ...record } = known.value;
    return this.#write(known, record, { kind: 'suitable-again', reason }, o);
  }

  /** Makes this node responsible. What a node that is gone was doing for the task is interrupted with it. */
  async take(known: Known<TaskRecord>, reason: string, o: Sig): Promise<Known<TaskRecord>> {
    const { value } = known;
    const { record, run, checks, puts } = await this.#interrupted(known, o);
    // Where the mark says that it is dead, it has to be dead for the store, too.
    const dead = value.notSuitable && value.node ? isGone(value.node) : [];
    const moved = moveTask(record, this.#o.node, { reason, lost: run });
    return this.#write(known, moved, { kind: 'moved', reason, checks: [...dead, ...checks], puts }, o);
  }

  /** Nobody may run the task: it has no node until one may. No run survives a change of generation. */
  async release(known: Known<TaskRecord>, reason: string, o: Sig): Promise<Known<TaskRecord>> {
    const { record, run, ...change } = await this.#interrupted(known, o);
    return this.#write(
      known,
      moveTask(record, '', { reason, lost: run }),
      { kind: 'released', reason, ...change },
      o,
    );
  }

  /** Ends a run whose node has no sign of life, while the task stays where it is. */
  async interrupt(known: Known<TaskRecord>, o: Sig): Promise<Known<TaskRecord>> {
    const { record, run, ...change } = await this.#interrupted(known, o);
    return run === undefined ? known : this.#write(known, record, change, o);
  }

  /** The record without a run of a node that is gone, if it has one, and what makes that so. */
  async #interrupted({ value }: Known<TaskRecord>, o: Sig): Promise<Interrupted> {
    const { running, ...resting } = value;
    if (!running) return { record: value, checks: [], puts: [] };
    const key = keys.run(running.run);
    const entry = await this.#o.store.get(key, o);
    const before = entry && (JSON.parse(entry.value) as RunRecord);
    // This node's own run would be of an earlier life.
    const gone = running.node === this.#o.node ? [] : isGone(running.node);
    const checks = [{ key, revision: entry?.revision ?? ('absent' as const) }, ...gone];
    // A node that was apart, and is gone before it has told all of that: nobody else knows of the run, or it has ended.
    if (!before || before.endedAtMs !== undefined)
      return { record: resting, run: running.run, checks, puts: [] };
    const error = {
      code: 'unavailable' as const,
      message: `node ${before.node} went away during the run`,
      hint: 'the run goes on by itself',
    };
    const outcome = { state: 'interrupted', error } as const;
    const { record, run } = endRun({ record: value, run: before }, outcome, this.#o.clock.now());
    return { record, run: run.id, checks, puts: [runPut(run)] };
  }

  async #write(
    known: Known<TaskRecord>,
    record: TaskRecord,
    change: Changing,
    o: Sig,
  ): Promise<Known<TaskRecord>> {
    const { clock, node, store, revision: own } = this.#o;
    const ownRevision = own();
    if (ownRevision === undefined)
      throw new HoldfastError(
        'lease_lost',
        `node ${node} is not known to the cluster now, and decides nothing`,
        {
          hint: 'it decides again when it has a session',
        },
      );
    const { task } = record;
    const { kind, reason, checks = [], puts = [] } = change;
    const key = keys.task(task);
    const nowMs = clock.now();
    const decision: DecisionRecord | undefined = kind && {
      task,
      atMs: nowMs,
      kind,
      node: record.node,
      generation: record.generation,
      by: node,
      reason: reason ?? '',
    };
    // A mark is followed by what takes it away: that looks for old ones, so that the marks of a dead node come quickly.
    const mayBeOld = decision && kind !== 'not-suitable' && known.revision > 0;
    const old = mayBeOld ? await this.#oldDecisions(task, o) : [];
    const revision = await store.transact(
      {
        checks: [
          { key, revision: known.revision === 0 ? 'absent' : known.revision },
          { key: keys.node(node), revision: ownRevision },
          ...checks,
        ],
        puts: [{ key, value: JSON.stringify(record) }, ...puts, ...(decision ? [decisionPut(decision)] : [])],
        deletes: old,
      },
      o,
    );
    return { value: record, revision };
  }

  async #oldDecisions(task: string, o: Sig): Promise<readonly string[]> {
    const { entries } = await this.#o.store.list(keys.decisionsOf(task), o);
    return entries.slice(0, Math.max(0, entries.length + 1 - decisionsMax)).map(({ key }) => key);
  }
}

interface Interrupted {
  readonly record: TaskRecord;
  /** Undefined: there was none. */
  readonly run?: string;
  readonly checks: readonly Check[];
  readonly puts: readonly Put[];
}

interface Changing {
  readonly kind?: DecisionRecord['kind'];
  readonly reason?: string;
  readonly checks?: readonly Check[];
  readonly puts?: readonly Put[];
}

function isGone(node: string): Check[] {
  return [{ key: keys.node(node), revision: 'absent' }];
}
