import { decideStarts } from '../decide-starts.ts';
import { decideTask } from '../decide-task.ts';
import { afterDecision, type OwedRun, type ScheduleState, type Start } from '../decision.ts';
import { blackoutUntil } from '../schedule.ts';
import { settleTo } from '../settle-to.ts';
import { Broken, checkStarts, TaskPromises } from './promises.fixture.ts';
import { dayMs, type Incident, randomOf, type Scenario, type SimulatedTask } from './scenario.fixture.ts';

/** What is under test; a mutant replaces one of them. */
export interface Deciders {
  readonly decideTask: typeof decideTask;
  readonly decideStarts: typeof decideStarts;
}

export interface Figures {
  decisions: number;
  runs: number;
  catchUps: number;
  owed: number;
  skips: number;
  waits: number;
}

interface Run {
  readonly id: string;
  readonly scope: Start['scope'];
  readonly dueMs: number;
  /** In real time; absent while it waits. */
  readonly endsAtMs?: number;
}

interface Player {
  readonly task: SimulatedTask;
  readonly promises: TaskPromises;
  state: ScheduleState;
  run: Run | undefined;
  /** By the wall clock. */
  wakeAtMs: number;
}

const stepsMax = 100_000;

/** One node, its tasks, and a year; acts on each decision as a node would. Real time goes on, the wall clock jumps. */
export class World {
  readonly figures: Figures = { decisions: 0, runs: 0, catchUps: 0, owed: 0, skips: 0, waits: 0 };
  /** The last things that happened. */
  readonly trace: unknown[][] = [];
  readonly #scenario: Scenario;
  readonly #deciders: Deciders;
  readonly #random: () => number;
  readonly #players: readonly Player[];
  #atMs: number;
  #jumpedMs = 0;
  #isUp = true;

  constructor(scenario: Scenario, deciders: Partial<Deciders> = {}) {
    this.#scenario = scenario;
    this.#deciders = { decideTask, decideStarts, ...deciders };
    this.#random = randomOf(scenario.seed + 0.5);
    this.#atMs = scenario.startMs;
    const { startMs } = scenario;
    this.#players = scenario.tasks.map((task) => ({
      task,
      promises: new TaskPromises(task, scenario),
      state: {
        settledMs: { full: startMs, incremental: startMs },
        hasFull: false,
        running: false,
        paused: false,
        disabled: false,
      },
      run: undefined,
      wakeAtMs: startMs,
    }));
  }

  /** @throws Broken when a promise is */
  live(): void {
    const incidents = [...this.#scenario.incidents];
    for (let steps = 0; ; steps++) {
      if (steps > stepsMax) throw new Broken('it goes on without end');
      const nextMs = Math.min(
        incidents[0]?.atMs ?? Number.POSITIVE_INFINITY,
        ...this.#players.map((one) => this.#nextOf(one)),
      );
      if (nextMs > this.#scenario.endMs) break;
      this.#atMs = Math.max(this.#atMs, nextMs);
      while (incidents[0] && incidents[0].atMs <= this.#atMs) this.#befall(incidents.shift() as Incident);
      this.#step();
    }
    this.#drain();
  }

  get #nowMs(): number {
    return this.#atMs + this.#jumpedMs;
  }

  /** In real time. */
  #nextOf({ run, wakeAtMs, task }: Player): number {
    if (!this.#isUp) return Number.POSITIVE_INFINITY;
    const heldMs = run && run.endsAtMs === undefined ? blackoutUntil(task.schedule, this.#nowMs) : undefined;
    const wakeMs = Math.min(wakeAtMs, heldMs ?? Number.POSITIVE_INFINITY) - this.#jumpedMs;
    return Math.min(wakeMs, run?.endsAtMs ?? Number.POSITIVE_INFINITY);
  }

  #step(): void {
    if (!this.#isUp) return;
    for (const player of this.#players) {
      if (player.run?.endsAtMs !== undefined && player.run.endsAtMs <= this.#atMs)
        this.#end(player, player.run);
      if (player.wakeAtMs <= this.#nowMs) this.#decide(player);
    }
    this.#startWhatMay();
  }

  #decide(player: Player): void {
    for (let count = 0; count < 10; count++) {
      const decision = this.#deciders.decideTask(player.task.schedule, player.state, this.#nowMs);
      this.figures.decisions++;
      this.#note(player.task.schedule.task, decision);
      player.promises.check(decision, player.state, this.#nowMs);
      player.state = afterDecision(player.state, decision);
      if (decision.kind === 'idle') {
        player.wakeAtMs = decision.wakeAtMs ?? Number.POSITIVE_INFINITY;
        return;
      }
      if (decision.kind === 'skip') this.figures.skips++;
      if (decision.kind !== 'start') continue;
      this.figures.runs++;
      if (decision.trigger === 'catch-up') this.figures.catchUps++;
      if (decision.trigger === 'owed') this.figures.owed++;
      const id = `${player.task.schedule.task}-${this.figures.runs}`;
      player.run = { id, scope: decision.scope, dueMs: decision.dueMs };
    }
    throw new Broken('ten decisions at one moment');
  }

  #startWhatMay(): void {
    const { limits } = this.#scenario;
    const busy = this.#players.filter(({ run }) => run?.endsAtMs !== undefined);
    const waiting = this.#players.filter(({ run }) => run && run.endsAtMs === undefined);
    if (waiting.length === 0) return;
    const asked = waiting.map((player) => ({
      run: player.run?.id ?? '',
      source: player.task.source,
      dueMs: player.run?.dueMs ?? 0,
      held: this.#whyHeld(player),
    }));
    const working = busy.map(({ run, task }) => ({ run: run?.id ?? '', source: task.source }));
    const answer = this.#deciders.decideStarts(asked, working, limits);
    this.#note('starts', answer);
    this.figures.waits += answer.waiting.length;
    for (const player of waiting) {
      if (!player.run || !answer.start.includes(player.run.id)) continue;
      player.promises.checkFree(player.state, this.#nowMs);
      const { usualMs, longMs } = player.task;
      const tookMs = this.#random() < 0.1 ? longMs : usualMs;
      player.run = { ...player.run, endsAtMs: this.#atMs + tookMs };
    }
    const busyNow = this.#players
      .filter(({ run }) => run?.endsAtMs !== undefined)
      .map(({ task }) => task.source);
    checkStarts({ asked, started: answer.start, busy: busyNow, limits });
  }

  #whyHeld({ state, task }: Player): string | undefined {
    if (state.paused || state.disabled) return 'the task is paused or disabled';
    return blackoutUntil(task.schedule, this.#nowMs) === undefined ? undefined : 'blackout';
  }

  #end(player: Player, run: Run): void {
    const good = this.#random() < 0.9;
    player.run = undefined;
    player.state = {
      ...player.state,
      running: false,
      hasFull: player.state.hasFull || (good && run.scope === 'full'),
    };
    player.wakeAtMs = this.#nowMs;
  }

  /** A run ends before it is done; it is owed, and what was owed before is not forgotten. */
  #interrupt(player: Player, atMs: number, reason: string): void {
    const { run, state } = player;
    if (!run) return;
    const scope = state.owed?.scope === 'full' ? 'full' : run.scope;
    const owed: OwedRun = { scope, atMs, reason };
    player.run = undefined;
    player.state = { ...state, running: false, owed };
  }

  #befall(incident: Incident): void {
    this.#note('incident', incident);
    if (incident.kind === 'down') this.#isUp = false;
    else if (incident.kind === 'up') this.#comeUp();
    else if (incident.kind === 'jump') this.#jumpedMs += incident.byMs;
    else this.#befallTask(incident, this.#players[incident.task] as Player);
    for (const player of this.#players) player.wakeAtMs = this.#nowMs;
  }

  #comeUp(): void {
    this.#isUp = true;
    for (const player of this.#players) {
      this.#interrupt(player, this.#nowMs, 'the run was interrupted');
      // The task has been with another node meanwhile.
      if (this.#random() < 0.2) player.state = { ...player.state, hasFull: false };
    }
  }

  #befallTask(incident: Exclude<Incident, { kind: 'down' | 'up' | 'jump' }>, player: Player): void {
    const { state, task, promises } = player;
    if (incident.kind === 'pause') player.state = { ...state, paused: true };
    else if (incident.kind === 'disable') player.state = { ...state, disabled: true };
    else if (incident.kind === 'delay') {
      if (!player.run) return;
      const untilMs = this.#nowMs + incident.forMs;
      this.#interrupt(player, untilMs, 'the run was delayed');
      player.state = { ...player.state, delayedUntilMs: untilMs };
    } else {
      player.state = { ...state, ...(incident.kind === 'resume' ? { paused: false } : { disabled: false }) };
      player.state = { ...player.state, settledMs: settleTo(task.schedule, state, this.#nowMs) };
      promises.drop(this.#nowMs + 1);
    }
  }

  /** The year is over; every run that waits still starts, once those before it have ended. */
  #drain(): void {
    for (let rounds = 0; this.#players.some(({ run }) => run); rounds++) {
      if (rounds > 100) throw new Broken('a waiting run never starts');
      const ends = this.#players.map((player) =>
        this.#nextOf({ ...player, wakeAtMs: Number.POSITIVE_INFINITY }),
      );
      this.#atMs = Math.max(this.#atMs, Math.min(...ends, this.#atMs + 30 * dayMs));
      for (const player of this.#players) {
        if (player.run?.endsAtMs !== undefined && player.run.endsAtMs <= this.#atMs)
          this.#end(player, player.run);
      }
      this.#startWhatMay();
    }
  }

  #note(...what: unknown[]): void {
    if (this.trace.length >= 40) this.trace.splice(0, 20);
    this.trace.push([this.#nowMs, ...what]);
  }
}
