import {
  type ClusterView,
  copyFailed,
  copySucceeded,
  type Ledger,
  type TaskRecord,
} from '@holdfast/coordinator';
import { type Clock, deadline, type ErrorRecord, HoldfastError, type RunEvent } from '@holdfast/core';
import type { RatePlan } from '@holdfast/destinations/wrap';
import type { CopyReport } from '@holdfast/engine';
import type { Logger } from 'pino';
import type { DestinationTotals } from '../metrics/destination-totals.ts';
import { messagesOfCaughtUp } from './alerts.ts';
import { CopyJob, type ExecuteCopy, keyOf, type Standing } from './copy-job.ts';
import { type CopyOrder, type CopyWish, copyOrder } from './copy-order.ts';
import { Poke } from './poke.ts';
import type { Ending, Service } from './supervisor.ts';

export interface CatchUpOptions {
  readonly node: string;
  readonly view: ClusterView;
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly executeCopy: ExecuteCopy;
  readonly staging: string;
  /** A copy's share of what the node may use of its line. */
  readonly nodeRate?: RatePlan | undefined;
  readonly totals: DestinationTotals;
  /** Messages have been written. */
  readonly onMessages: () => void;
}

/** Besides runs: a copy is a process, and shares the disk of staging and the line with them. */
export const copiesMax = 2;

/** The view tells of what falls behind; this is for what it did not tell. */
const lookEveryMs = 60_000;

const firstWaitMs = 60_000;
const waitMaxMs = 15 * 60_000;

/** How long the store may take to hear of a copy's end. */
const tellMaxMs = 5_000;

/** When a destination is tried again, unless it stands otherwise by then. */
interface Tried {
  readonly failures: number;
  /** Of the monotonic clock. */
  readonly dueMs: number;
  readonly standing: Standing;
}

/**
 * Brings destinations up to date that are behind: at once after the run that left them, then after growing waits, at
 * once again when a run has reached one. What is to be done is in the tasks' records, so that a node that was restarted
 * goes on; how long to wait is not, so that it does at once. Pauses and blackouts do not hold it up: it asks the database
 * for nothing.
 */
export class CatchUp implements Service {
  readonly name = 'catch-up';
  readonly #o: CatchUpOptions;
  readonly #poke = new Poke();
  readonly #kill = new AbortController();
  /** In the order in which they came. */
  readonly #jobs = new Map<string, CopyJob>();
  /** The last one of each that has ended. */
  readonly #ended = new Map<string, CopyJob>();
  readonly #tried = new Map<string, Tried>();
  #open = false;

  constructor(options: CatchUpOptions) {
    this.#o = options;
  }

  /** Those that wait or work, then the last ended one of each task and destination. */
  get copies(): readonly CopyJob[] {
    return [...this.#jobs.values(), ...this.#ended.values()];
  }

  /** The one that waits or works. */
  active(of: { readonly task: string; readonly to: string }): CopyJob | undefined {
    return this.#jobs.get(keyOf(of));
  }

  /**
   * By hand: while one to this destination waits or works, that one is the answer.
   * @throws HoldfastError what is wrong with the wish; `unavailable` while the node stops
   */
  ask(wish: CopyWish): { readonly copy: CopyJob; readonly already: boolean } {
    const { view, clock } = this.#o;
    copyOrder(view.objects.value, wish, this.#o);
    const active = this.active(wish);
    if (active) return { copy: active, already: true };
    const standing = standingOf(view.task(wish.task)?.value, wish.to);
    if (!this.#open)
      throw new HoldfastError('unavailable', 'the node copies nothing now: it starts or stops', {
        hint: 'ask again when it is ready',
      });
    return {
      copy: this.#add(new CopyJob(wish, { trigger: 'manual', standing, clock })),
      already: false,
    };
  }

  /** Ends all copies, because this node may no longer act. What was sent stays, and is gone on with. */
  endAll(reason: HoldfastError): void {
    for (const job of this.#jobs.values()) job.abort(reason);
  }

  /** Kills their processes. */
  kill(reason: HoldfastError): void {
    this.endAll(reason);
    this.#kill.abort(reason);
  }

  async run({ drain }: Ending): Promise<void> {
    const { view, clock, node } = this.#o;
    const stopListening = view.onChange(({ objects, tasks }) => {
      if (objects || [...tasks].some((task) => view.task(task)?.value.node === node)) this.#poke.now();
    });
    this.#open = true;
    try {
      while (!drain.aborted) {
        const nextMs = this.#look();
        await this.#poke.sleep(clock, Math.max(1, nextMs - clock.elapsed()), { signal: drain });
      }
    } finally {
      stopListening();
      this.#open = false;
      // It may take hours, and loses nothing by being ended: no reason for the node to wait.
      this.endAll(
        new HoldfastError('cancelled', 'the node stops', { hint: 'the copy goes on at its next start' }),
      );
      for (const job of this.#jobs.values()) job.work ??= this.#conclude(job, job.signal.reason);
      await Promise.all([...this.#jobs.values()].map(({ work }) => work));
    }
  }

  /** Begins what is due; resolves with when to look again. */
  #look(): number {
    const { view, node, clock } = this.#o;
    const { tasks, destinations } = view.objects.value;
    let nextMs = clock.elapsed() + lookEveryMs;
    for (const task of view.tasksOf(node)) {
      const spec = tasks[task];
      const value = view.task(task)?.value;
      if (!spec || !value?.behind) continue;
      for (const to of Object.keys(value.behind)) {
        if (!spec.destinations.includes(to) || destinations[to]?.disabled || this.active({ task, to }))
          continue;
        const standing = standingOf(value, to);
        const dueMs = this.#dueMs(keyOf({ task, to }), standing);
        if (dueMs > clock.elapsed()) nextMs = Math.min(nextMs, dueMs);
        else this.#add(new CopyJob({ task, to, chains: 'lacking' }, { trigger: 'behind', standing, clock }));
      }
    }
    return nextMs;
  }

  #dueMs(key: string, { sinceMs, lastGoodRun }: Standing): number {
    const tried = this.#tried.get(key);
    const isNews =
      tried && (tried.standing.sinceMs !== sinceMs || tried.standing.lastGoodRun !== lastGoodRun);
    return tried && !isNews ? tried.dueMs : Number.NEGATIVE_INFINITY;
  }

  #add(job: CopyJob): CopyJob {
    this.#jobs.set(job.key, job);
    this.#startWhatMay();
    return job;
  }

  /** One at a time to each destination: two would only share its line. */
  #startWhatMay(): void {
    const working = [...this.#jobs.values()].filter(({ work }) => work !== undefined);
    for (const job of this.#jobs.values()) {
      if (working.length >= copiesMax) return;
      if (job.work || working.some(({ wish }) => wish.to === job.wish.to)) continue;
      working.push(job);
      job.work = this.#work(job);
    }
  }

  async #work(job: CopyJob): Promise<void> {
    const { ledger, view, clock, node } = this.#o;
    const { task, to } = job.wish;
    let asOf: TaskRecord | undefined;
    try {
      asOf = (await ledger.task(task, { signal: job.signal }))?.value;
      // What was seen may be old.
      const isWanted = asOf?.node === node && asOf.behind?.[to] !== undefined;
      if (job.trigger === 'behind' && !isWanted) return this.#forget(job);
      const order = copyOrder(view.objects.value, job.wish, this.#o);
      job.state = 'running';
      job.startedAtMs = clock.now();
      job.from = order.destinations.slice(1);
      job.report = await this.#execute(job, order);
      const [problem] = job.report.problems;
      if (problem !== undefined)
        throw new HoldfastError('precondition_failed', problem, { hint: 'see holdfast check at both ends' });
      await this.#conclude(job, undefined, asOf);
    } catch (caught) {
      await this.#conclude(job, caught, asOf);
    }
  }

  #execute(job: CopyJob, { run, destinations }: CopyOrder): Promise<CopyReport> {
    const { clock, executeCopy, logger, totals } = this.#o;
    const fields = { component: this.name, task: job.wish.task, destination: job.wish.to, copy: job.id };
    const observer = (event: RunEvent): void => {
      job.progress.take(event);
      if (event.kind === 'notice') logger.debug(fields, event.text);
    };
    return executeCopy(run, {
      observer,
      clock,
      signal: job.signal,
      killSignal: this.#kill.signal,
      output: (text) => logger.warn(fields, text.trimEnd()),
      onCounts: (counts) => totals.add(destinations, counts),
    });
  }

  /** Nothing is to be done any more. */
  #forget(job: CopyJob): void {
    this.#remember(job, 0);
    this.#jobs.delete(job.key);
    this.#startWhatMay();
    this.#poke.now();
  }

  async #conclude(job: CopyJob, caught?: unknown, asOf?: TaskRecord): Promise<void> {
    const { clock } = this.#o;
    const error = caught === undefined ? undefined : HoldfastError.from(caught);
    const stopped = error !== undefined && job.signal.aborted;
    job.endedAtMs = clock.now();
    job.state = error === undefined ? 'succeeded' : stopped ? 'cancelled' : 'failed';
    if (error) job.error = error.toRecord();
    else job.progress.complete();
    const before = this.#tried.get(job.key)?.failures ?? 0;
    const failures = error ? before + (stopped ? 0 : 1) : 0;
    this.#remember(job, failures);
    if (!stopped) await this.#keep(job, asOf);
    this.#jobs.delete(job.key);
    this.#ended.set(job.key, job);
    this.#startWhatMay();
    this.#poke.now();
  }

  #remember({ key, standing }: CopyJob, failures: number): void {
    // Also after a good end: until this node has seen it, the destination looks as if it were still behind.
    const waitMs = Math.min(firstWaitMs * 2 ** Math.max(0, failures - 1), waitMaxMs);
    this.#tried.set(key, { failures, dueMs: this.#o.clock.elapsed() + waitMs, standing });
  }

  /** What is not kept is found out again by the next try, which sends nothing twice. */
  async #keep(job: CopyJob, asOf: TaskRecord | undefined): Promise<void> {
    const { clock, logger } = this.#o;
    const { task, to } = job.wish;
    using limit = deadline(clock, tellMaxMs, 'keeping how a copy ended');
    try {
      if (job.error) await this.#keepFailure(job, job.error, limit);
      else if (asOf) await this.#keepSuccess(job, asOf, limit);
    } catch (caught) {
      const error = HoldfastError.from(caught);
      logger.warn(
        { component: this.name, task, destination: to, code: error.code },
        `how the copy to ${to} ended could not be kept: ${error.reason}`,
      );
    }
  }

  async #keepSuccess(job: CopyJob, asOf: TaskRecord, o: { readonly signal: AbortSignal }): Promise<void> {
    const { ledger, view, node, clock, logger, onMessages } = this.#o;
    const { task, to, from } = job.wish;
    // From one that lacks something itself it did not get everything.
    const isWhole = from === undefined || asOf.behind?.[from] === undefined;
    let told = 0;
    if (isWhole)
      await ledger.amend(
        task,
        (record) => {
          const next = copySucceeded(record, to, { asOf, startedAtMs: job.startedAtMs ?? job.createdAtMs });
          const { notifications } = view.objects.value;
          const messages = messagesOfCaughtUp(record, next, {
            destination: to,
            context: { notifications, node, nowMs: clock.now() },
          });
          told = messages.length;
          return { record: next, messages };
        },
        o,
      );
    if (told > 0) onMessages();
    const { backups = [], bytes = 0 } = job.report ?? {};
    logger.info(
      { component: this.name, task, destination: to, copy: job.id, backups: backups.length, bytes },
      `${to} is up to date with task ${task}`,
    );
  }

  async #keepFailure(job: CopyJob, error: ErrorRecord, o: { readonly signal: AbortSignal }): Promise<void> {
    const { ledger, clock, logger } = this.#o;
    const { task, to } = job.wish;
    let before: ErrorRecord | undefined;
    await ledger.amend(
      task,
      (record) => {
        before = record.behind?.[to]?.tries === 0 ? undefined : record.behind?.[to]?.error;
        return { record: copyFailed(record, to, { error, nowMs: clock.now() }) };
      },
      o,
    );
    // Once for each reason: a place may be away for days.
    if (before?.code === error.code && before.message === error.message) return;
    logger.warn(
      { component: this.name, task, destination: to, copy: job.id, code: error.code, hint: error.hint },
      `${to} could not be brought up to date: ${error.message}; it is tried again`,
    );
  }
}

function standingOf(record: TaskRecord | undefined, to: string): Standing {
  return { sinceMs: record?.behind?.[to]?.sinceMs, lastGoodRun: record?.lastGoodAt[to]?.run };
}
