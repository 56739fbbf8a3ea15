import type { ClusterView, Ledger, Outcome, RunRecord, TaskRecord, Tell } from '@holdfast/coordinator';
import {
  type Clock,
  deadline,
  type ErrorRecord,
  HoldfastError,
  type RunEvent,
  type Sig,
} from '@holdfast/core';
import type { DestinationCounts, RatePlan } from '@holdfast/destinations/wrap';
import type { BackupReport } from '@holdfast/engine';
import { decideStarts } from '@holdfast/scheduler';
import type { Logger } from 'pino';
import type { DestinationTotals } from '../metrics/destination-totals.ts';
import { RunProgress } from '../run-progress.ts';
import type { BackupRun } from '../run-request.ts';
import { messagesOfEnd } from './alerts.ts';
import type { RunLog, RunLogs } from './run-log.ts';
import { type RunOrder, resultOf, runOrder } from './run-order.ts';
import type { Ending, Service } from './supervisor.ts';

/** Carries out one backup, in a process of its own; simulations put their own here. */
export type Execute = (run: BackupRun, o: ExecuteOptions) => Promise<BackupReport>;

export interface ExecuteOptions extends Sig {
  readonly observer: (event: RunEvent) => void;
  readonly clock: Clock;
  /** Aborts when there is no time for a stop in good order. */
  readonly killSignal: AbortSignal;
  readonly output: (text: string) => void;
  /** Told once what was asked of each destination, in their order; not by a process that was killed. */
  readonly onCounts?: (counts: readonly DestinationCounts[]) => void;
}

export interface RunnerOptions {
  readonly node: string;
  readonly view: ClusterView;
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly logs: RunLogs;
  readonly execute: Execute;
  readonly staging: string;
  readonly totals: DestinationTotals;
  readonly workers?: number | undefined;
  readonly stagingBytesMax?: number | undefined;
  /** A run's share of what the node may use of its line. */
  readonly nodeRate?: RatePlan | undefined;
  readonly limits: { readonly runsMax: number; readonly perSourceMax: number };
  /** Why a run that waits may not begin now, whatever the limits: its task is paused, or a blackout lasts. */
  readonly held: (run: RunRecord) => string | undefined;
  /** Told whenever a run begins, gets on or ends. */
  readonly onChange: (run: RunRecord) => void;
}

/** A run that waits or works here. */
export interface ActiveRun {
  readonly run: RunRecord;
  readonly source: string;
  readonly progress: RunProgress;
  /** Names of the destinations that it goes to, in their order; empty until it begins. */
  readonly destinations: readonly string[];
  /** Why it does not work yet. */
  readonly waitingFor?: string | undefined;
}

interface Slot {
  run: RunRecord;
  readonly source: string;
  readonly progress: RunProgress;
  readonly abort: AbortController;
  destinations: readonly string[];
  waitingFor?: string | undefined;
  /** Someone asked for its end: it does not go on by itself. */
  cancelled?: boolean;
  work?: Promise<void>;
}

/** How often runs that wait are looked at again. */
const lookEveryMs = 5_000;

/** How long to wait before telling the store again how a run ended, when it did not answer. */
const tellAgainMs = 2_000;

/** How long the store may take to hear of it. */
const tellMaxMs = 5_000;

/** Carries out the runs that this node has taken: so many at once, the others wait. */
export class Runner implements Service {
  readonly name = 'runner';
  readonly #o: RunnerOptions;
  readonly #slots = new Map<string, Slot>();
  readonly #kill = new AbortController();
  /** A node that ends says once more how its runs ended, and waits for no store that does not answer. */
  readonly #lastWord = new AbortController();
  /** Before the node works, and while it stops, nothing begins. */
  #state: 'closed' | 'open' | 'draining' = 'closed';

  constructor(options: RunnerOptions) {
    this.#o = options;
  }

  get active(): readonly ActiveRun[] {
    return [...this.#slots.values()];
  }

  find(run: string): ActiveRun | undefined {
    return this.#slots.get(run);
  }

  /** A run that this node has just taken. */
  accept(run: RunRecord): void {
    if (this.#slots.has(run.id)) return;
    const { view, clock, onChange } = this.#o;
    const source = view.objects.value.tasks[run.task]?.source ?? run.task;
    const slot: Slot = {
      run,
      source,
      progress: new RunProgress({ clock }),
      abort: new AbortController(),
      destinations: [],
    };
    this.#slots.set(run.id, slot);
    onChange(run);
    // Taken while the node was told to stop.
    if (this.#state === 'draining') this.#leave(slot);
    this.#startWhatMay();
  }

  /** Ends a run that waits or works here; resolves when it has ended. @returns whether there was one */
  async end(run: string, reason: HoldfastError): Promise<boolean> {
    const slot = this.#slots.get(run);
    if (!slot) return false;
    slot.cancelled = true;
    slot.abort.abort(reason);
    slot.work ??= this.#conclude(slot, { state: 'cancelled', error: reason.toRecord() });
    await slot.work;
    return true;
  }

  /** Ends all runs, because this node may no longer act. */
  endAll(reason: HoldfastError): void {
    for (const slot of this.#slots.values()) slot.abort.abort(reason);
  }

  /** Kills the processes of all runs; what is stored stays whole. */
  kill(reason: HoldfastError): void {
    this.endAll(reason);
    this.#kill.abort(reason);
    this.#lastWord.abort(reason);
  }

  async run({ drain, stop }: Ending): Promise<void> {
    this.#state = 'open';
    const stopListening = this.#o.view.onChange(({ tasks }) => this.#endOvertaken(tasks));
    try {
      while (!drain.aborted) {
        // What is held is let go by the clock, or by a change of its task: neither tells.
        this.#startWhatMay();
        await this.#o.clock.sleep(lookEveryMs, drain).catch(() => undefined);
      }
      await this.#drain(stop);
    } finally {
      stopListening();
    }
  }

  async #drain(stop: AbortSignal): Promise<void> {
    this.#state = 'draining';
    for (const slot of this.#slots.values()) this.#leave(slot);
    const stopAll = (): void => {
      this.endAll(leaving());
      this.#lastWord.abort(leaving());
    };
    if (stop.aborted) stopAll();
    else stop.addEventListener('abort', stopAll, { once: true });
    while (this.#slots.size > 0) await Promise.all([...this.#slots.values()].map(({ work }) => work));
    stop.removeEventListener('abort', stopAll);
  }

  /** Another node has the task now, or the run was ended by others: what it still made would count for nothing. */
  #endOvertaken(tasks: ReadonlySet<string>): void {
    for (const slot of this.#slots.values()) {
      const { id, task, generation } = slot.run;
      const record = tasks.has(task) ? this.#o.view.task(task)?.value : undefined;
      // What was seen may be older than the run.
      if (!record || record.generation < generation || (record.lastRunId ?? '') < id) continue;
      if (record.generation === generation && record.running?.run === id) continue;
      if (slot.abort.signal.aborted || slot.run.endedAtMs !== undefined) continue;
      slot.abort.abort(overtaken(id, record));
      slot.work ??= this.#conclude(slot, { state: 'interrupted', error: overtaken(id, record).toRecord() });
    }
  }

  /** What has not begun goes on at the next start. */
  #leave(slot: Slot): void {
    slot.work ??= this.#conclude(slot, { state: 'interrupted', error: leaving().toRecord() });
  }

  #startWhatMay(): void {
    if (this.#state !== 'open') return;
    const slots = [...this.#slots.values()];
    const waiting = slots.filter(({ work }) => work === undefined);
    const { start, waiting: still } = decideStarts(
      waiting.map(({ run, source }) => ({
        run: run.id,
        source,
        dueMs: run.dueMs ?? run.createdAtMs,
        held: this.#o.held(run),
      })),
      slots.filter(({ work }) => work !== undefined).map(({ run, source }) => ({ run: run.id, source })),
      this.#o.limits,
    );
    for (const { run, reason } of still) this.#wait(run, reason);
    for (const id of start) {
      const slot = this.#slots.get(id);
      if (slot) slot.work = this.#work(slot);
    }
  }

  #wait(id: string, reason: string): void {
    const slot = this.#slots.get(id);
    if (!slot || slot.waitingFor === reason) return;
    slot.waitingFor = reason;
    this.#o.onChange(slot.run);
  }

  async #work(slot: Slot): Promise<void> {
    const outcome = await this.#logged(slot);
    await this.#conclude(slot, outcome);
  }

  /** The log is whole before the run's end is told: whoever waits for the end reads it next. */
  async #logged(slot: Slot): Promise<Outcome> {
    await using log = this.#o.logs.open(slot.run.id);
    const outcome = await this.#outcomeOf(slot, log);
    if (outcome.state !== 'succeeded') {
      const { code, message, hint } = outcome.error;
      log.write('error', `[${code}] ${message}${hint === undefined ? '' : ` (${hint})`}`);
    }
    log.write('info', `the run is done: ${outcome.state}`);
    return outcome;
  }

  async #outcomeOf(slot: Slot, log: RunLog): Promise<Outcome> {
    const { ledger, view, onChange } = this.#o;
    const { signal } = slot.abort;
    try {
      slot.waitingFor = undefined;
      slot.run = await this.#untilHeard(slot, signal, () => ledger.begin(slot.run, { signal }));
      onChange(slot.run);
      const { scope, task, trigger, reason } = slot.run;
      log.write('info', `the run starts: ${scope} backup of task ${task}, by ${trigger}: ${reason}`);
      const order = runOrder(view.objects.value, {
        ...this.#o,
        run: slot.run,
        record: view.task(task)?.value,
      });
      slot.destinations = order.destinations;
      const report = await this.#execute(slot, order, log);
      slot.progress.complete();
      return { state: 'succeeded', made: resultOf(report, order) };
    } catch (caught) {
      return { state: this.#stateOf(slot, caught), error: HoldfastError.from(caught).toRecord() };
    }
  }

  #execute(slot: Slot, order: RunOrder, log: RunLog): Promise<BackupReport> {
    const { clock, execute, onChange, totals } = this.#o;
    const observer = (event: RunEvent): void => {
      slot.progress.take(event);
      if (event.kind === 'step') log.write('info', [event.step, event.detail].filter(Boolean).join(': '));
      if (event.kind === 'notice') log.write('warn', event.text);
      onChange(slot.run);
    };
    const output = (text: string): void => log.write('warn', text.trimEnd());
    return execute(order.run, {
      observer,
      clock,
      signal: slot.abort.signal,
      killSignal: this.#kill.signal,
      output,
      onCounts: (counts) => totals.add(order.destinations, counts),
    });
  }

  /** Who asked for a run's end decides what it is called. */
  #stateOf(slot: Slot, caught: unknown): 'failed' | 'cancelled' | 'interrupted' {
    const { signal } = slot.abort;
    if (!signal.aborted) return 'failed';
    const { code } = HoldfastError.from(caught);
    const asked = code === 'cancelled' || code === HoldfastError.from(signal.reason).code;
    if (!asked) return 'failed';
    return slot.cancelled ? 'cancelled' : 'interrupted';
  }

  /** A run that ended and still counts as running would block its task. */
  async #conclude(slot: Slot, outcome: Outcome): Promise<void> {
    const { logger, onChange } = this.#o;
    const { signal } = this.#lastWord;
    const { task, id } = slot.run;
    try {
      slot.run = await this.#untilHeard(slot, signal, () => this.#finish(slot, outcome));
      this.#report(slot.run);
    } catch (caught) {
      const error = HoldfastError.from(caught);
      logger.error(
        { component: this.name, task, run: id, code: error.code, outcome },
        `how run ${id} ended could not be kept: ${error.reason}`,
      );
    }
    this.#slots.delete(id);
    onChange(slot.run);
    this.#startWhatMay();
  }

  async #finish(slot: Slot, outcome: Outcome): Promise<RunRecord> {
    const { ledger, clock } = this.#o;
    // Not the signal that killed the run: that it was is what is to be kept.
    using limit = deadline(clock, tellMaxMs, 'keeping how a run ended');
    const { signal } = limit;
    try {
      return (await ledger.finish(slot.run, outcome, this.#tell, { signal })).run;
    } catch (caught) {
      const error = HoldfastError.from(caught);
      // It had been told, and the answer was lost; or another node has ended it.
      const kept = error.code === 'lease_lost' ? await ledger.run(slot.run.id, { signal }) : undefined;
      if (kept?.endedAtMs === undefined) throw error;
      return kept;
    }
  }

  /** A store that does not answer is told again: neither the beginning nor the end of a run depends on one answer. */
  async #untilHeard<T>(slot: Slot, signal: AbortSignal, tell: () => Promise<T>): Promise<T> {
    const { clock, logger } = this.#o;
    const { task, id } = slot.run;
    for (let tries = 0; ; tries++) {
      try {
        return await tell();
      } catch (caught) {
        const error = HoldfastError.from(caught);
        if (!error.retryable || error.code === 'lease_lost' || signal.aborted) throw error;
        // Once: a disk may be full for days.
        if (tries === 0)
          logger.warn(
            { component: this.name, task, run: id, code: error.code, hint: error.hint },
            `the store did not take it: ${error.reason}; it is told again until it does`,
          );
        await clock.sleep(tellAgainMs, signal).catch(() => undefined);
      }
    }
  }

  readonly #tell: Tell = (before, after) => {
    const { view, node, clock } = this.#o;
    const { notifications } = view.objects.value;
    return messagesOfEnd(before, after, { notifications, node, nowMs: clock.now() });
  };

  /** Whoever ends a failure logs it, once: here. */
  #report(run: RunRecord): void {
    const { logger } = this.#o;
    const tookMs = (run.endedAtMs ?? 0) - (run.startedAtMs ?? run.endedAtMs ?? 0);
    const fields = { component: this.name, task: run.task, run: run.id, state: run.state, tookMs };
    const error: ErrorRecord | undefined = run.error;
    if (run.state === 'failed')
      logger.error({ ...fields, code: error?.code, hint: error?.hint }, `backup failed: ${error?.message}`);
    else if (run.made)
      logger.info(
        { ...fields, backup: run.made.backup, rows: run.made.rows, storedBytes: run.made.storedBytes },
        `${run.made.scope} backup ${run.made.outcome}`,
      );
    else logger.warn(fields, `run ${run.state}: ${error?.message ?? ''}`);
  }
}

function overtaken(run: string, { node, generation }: TaskRecord): HoldfastError {
  const who = node === '' ? 'no node' : `node ${node}`;
  return new HoldfastError(
    'lease_lost',
    `run ${run} is not the task's any more: ${who} is responsible, generation ${generation}`,
    { hint: 'see holdfast tasks --why' },
  );
}

function leaving(): HoldfastError {
  return new HoldfastError('cancelled', 'the node stops', { hint: 'the run goes on when the node starts' });
}
