import { type Check, type Clock, type ClusterStore, HoldfastError, type Put, type Sig } from '@holdfast/core';
import { type Known, runPut } from './entries.ts';
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
    const { node } = this.#o;
    const { value } = known;
    // Where the mark says that it is dead, it has to be dead for the store, too.
    const checks: Check[] = value.notSuitable && value.node ? isGone(value.node) : [];
    const lost = await this.#interrupted(known, o);
    if (lost && lost.run.node !== value.node) checks.push(...isGone(lost.run.node));
    const record = moveTask(lost?.record ?? value, node, { reason, lost: lost?.run.id });
    const puts = lost ? [runPut(lost.run)] : [];
    return this.#write(
      known,
      record,
      { kind: 'moved', reason, checks: [...checks, ...(lost?.checks ?? [])], puts },
      o,
    );
  }

  /** Nobody may run the task: it has no node until one may. No run survives a change of generation. */
  async release(known: Known<TaskRecord>, reason: string, o: Sig): Promise<Known<TaskRecord>> {
    const lost = await this.#interrupted(known, o);
    const checks = lost ? [...lost.checks, ...isGone(lost.run.node)] : [];
    const record = moveTask(lost?.record ?? known.value, '', { reason, lost: lost?.run.id });
    const puts = lost ? [runPut(lost.run)] : [];
    return this.#write(known, record, { kind: 'released', reason, checks, puts }, o);
  }

  /** Ends a run whose node has no sign of life, while the task stays where it is. */
  async interrupt(known: Known<TaskRecord>, o: Sig): Promise<Known<TaskRecord>> {
    const lost = await this.#interrupted(known, o);
    if (!lost) return known;
    const checks = [...lost.checks, ...(lost.run.node === this.#o.node ? [] : isGone(lost.run.node))];
    return this.#write(known, lost.record, { checks, puts: [runPut(lost.run)] }, o);
  }

  async #interrupted(known: Known<TaskRecord>, o: Sig): Promise<Lost | undefined> {
    const { running } = known.value;
    if (!running) return undefined;
    const key = keys.run(running.run);
    const entry = await this.#o.store.get(key, o);
    if (!entry) return undefined;
    const run = JSON.parse(entry.value) as RunRecord;
    const error = {
      code: 'unavailable' as const,
      message: `node ${running.node} went away during the run`,
      hint: 'the run goes on by itself',
    };
    const step = endRun({ record: known.value, run }, { state: 'interrupted', error }, this.#o.clock.now());
    return { ...step, checks: [{ key, revision: entry.revision }] };
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
    const old = decision && known.revision > 0 ? await this.#oldDecisions(task, o) : [];
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

interface Lost {
  readonly record: TaskRecord;
  readonly run: RunRecord;
  readonly checks: readonly Check[];
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

export function decisionPut(decision: DecisionRecord): Put {
  const { task, generation, atMs, by } = decision;
  return { key: keys.decision(task, generation, atMs, by), value: JSON.stringify(decision) };
}
