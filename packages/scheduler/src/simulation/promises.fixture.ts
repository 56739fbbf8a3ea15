import type { StartLimits, WaitingRun } from '../decide-starts.ts';
import type { Decision, ScheduleState, Start } from '../decision.ts';
import { occurrencesAfter } from '../occurrences.ts';
import type { Scenario, SimulatedTask } from './scenario.fixture.ts';

export class Broken extends Error {
  override readonly name = 'Broken';
}

function promise(kept: boolean, what: () => string): void {
  if (!kept) throw new Broken(what());
}

/**
 * What a schedule promises, checked on each decision about one task by a ledger of its own: all its occurrences,
 * listed beforehand, and what has become of each.
 */
export class TaskPromises {
  readonly #task: SimulatedTask;
  /** All occurrences of either schedule, and which of them are fulls. */
  readonly #all: readonly number[];
  readonly #fulls: ReadonlySet<number>;
  readonly #taken = new Set<number>();
  /** How many of `#all` are settled. */
  #settledCount = 0;
  #owesFull = false;

  constructor(task: SimulatedTask, { startMs, endMs }: Scenario) {
    this.#task = task;
    const { full, incremental, timezone } = task.schedule;
    const listed = [full, incremental].map((cron) => {
      const found = cron ? occurrencesAfter(cron, timezone, startMs, 2) : [];
      // A little more than the year: there is always a next one.
      while (cron && (found.at(-2) ?? endMs) <= endMs)
        found.push(...occurrencesAfter(cron, timezone, found.at(-1) ?? endMs, 50));
      return found;
    });
    this.#fulls = new Set(listed[0]);
    this.#all = [...new Set(listed.flat())].sort((a, b) => a - b);
  }

  /** Before a decision is acted on. */
  check(decision: Decision, state: ScheduleState, nowMs: number): void {
    if (decision.kind === 'idle') this.#checkIdle(state, nowMs, decision.wakeAtMs);
    else if (decision.kind === 'settle') promise(false, () => 'no clock was that wrong');
    else {
      this.#checkMayAct(decision, state, nowMs);
      this.#checkSettles(decision, state, nowMs);
    }
    if (decision.kind === 'start') this.#checkStart(decision, state);
  }

  /** Occurrences that a pause or a delay has dropped, as it said: they are accounted for. */
  drop(beforeMs: number): void {
    while ((this.#all[this.#settledCount] ?? Number.POSITIVE_INFINITY) < beforeMs) this.#settledCount++;
  }

  /** A run begins to work. */
  checkFree(state: ScheduleState, nowMs: number): void {
    promise(!state.paused, () => 'a run starts in a pause');
    promise(!state.disabled, () => 'a run of a disabled task starts');
    promise(!this.#isBlackout(nowMs), () => 'a run starts in a blackout window');
  }

  #checkMayAct(decision: Decision, state: ScheduleState, nowMs: number): void {
    promise(!state.disabled && !state.paused, () => `${decision.kind} while paused or disabled`);
    promise(!this.#isBlackout(nowMs), () => `${decision.kind} in a blackout window`);
    promise(nowMs >= (state.delayedUntilMs ?? nowMs), () => `${decision.kind} before the delay is over`);
    promise(decision.kind !== 'start' || !state.running, () => 'a second run of a task starts');
    promise(decision.kind !== 'skip' || state.running, () => 'skipped, though nothing runs');
  }

  /** Each occurrence is settled once, by a decision that says how many it stands for. */
  #checkSettles(
    decision: Exclude<Decision, { kind: 'idle' | 'settle' }>,
    state: ScheduleState,
    nowMs: number,
  ): void {
    const settled = decision.settledMs;
    for (const scope of ['full', 'incremental'] as const) {
      promise(settled[scope] >= state.settledMs[scope], () => 'what was settled is no longer');
      const kept = settled[scope] === state.settledMs[scope] || settled[scope] <= nowMs;
      promise(kept, () => 'occurrences to come are settled');
    }
    this.drop(state.delayedUntilMs ?? 0);
    const first = this.#settledCount;
    this.drop(Math.max(settled.full, settled.incremental) + 1);
    const covered = this.#all.slice(first, this.#settledCount);
    const said =
      decision.kind === 'skip' ? decision.skipped : decision.missed + (decision.trigger === 'owed' ? 0 : 1);
    promise(covered.length === said, () => `${covered.length} occurrences are settled, but it says ${said}`);
    if (decision.kind === 'skip' || decision.trigger !== 'owed') {
      const { occurrenceMs } = decision;
      promise(!this.#taken.has(occurrenceMs), () => 'an occurrence is taken twice');
      promise(
        covered.includes(occurrenceMs),
        () => 'an occurrence is taken that was settled before, or is none',
      );
      this.#taken.add(occurrenceMs);
    }
    const isFull = covered.some((ms) => this.#fulls.has(ms));
    promise(!isFull || decision.scope === 'full', () => 'a full is replaced by an incremental');
    if (isFull && decision.kind === 'skip') this.#owesFull = true;
  }

  #checkStart(decision: Start, state: ScheduleState): void {
    promise(state.hasFull || decision.scope === 'full', () => 'an incremental without a full');
    promise(!this.#owesFull || decision.scope === 'full', () => 'after a skipped full comes an incremental');
    this.#owesFull = false;
    if (decision.trigger !== 'owed') return;
    promise(state.owed !== undefined, () => 'nothing was owed');
  }

  /** Whoever does nothing has nothing to do, and wakes in time. */
  #checkIdle(state: ScheduleState, nowMs: number, wakeAtMs: number | undefined): void {
    promise(wakeAtMs === undefined || wakeAtMs > nowMs, () => 'it is to be asked again at once');
    if (state.disabled || state.paused) return;
    const next = this.#all.findIndex(
      (ms, at) => at >= this.#settledCount && ms >= (state.delayedUntilMs ?? 0),
    );
    const dueMs = this.#dueOf(next);
    const waits = nowMs < (state.delayedUntilMs ?? 0) || this.#isBlackout(nowMs);
    promise(waits || nowMs < dueMs, () => 'an occurrence is due, and nothing happens');
    const owes = state.owed !== undefined && !state.running && state.owed.atMs <= nowMs;
    promise(waits || !owes, () => 'a run is owed, and nothing happens');
    const wakes =
      wakeAtMs !== undefined && (wakeAtMs <= Math.max(dueMs, nowMs) || this.#isBlackout(wakeAtMs - 1));
    promise(wakes, () => 'it would oversleep');
  }

  #dueOf(index: number): number {
    const atMs = this.#all[index];
    if (atMs === undefined) throw new Broken('the list of occurrences is too short');
    const roomMs = (this.#all[index + 1] ?? Number.POSITIVE_INFINITY) - atMs - 1;
    return atMs + Math.min(this.#task.schedule.ownJitterMs, roomMs);
  }

  #isBlackout(ms: number): boolean {
    const { blackout, schedule } = this.#task;
    if (blackout.length === 0) return false;
    const now = Temporal.Instant.fromEpochMilliseconds(ms).toZonedDateTimeISO(schedule.timezone);
    const wall = new Date(ms + now.offsetNanoseconds / 1e6);
    const time = wall.toISOString().slice(11, 16);
    const weekdays = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
    const isOn = (days: readonly string[] | undefined, day: number): boolean =>
      days === undefined || days.includes(weekdays[(day + 7) % 7] ?? '');
    return blackout.some(({ days, from, to }) => {
      const today = isOn(days, wall.getUTCDay()) && from <= time && (time < to || to < from);
      const sinceYesterday = to < from && isOn(days, wall.getUTCDay() - 1) && time < to;
      return today || sinceYesterday;
    });
  }
}

/** After each answer of `decideStarts`: limits hold, nobody waits without need, the older one comes first. */
export function checkStarts(of: {
  readonly asked: readonly WaitingRun[];
  readonly started: readonly string[];
  /** The sources of all runs that work now. */
  readonly busy: readonly string[];
  readonly limits: StartLimits;
}): void {
  const { asked, started, busy, limits } = of;
  const ofSource = (source: string): number => busy.filter((one) => one === source).length;
  promise(busy.length <= limits.runsMax, () => 'more runs than the node may have');
  const crowded = busy.some((source) => ofSource(source) > limits.perSourceMax);
  promise(!crowded, () => 'more runs than a source may have');
  for (const left of asked.filter(({ run, held }) => !started.includes(run) && held === undefined)) {
    const younger = asked.filter(({ run, dueMs }) => started.includes(run) && dueMs > left.dueMs);
    const isSourceFull = ofSource(left.source) >= limits.perSourceMax;
    promise(isSourceFull || busy.length >= limits.runsMax, () => 'a run waits, though there is room');
    const overtaken = isSourceFull
      ? younger.some(({ source }) => source === left.source)
      : younger.length > 0;
    promise(!overtaken, () => 'a younger run comes first');
  }
}
