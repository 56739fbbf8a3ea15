import {
  type Clock,
  type ClusterStore,
  type Entry,
  HoldfastError,
  type Revision,
  type Sig,
} from '@holdfast/core';
import { type Attempt, planAttempt, type ReconcileOutcome, runsOf, tellOwn } from './journal-attempt.ts';
import { batches, type KeyChange, transactionOf } from './journal-batches.ts';
import type { ApartMeta, JournalBook, Own } from './journal-book.ts';
import { taskOfKey } from './journal-scope.ts';
import { keys } from './keys.ts';
import type { DecisionRecord, TaskRecord } from './records.ts';

/** What became of a task that went on apart from the cluster. */
export interface Reconciled {
  readonly task: string;
  /**
   * `kept`: nobody else has touched it. `merged`: somebody has, and both hold. `closed`: it has another node or
   * generation by now; what was made restores, but counts no more.
   */
  readonly outcome: ReconcileOutcome;
  readonly reason: string;
  /** How many runs history has got. */
  readonly runs: number;
}

export interface ReconcilerOptions {
  readonly store: ClusterStore;
  readonly book: JournalBook;
  readonly clock: Clock;
  readonly meta: ApartMeta;
}

/** Others rarely write at once; meeting this often means that something is broken. */
const triesMax = 50;

/** The decision comes with the last changes, and so does the record. */
const reserve = 2;

interface Work {
  /** The task's record. */
  readonly own: Own | undefined;
  /** Its runs and decisions. */
  readonly pending: readonly Own[];
  readonly through: Revision;
}

/**
 * Tells the cluster what a journal has, one task after the other. Each transaction holds only while the task's record is
 * the one that was decided on, and the last one writes a decision that was noted in the journal before: after a lost
 * answer, or a crash, it is there or it is not, so that nothing is told twice. Only then does the journal forget.
 */
export class Reconciler {
  readonly #o: ReconcilerOptions;

  constructor(options: ReconcilerOptions) {
    this.#o = options;
  }

  /** Names of the tasks of which the cluster has yet to be told. */
  async tasks(o: Sig): Promise<readonly string[]> {
    const tasks = (await this.#o.book.pending(o)).flatMap(({ key }) => taskOfKey(key) ?? []);
    return [...new Set(tasks)];
  }

  /** Nobody may write to the journal in the meantime. */
  async task(task: string, o: Sig): Promise<Reconciled> {
    for (let tries = 0; tries < triesMax; tries += 1) {
      try {
        return await this.#tell(task, o);
      } catch (caught) {
        // Somebody has written the record: it is decided anew.
        if (HoldfastError.from(caught).code !== 'conflict') throw caught;
      }
    }
    throw new HoldfastError('unavailable', `the record of task ${task} changes too often to be reconciled`);
  }

  /** Messages are told last: until then this node delivers them by itself, and they are deleted again. */
  async messages(o: Sig): Promise<void> {
    const { store, book } = this.#o;
    const messages = (await book.pending(o)).filter(({ key }) => key.startsWith(keys.outbox));
    for (const batch of batches(messages)) await store.transact(transactionOf(batch), o);
    await book.dropOwn(messages, o);
  }

  async #tell(task: string, o: Sig): Promise<Reconciled> {
    const { store, book, clock, meta } = this.#o;
    const nowMs = clock.now();
    // Before the decision: where the record is another by now, an attempt that has not happened never will.
    const remote = await store.get(keys.task(task), o);
    const last = await book.attempt<Attempt | Told>(task, o);
    const before = last && 'decision' in last ? last : undefined;
    const written = before && (await store.get(before.decision.key, o));
    const work = await this.#work(task, o);
    if (before && written?.value === before.decision.value)
      return this.#told(task, { attempt: before, work, revision: written.revision }, o);
    if (!remote) return this.#dropped(task, work, o);
    const isOpen = before !== undefined && !written && before.revision === remote.revision;
    const base = (await book.seen(keys.task(task), o)) ?? remote;
    const atMs = Math.max(nowMs, last ? decidedAtMs(last) + 1 : 0);
    const attempt = isOpen
      ? before
      : await planAttempt({ remote, base, ...work }, { ...o, store, meta, nowMs, atMs });
    if (!attempt) return this.#tellEntries(task, { remote, work }, o);
    if (!isOpen) await book.saveAttempt(task, attempt, o);
    const revision = await this.#send(task, { attempt, work }, o);
    return this.#told(task, { attempt, work, revision }, o);
  }

  async #work(task: string, o: Sig): Promise<Work> {
    const { book } = this.#o;
    const runs = await book.listOwn(keys.runsOf(task), o);
    const decisions = await book.listOwn(keys.decisionsOf(task), o);
    return {
      own: await book.own(keys.task(task), o),
      pending: [...runs.own, ...decisions.own].filter(({ isPending }) => isPending),
      through: runs.revision,
    };
  }

  /** Runs first, the record last: resolves with the revision of that. */
  async #send(task: string, { attempt, work }: { attempt: Attempt; work: Work }, o: Sig): Promise<Revision> {
    const { decision, others } = attempt;
    // Also where it stays as it was: another node that was apart sees by its revision that history has got runs.
    const last: KeyChange[] = [{ key: keys.task(task), value: attempt.record }, decision];
    const all = batches([...others, ...this.#ownChanges(attempt, work)], reserve);
    const checks = [{ key: keys.task(task), revision: attempt.revision }];
    for (const batch of all.slice(0, -1))
      await this.#o.store.transact({ checks, ...transactionOf(batch) }, o);
    return this.#o.store.transact(
      {
        checks: [...checks, { key: decision.key, revision: 'absent' }],
        ...transactionOf([...(all.at(-1) ?? []), ...last]),
      },
      o,
    );
  }

  #ownChanges({ record, renamed, over, outcome, through }: Attempt, { pending }: Work): readonly KeyChange[] {
    const told = pending.filter(({ revision }) => revision <= through);
    const nowMs = this.#o.clock.now();
    const changes = tellOwn(told, JSON.parse(record) as TaskRecord, { renamed, over: over ?? [], nowMs });
    return outcome === 'closed' ? changes.filter(({ value }) => value !== undefined) : changes;
  }

  /** The cluster has it: now the journal need not. */
  async #told(
    task: string,
    { attempt, work, revision }: { attempt: Attempt; work: Work; revision: Revision },
    o: Sig,
  ): Promise<Reconciled> {
    const { book } = this.#o;
    const { outcome, reason, through } = attempt;
    const last: Told = { toldAtMs: decidedAtMs(attempt) };
    const told = work.pending.filter((one) => one.revision <= through);
    // A run that goes on is looked up until every other task is told, too.
    const isNeeded = (own: Own): boolean => runsOf([own]).some(({ endedAtMs }) => endedAtMs === undefined);
    await book.dropOwn(told, { ...o, ...(outcome !== 'closed' && { isNeeded }) });
    if (outcome === 'closed') {
      const seen = { value: attempt.record, revision };
      await book.settle(task, { seen, own: 'as-seen', told: last }, o);
    } else {
      // Changed after the attempt was made: what is new is compared with what this node had then.
      const isLeft = work.own !== undefined && work.own.revision > through;
      const seen = { value: isLeft ? attempt.local : attempt.record, revision };
      await book.settle(task, { seen, own: isLeft ? 'left' : 'as-seen', told: last }, o);
    }
    return { task, outcome, reason, runs: runsOf(told).length };
  }

  /** Nothing but single entries, such as runs that history no longer keeps. */
  async #tellEntries(
    task: string,
    { remote, work }: { remote: Entry; work: Work },
    o: Sig,
  ): Promise<Reconciled> {
    const { store, book, clock } = this.#o;
    const record = JSON.parse(remote.value) as TaskRecord;
    const checks = [{ key: remote.key, revision: remote.revision }];
    for (const batch of batches(tellOwn(work.pending, record, { renamed: {}, nowMs: clock.now() })))
      await store.transact({ checks, ...transactionOf(batch) }, o);
    await book.dropOwn(work.pending, o);
    return { task, outcome: 'kept', reason: 'its record was not changed', runs: runsOf(work.pending).length };
  }

  async #dropped(task: string, work: Work, o: Sig): Promise<Reconciled> {
    const { book } = this.#o;
    await book.dropOwn(work.pending, o);
    await book.settle(task, { own: 'as-seen' }, o);
    const runs = runsOf(work.pending).length;
    const reason = `the task was removed and forgotten meanwhile: of ${runs} runs apart from the cluster no history is kept`;
    return { task, outcome: 'closed', reason, runs: 0 };
  }
}

/** What is left of an attempt that the cluster has: two decisions of one moment could not be told apart. */
interface Told {
  readonly toldAtMs: number;
}

function decidedAtMs(last: Attempt | Told): number {
  return 'toldAtMs' in last ? last.toldAtMs : (JSON.parse(last.decision.value) as DecisionRecord).atMs;
}
