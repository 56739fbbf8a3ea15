import {
  behindOnly,
  type ClusterView,
  type Known,
  type Ledger,
  type RunRecord,
  type TaskRecord,
} from '@holdfast/coordinator';
import { type Clock, type DeclaredTask, HoldfastError, type Sig } from '@holdfast/core';
import { decideFreshness, settleTo } from '@holdfast/scheduler';
import type { Logger } from 'pino';
import { messagesOfFresh, messagesOfOverdue } from './alerts.ts';
import { BehindAlerts } from './behind-alerts.ts';
import { freshnessQuestion } from './freshness.ts';
import { Poke } from './poke.ts';
import type { RunLogs } from './run-log.ts';
import { adopted, type Schedules, scheduleState, scheduleText } from './schedules.ts';
import type { Ending, Service } from './supervisor.ts';

export interface TaskKeeperOptions {
  readonly node: string;
  readonly view: ClusterView;
  readonly ledger: Ledger;
  readonly schedules: Schedules;
  readonly logs: RunLogs;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly historyMax: number;
  /** Whether this process has the run. */
  readonly isOwn: (run: string) => boolean;
  /** Where runs that were taken go. */
  readonly onRun: (run: RunRecord) => void;
  /** Messages have been written. */
  readonly onMessages: () => void;
}

/** How often freshness is judged and history trimmed. */
const lookEveryMs = 60_000;

/** How long a removed task's record and history stay. */
const removedKeptMs = 30 * 86_400_000;

/** History is trimmed when it has grown by so many runs: each look costs a listing. */
const trimEvery = 50;

/** Keeps the tasks' records in step with what is declared, says which are overdue, and keeps history short. */
export class TaskKeeper implements Service {
  readonly name = 'task keeper';
  readonly #o: TaskKeeperOptions;
  readonly #behind: BehindAlerts;
  readonly #poke = new Poke();
  readonly #trimmedAt = new Map<string, number>();
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  /** What is declared has changed, or who is to keep the records. */
  #isOutOfStep = true;
  /** Tasks whose records have changed since they were looked at. */
  readonly #changed = new Set<string>();

  constructor(options: TaskKeeperOptions) {
    this.#o = options;
    this.#behind = new BehindAlerts(options);
  }

  async run({ drain }: Ending): Promise<void> {
    const { view, clock } = this.#o;
    const stopListening = view.onChange(({ objects, tasks, nodes }) => {
      for (const task of tasks) this.#changed.add(task);
      // The records of a node that is gone are for others to keep.
      const isGone = [...nodes].some((one) => !view.nodes.has(one));
      if (objects || isGone) this.#isOutOfStep = true;
      if (objects || isGone || tasks.size > 0) this.#poke.now();
    });
    try {
      while (!drain.aborted) {
        await this.#takeUpRuns({ signal: drain });
        if (this.#isOutOfStep) await this.keepUp({ signal: drain });
        if (clock.elapsed() - this.#lookedAtMs >= lookEveryMs) {
          this.#lookedAtMs = clock.elapsed();
          await this.keepUp({ signal: drain });
          await this.#lookAround({ signal: drain });
        }
        await this.#poke.sleep(clock, lookEveryMs, { signal: drain });
      }
    } finally {
      stopListening();
    }
  }

  /** The records say what is declared. Those of other nodes that live are theirs to keep. */
  async keepUp(o: Sig): Promise<void> {
    const { view, ledger, schedules, logger } = this.#o;
    this.#isOutOfStep = false;
    const { tasks } = view.objects.value;
    schedules.keepOnly(tasks);
    for (const [task, { value }] of view.tasks) {
      if (!this.#isMine(value)) continue;
      const spec = tasks[task];
      if (!spec) {
        if (value.removedAtMs !== undefined) continue;
        await ledger.abandonTask(task, o);
        logger.info({ component: this.name, task }, 'the task is no longer declared');
      } else if (value.removedAtMs !== undefined) {
        await ledger.reviveTask(task, adopted(spec), o);
      } else {
        if (this.#isOutdated(value, spec)) await this.#bringUpToDate(task, spec, o);
        if (behindOnly(value, spec.destinations) !== value)
          await ledger.amend(task, (record) => ({ record: behindOnly(record, spec.destinations) }), o);
      }
    }
  }

  #isMine({ node }: TaskRecord): boolean {
    return node === this.#o.node || !this.#o.view.nodes.has(node);
  }

  /** Runs that were created for this node: asked for at another one, or taken by an answer that was lost. */
  async #takeUpRuns(o: Sig): Promise<void> {
    const { view, node, isOwn } = this.#o;
    const changed = [...this.#changed];
    this.#changed.clear();
    for (const task of changed) {
      const running = view.task(task)?.value.running;
      if (running?.node === node && !isOwn(running.run)) await this.#takeUp(task, running.run, o);
    }
  }

  #isOutdated(record: TaskRecord, spec: DeclaredTask): boolean {
    return record.schedule !== scheduleText(spec) || (record.disabled ?? false) !== (spec.disabled ?? false);
  }

  /** Another schedule, or an end of being disabled, counts from now: what it would have asked for before is nothing missed. */
  async #bringUpToDate(task: string, spec: DeclaredTask, o: Sig): Promise<void> {
    const { ledger, schedules, clock } = this.#o;
    await ledger.amend(
      task,
      (record) => {
        if (!this.#isOutdated(record, spec)) return { record };
        const nowMs = clock.now();
        const settledMs = settleTo(schedules.of(task, spec), scheduleState(record, spec), nowMs);
        return { record: { ...record, ...adopted(spec), sinceMs: nowMs, settledMs } };
      },
      o,
    );
  }

  async #lookAround(o: Sig): Promise<void> {
    const { view, node, clock, ledger, logs } = this.#o;
    for (const [task, known] of view.tasks) {
      const { value } = known;
      if (value.running?.node === node) await this.#takeUp(task, value.running.run, o);
      if (!this.#isMine(value)) continue;
      const spec = view.objects.value.tasks[task];
      if (spec) await this.#judge(task, spec, value, o);
      if (spec) await this.#behind.judge(task, spec, value, o);
      if (this.#hasGrown(task, value)) await this.#trim(task, value, o);
      const isForgotten = value.removedAtMs !== undefined && clock.now() - value.removedAtMs > removedKeptMs;
      if (isForgotten && !value.running) await logs.remove(await this.#forget(known, ledger, o));
    }
  }

  /** A run was taken, and the store's answer that says so was lost: nobody else will ever begin it, or end it. */
  async #takeUp(task: string, id: string, o: Sig): Promise<void> {
    const { ledger, node, isOwn, onRun, logger } = this.#o;
    if (isOwn(id)) return;
    const running = (await ledger.task(task, o))?.value.running;
    const run = await ledger.run(id, o);
    // What was seen may be old: since then it may have ended, or have been accepted.
    if (running?.run !== id || running.node !== node || run?.endedAtMs !== undefined || isOwn(id)) return;
    if (run?.state === 'waiting') {
      logger.info({ component: this.name, task, run: id }, `run ${id} is this node's: it is taken up`);
      onRun(run);
    } else if (run) {
      logger.warn({ component: this.name, task, run: id }, `nobody carries out run ${id}: it is interrupted`);
      await ledger.interrupt(run, 'nobody carried it out', o);
    }
  }

  /** Counted from the last whole step, so that a start does not list the history of every task. */
  #hasGrown(task: string, { runsCount }: TaskRecord): boolean {
    const step = Math.floor(runsCount / trimEvery);
    const before = this.#trimmedAt.get(task) ?? step;
    this.#trimmedAt.set(task, step);
    return step > before;
  }

  /** Says once that a task is overdue, and once that it no longer is. */
  async #judge(task: string, spec: DeclaredTask, seen: TaskRecord, o: Sig): Promise<void> {
    const { clock, schedules, ledger, view, node, onMessages, logger } = this.#o;
    const schedule = schedules.of(task, spec);
    const verdictOf = (record: TaskRecord) => {
      const { question, graceMs } = freshnessQuestion(record, spec);
      const { state, reason } = decideFreshness(schedule, question, clock.now(), graceMs);
      const isOverdue = state === 'overdue' || state === 'never-ran';
      // While it is paused nothing is expected of it, and what was said still holds.
      const changes = !record.removedAtMs && state !== 'paused' && state !== 'disabled';
      return {
        state,
        reason,
        isOverdue,
        isNews: changes && isOverdue !== (record.overdueSinceMs !== undefined),
      };
    };
    if (!verdictOf(seen).isNews) return;
    const { notifications } = view.objects.value;
    let told = 0;
    let said: string | undefined;
    await ledger.amend(
      task,
      (record) => {
        const { state, reason, isOverdue, isNews } = verdictOf(record);
        if (!isNews) return { record };
        const nowMs = clock.now();
        const context = { notifications, node, nowMs };
        const { overdueSinceMs: _overdue, ...rest } = record;
        const messages = isOverdue
          ? messagesOfOverdue(record, reason, context)
          : state === 'fresh'
            ? messagesOfFresh(record, reason, context)
            : [];
        told = messages.length;
        said = `${isOverdue ? 'overdue' : 'no longer overdue'}: ${reason}`;
        return { record: isOverdue ? { ...rest, overdueSinceMs: nowMs } : rest, messages };
      },
      o,
    );
    if (said !== undefined) logger.warn({ component: this.name, task }, said);
    if (told > 0) onMessages();
  }

  async #trim(task: string, { running }: TaskRecord, o: Sig): Promise<void> {
    const { ledger, logs, historyMax } = this.#o;
    const newest = (await ledger.trimHistory(task, { ...o, keep: historyMax })).at(-1);
    if (newest === undefined) return;
    // Also what a crash between the two has left; but not that of an old run that goes on.
    await logs.remove((await logs.list(task)).filter((run) => run <= newest && run !== running?.run));
  }

  async #forget(known: Known<TaskRecord>, ledger: Ledger, o: Sig): Promise<readonly string[]> {
    try {
      const gone = await ledger.forgetTask(known, o);
      this.#trimmedAt.delete(known.value.task);
      return gone;
    } catch (caught) {
      // Declared again, or changed: the next look decides anew.
      if (HoldfastError.from(caught).code !== 'conflict') throw caught;
      return [];
    }
  }
}
