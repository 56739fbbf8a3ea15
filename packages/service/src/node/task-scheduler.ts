import type { ClusterView, Known, Ledger, RunRecord, TaskRecord } from '@holdfast/coordinator';
import { type Clock, type DeclaredTask, HoldfastError } from '@holdfast/core';
import { decideTask } from '@holdfast/scheduler';
import type { Logger } from 'pino';
import { Poke } from './poke.ts';
import { type Schedules, scheduleState } from './schedules.ts';
import type { Ending, Service } from './supervisor.ts';
import { Unheard } from './unheard.ts';

export interface TaskSchedulerOptions {
  readonly node: string;
  readonly view: ClusterView;
  readonly ledger: Ledger;
  readonly schedules: Schedules;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Where runs that were taken go. */
  readonly onRun: (run: RunRecord) => void;
  /** Tasks that the store has taken nothing of lately. */
  readonly unheard?: Unheard;
  /** How long a look at all tasks may be apart from the next: what a jump of the wall clock costs. */
  readonly lookEveryMs?: number;
}

/** After another node was first: until the record is looked at again. */
const conflictWaitMs = 250;

/** After the store did not answer, or did not take it now. */
const storeWaitMs = 2_000;

/** Takes what falls due of the tasks that this node is responsible for. */
export class TaskScheduler implements Service {
  readonly name = 'scheduler';
  readonly #o: Required<TaskSchedulerOptions>;
  readonly #poke = new Poke();
  /** When each task of this node is to be looked at next; what is not in it, now. */
  readonly #wakeAtMs = new Map<string, number>();
  /** Wall time minus elapsed time: it changes only when someone sets the clock. */
  #offsetMs = 0;

  constructor(options: TaskSchedulerOptions) {
    this.#o = { lookEveryMs: 15_000, unheard: new Unheard(), ...options };
  }

  async run({ drain }: Ending): Promise<void> {
    const { view, clock, lookEveryMs, node } = this.#o;
    this.#wakeAtMs.clear();
    const stopListening = view.onChange(({ objects, tasks }) => {
      if (objects) this.#wakeAtMs.clear();
      // In a large cluster most changes are of other nodes' tasks, of which there is nothing to do.
      let isOwn = objects;
      for (const task of tasks) {
        const had = this.#wakeAtMs.delete(task);
        isOwn ||= had || view.task(task)?.value.node === node;
      }
      if (isOwn) this.#poke.now();
    });
    try {
      while (!drain.aborted) {
        await this.#look({ signal: drain });
        const nextMs = Math.min(...this.#wakeAtMs.values(), Number.POSITIVE_INFINITY);
        const waitMs = Math.max(1, Math.min(nextMs - clock.now(), lookEveryMs));
        await this.#poke.sleep(clock, waitMs, { signal: drain });
      }
    } finally {
      stopListening();
    }
  }

  async #look(o: { readonly signal: AbortSignal }): Promise<void> {
    const { view, clock, node, unheard } = this.#o;
    this.#noticeJump();
    const nowMs = clock.now();
    const work: Promise<void>[] = [];
    unheard.keepOnly(view.objects.value.tasks);
    const { tasks } = view.objects.value;
    for (const task of view.tasksOf(node)) {
      const spec = tasks[task];
      const known = view.task(task);
      const dueMs = this.#wakeAtMs.get(task);
      if (!spec || !known || (dueMs !== undefined && dueMs > nowMs)) continue;
      work.push(this.#decide(task, spec, known, o));
    }
    await Promise.all(work);
  }

  async #decide(
    task: string,
    spec: DeclaredTask,
    known: Known<TaskRecord>,
    o: { readonly signal: AbortSignal },
  ): Promise<void> {
    const { clock, ledger, schedules, view, logger, unheard, onRun } = this.#o;
    const decision = decideTask(schedules.of(task, spec), scheduleState(known.value, spec), clock.now());
    if (decision.kind === 'idle') {
      this.#wakeAtMs.set(task, decision.wakeAtMs ?? Number.POSITIVE_INFINITY);
      unheard.delete(task);
      return;
    }
    // Looked at again when the record has changed, which is at once unless another node was first.
    this.#wakeAtMs.delete(task);
    try {
      if (decision.kind === 'start') {
        const taken = await ledger.take(known, decision, o);
        view.note(taken.known);
        logger.info(
          { component: this.name, task, run: taken.run.id, scope: decision.scope, due: decision.dueMs },
          decision.reason,
        );
        onRun(taken.run);
      } else if (decision.kind === 'settle') {
        const { settledMs, reason } = decision;
        await ledger.amend(task, (record) => ({ record: { ...record, settledMs } }), o);
        logger.warn({ component: this.name, task }, reason);
      } else {
        const taken = await ledger.skipOccurrence(known, decision, o);
        view.note(taken.known);
        logger.warn({ component: this.name, task, run: taken.run.id }, `skipped: ${decision.reason}`);
      }
      unheard.delete(task);
    } catch (caught) {
      const error = HoldfastError.from(caught);
      // Someone else has changed the record. The watch brings it, or has brought it in the meantime: asked again soon,
      // for nothing else may ever say that it is there. A store that does not answer holds up this task alone: others
      // may go on without it.
      if (error.code === 'conflict') this.#wakeAtMs.set(task, clock.now() + conflictWaitMs);
      else if (error.retryable && !o.signal.aborted) this.#wait(task, error);
      else throw error;
    }
  }

  #wait(task: string, error: HoldfastError): void {
    const { clock, logger, unheard } = this.#o;
    this.#wakeAtMs.set(task, clock.now() + storeWaitMs);
    // Once: it may be days.
    if (!unheard.add(task, error)) return;
    logger.warn(
      { component: this.name, task, code: error.code, hint: error.hint },
      `what is due of task ${task} waits for the store: ${error.reason}`,
    );
  }

  #noticeJump(): void {
    const { clock, logger } = this.#o;
    const offsetMs = clock.now() - clock.elapsed();
    const jumpMs = offsetMs - this.#offsetMs;
    this.#offsetMs = offsetMs;
    if (this.#wakeAtMs.size === 0 || Math.abs(jumpMs) < 1000) return;
    logger.warn(
      { component: this.name, jumpMs },
      "the machine's clock was set: all schedules are looked at again",
    );
    this.#wakeAtMs.clear();
  }
}
