import type { DeclaredTask } from '@holdfast/core';
import {
  FaultyLine,
  type LineFaults,
  MemoryClusterStore,
  noFaults,
  SeededRandom,
  SimulatedMachine,
  SimulatedStore,
  SimulatedTime,
} from '@holdfast/testing';
import { noObjects } from '../entries.ts';
import { Ledger } from '../ledger.ts';
import { History } from './history.fixture.ts';
import { Broken, Laws } from './laws.fixture.ts';
import type { Mutation } from './mutants.fixture.ts';
import { SimNode } from './node.fixture.ts';
import { SimPlace } from './places.fixture.ts';
import { type NodeHealth, Rest } from './rest.fixture.ts';
import type { Incident, Scenario, SimTaskPlan } from './scenario.fixture.ts';
import { declared } from './schedule.fixture.ts';

const startMs = Date.UTC(2026, 10, 20, 14);

/** Lines in good times. */
const usual: LineFaults = { ...noFaults, delayMaxMs: 60 };

/** So long nothing goes wrong, at least. */
const calmMs = 30_000;
const againMs = 5_000;

const { signal } = new AbortController();

/** A cluster, and all that happens to it. */
export class World {
  readonly scenario: Scenario;
  readonly time = new SimulatedTime();
  readonly store = new SimulatedStore({ time: this.time });
  readonly place = new SimPlace();
  readonly nodes: readonly SimNode[];
  readonly history = new History(this.store);
  readonly laws: Laws;
  readonly rest: Rest;
  /** What happened, for people. */
  readonly story: string[] = [];
  readonly #lines: FaultyLine[] = [];
  readonly #random: SeededRandom;
  readonly #admin: Ledger;
  readonly #goodMs = new Map<string, number>();
  /** By node: how many incidents last, and since when none does. */
  readonly #wrong: number[] = [];
  readonly #fineSinceMs: (number | undefined)[] = [];
  readonly #out: number[] = [];
  readonly #pauses: number[] = [];
  readonly #faults: Partial<LineFaults>[][] = [];
  #error: unknown;

  constructor(scenario: Scenario, mutation?: Mutation) {
    this.scenario = scenario;
    this.#random = new SeededRandom(scenario.seed).fork();
    this.nodes = scenario.nodes.map((plan, at) => {
      const { wallOffsetMs, rate } = plan;
      const machine = new SimulatedMachine({ time: this.time, wallMs: startMs + wallOffsetMs, rate });
      const line = new FaultyLine({ store: this.store, random: this.#random.fork() });
      line.faults = usual;
      this.#lines[at] = line;
      this.#wrong[at] = 0;
      this.#out[at] = 0;
      return new SimNode({
        plan,
        machine,
        line,
        random: this.#random.fork(),
        place: this.place,
        mutation,
        planOf: (task) => this.#planOf(task),
        tell: (what) => this.#tell(what),
        wrong: (error) => {
          this.#error ??= error;
        },
      });
    });
    this.laws = new Laws(this.history, this.place, scenario.nodes);
    this.rest = new Rest(this.history, this.laws);
    const clock = new SimulatedMachine({ time: this.time, wallMs: startMs }).boot();
    // People reach the store whatever becomes of the nodes.
    this.#admin = new Ledger({ store: new MemoryClusterStore({ clock, table: this.store.table }), clock });
  }

  /** @throws the law that was broken */
  async live(): Promise<void> {
    const { scenario, time } = this;
    await this.#declare(Object.fromEntries(scenario.tasks.map((task) => [task.name, declared(task)])));
    for (const [at, node] of this.nodes.entries())
      time.after(node.o.plan.startsAtMs, () => {
        this.#fineSinceMs[at] = time.nowMs;
        node.start();
      });
    for (const incident of scenario.incidents)
      time.after(incident.atMs, () => {
        this.#befall(incident).catch((error) => {
          this.#error ??= error;
        });
      });
    this.#lookAgain();
    // It may be over as soon as all has settled, and has to be by the end.
    for (let atMs = scenario.calmFromMs + calmMs; ; atMs += againMs) {
      await time.runUntil(Math.min(atMs, scenario.endMs), () => this.#check());
      const unsettled = this.#unsettled();
      if (!unsettled) return;
      if (atMs >= scenario.endMs) throw unsettled;
    }
  }

  #unsettled(): Broken | undefined {
    try {
      this.rest.settled({
        nodes: this.nodes,
        calmFromMs: this.scenario.calmFromMs,
        goodSinceMs: (task) => this.#goodMs.get(task) ?? 0,
      });
      return undefined;
    } catch (error) {
      if (error instanceof Broken) return error;
      throw error;
    }
  }

  #check(): void {
    for (const { runs } of this.laws.check())
      for (const { after } of runs) {
        this.#tell(`store: run ${after.id} of ${after.node} ${after.state} ${after.made?.backup ?? ''}`);
        if (after.state === 'succeeded') this.#goodMs.set(after.task, this.time.nowMs);
      }
    if (this.#error) throw this.#error;
  }

  #lookAgain(): void {
    this.time.after(500, () => {
      this.rest.look(
        this.time.nowMs,
        this.nodes.map(
          (node, at): NodeHealth => ({
            node,
            isOut: !node.process || (this.#out[at] ?? 0) > 0,
            fineSinceMs: node.process && this.#wrong[at] === 0 ? this.#fineSinceMs[at] : undefined,
          }),
        ),
      );
      this.#lookAgain();
    });
  }

  #tell(what: string): void {
    this.story.push(`${String(Math.round(this.time.nowMs)).padStart(7)} ${what}`);
  }

  #planOf(task: string): SimTaskPlan {
    const plan = this.scenario.tasks.find(({ name }) => name === task);
    if (!plan) throw new Error(`no task ${task}`);
    return plan;
  }

  async #declare(tasks: Readonly<Record<string, DeclaredTask>>): Promise<void> {
    const { revision } = await this.#admin.objects({ signal });
    await this.#admin.replaceObjects({ ...noObjects, tasks }, revision, { signal });
  }

  async #befall(incident: Incident): Promise<void> {
    this.#tell(`* ${JSON.stringify(incident)}`);
    switch (incident.kind) {
      case 'store-down': {
        const { forMs, renewsLeases } = incident;
        this.store.goDown();
        for (const at of this.nodes.keys()) this.#wrongFor(at, forMs, { isOut: false });
        this.#later(forMs, 'the store is back', () => this.store.comeBack({ renewsLeases }));
        return;
      }
      case 'forget-changes':
        this.history.read();
        this.store.table.forgetChanges();
        return;
      case 'by-hand':
        return this.#startByHand(incident.task, incident.node);
      case 'prefer':
      case 'remove':
        return this.#redeclare(incident);
      default:
        return this.#befallNode(incident);
    }
  }

  async #befallNode(incident: Extract<Incident, { node: number }>): Promise<void> {
    const node = this.nodes[incident.node] as SimNode;
    const at = incident.node;
    switch (incident.kind) {
      case 'kill':
        if (!node.process) return;
        node.kill();
        this.#wrongFor(at, incident.forMs, { isOut: true });
        if (Number.isFinite(incident.forMs)) this.#later(incident.forMs, '', () => node.start());
        return;
      case 'pause':
        node.o.machine.pause();
        this.#wrongFor(at, incident.forMs, { isOut: true });
        this.#pauses[at] = (this.#pauses[at] ?? 0) + 1;
        this.#later(incident.forMs, `${node.name} goes on`, () => {
          this.#pauses[at] = (this.#pauses[at] ?? 0) - 1;
          if (this.#pauses[at] === 0) node.o.machine.resume((waiting) => shuffled(waiting, this.#random));
        });
        return;
      case 'cut':
      case 'storm':
        return this.#befallLine(at, incident);
      case 'revoke': {
        const { leases } = this.store;
        if (leases.length > 0) this.store.revoke(this.#random.pick(leases));
        this.#wrongFor(at, 0, { isOut: false });
        return;
      }
      case 'jump':
        node.o.machine.wallMs += incident.byMs;
        return;
      case 'drain':
        await this.#admin.setDrain(node.name, true, { signal });
        if (!Number.isFinite(incident.forMs)) return;
        this.#later(incident.forMs, `${node.name} drains no more`, () =>
          this.#admin.setDrain(node.name, false, { signal }),
        );
    }
  }

  #befallLine(at: number, incident: Extract<Incident, { kind: 'cut' | 'storm' }>): void {
    const { forMs } = incident;
    const faults = faultsOf(incident);
    const all = this.#faults[at] ?? [];
    this.#faults[at] = all;
    all.push(faults);
    this.#setFaults(at);
    this.#wrongFor(at, forMs, { isOut: faults.requestsCut === true });
    this.#later(forMs, `the line of n${at} is mended`, () => {
      all.splice(all.indexOf(faults), 1);
      this.#setFaults(at);
    });
  }

  /** Of what has befallen the line and lasts, the latest counts; a cut is one whatever else there is. */
  #setFaults(at: number): void {
    const all = this.#faults[at] ?? [];
    const line = this.#lines[at] as FaultyLine;
    line.faults = {
      ...Object.assign({}, usual, ...all),
      requestsCut: all.some(({ requestsCut }) => requestsCut),
      answersCut: all.some(({ answersCut }) => answersCut),
    };
  }

  async #startByHand(task: number, node: number): Promise<void> {
    const { name } = this.scenario.tasks[task] as SimTaskPlan;
    const start = { scope: 'full', node: `n${node}`, trigger: 'manual', reason: 'asked for' } as const;
    // Of a task that is not declared now there is nothing to start.
    await this.#admin.startByHand(name, () => start, { signal }).catch(() => undefined);
  }

  async #redeclare(incident: Extract<Incident, { kind: 'prefer' | 'remove' }>): Promise<void> {
    const plan = this.scenario.tasks[incident.task] as SimTaskPlan;
    const { tasks } = (await this.#admin.objects({ signal })).value;
    if (incident.kind === 'prefer') {
      if (tasks[plan.name])
        await this.#declare({ ...tasks, [plan.name]: declared({ ...plan, ...incident }) });
      return;
    }
    const { [plan.name]: _removed, ...rest } = tasks;
    await this.#declare(rest);
    if (!Number.isFinite(incident.forMs)) return;
    this.#later(incident.forMs, `${plan.name} is declared again`, async () => {
      const now = (await this.#admin.objects({ signal })).value.tasks;
      await this.#declare({ ...now, [plan.name]: declared(plan) });
    });
  }

  #wrongFor(at: number, forMs: number, { isOut }: { readonly isOut: boolean }): void {
    this.#wrong[at] = (this.#wrong[at] ?? 0) + 1;
    if (isOut) this.#out[at] = (this.#out[at] ?? 0) + 1;
    if (!Number.isFinite(forMs)) return;
    this.time.after(forMs, () => {
      this.#wrong[at] = (this.#wrong[at] ?? 0) - 1;
      if (isOut) this.#out[at] = (this.#out[at] ?? 0) - 1;
      if (this.#wrong[at] === 0) this.#fineSinceMs[at] = this.time.nowMs;
    });
  }

  #later(ms: number, what: string, act: () => void | Promise<void>): void {
    this.time.after(ms, () => {
      if (what) this.#tell(`* ${what}`);
      Promise.resolve(act()).catch((error) => {
        this.#error ??= error;
      });
    });
  }
}

function faultsOf(incident: Extract<Incident, { kind: 'cut' | 'storm' }>): Partial<LineFaults> {
  if (incident.kind === 'cut') {
    const { way, brokenWatches } = incident;
    return { requestsCut: way !== 'answers', answersCut: way !== 'requests', brokenWatches };
  }
  const { harm } = incident;
  return {
    lostRequests: harm,
    lostAnswers: harm,
    doubledRequests: harm,
    lateRequests: harm,
    delayMaxMs: 4000 * harm,
  };
}

function shuffled<T>(list: T[], random: SeededRandom): T[] {
  const result = [...list];
  for (let at = result.length - 1; at > 0; at -= 1) {
    const other = random.whole(0, at);
    [result[at], result[other]] = [result[other] as T, result[at] as T];
  }
  return result;
}
