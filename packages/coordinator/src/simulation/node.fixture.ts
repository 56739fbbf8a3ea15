import { HoldfastError, type Sig } from '@holdfast/core';
import {
  FaultyClusterStore,
  type FaultyLine,
  MemoryClusterStore,
  MemoryClusterTable,
  type SeededRandom,
  type SimulatedMachine,
  type SimulatedProcess,
} from '@holdfast/testing';
import { Assigner } from '../assigner.ts';
import { Assignments } from '../assignments.ts';
import { ClusterView } from '../cluster-view.ts';
import { JournaledStore } from '../journaled-store.ts';
import { keys } from '../keys.ts';
import { Ledger } from '../ledger.ts';
import { Membership } from '../membership.ts';
import { SimKeeper } from './keeper.fixture.ts';
import { MortalStore } from './mortal-store.fixture.ts';
import { broken, type Mutation } from './mutants.fixture.ts';
import type { SimManifest, SimPlace } from './places.fixture.ts';
import { SimRunner } from './runner.fixture.ts';
import { limits, type SimMachinePlan, type SimTaskPlan } from './scenario.fixture.ts';
import { adopted } from './schedule.fixture.ts';

/** What the parts of a node know of the world around them. */
export interface SimHost {
  readonly name: string;
  readonly process: SimulatedProcess;
  readonly random: SeededRandom;
  readonly place: SimPlace;
  /** By task; survives the process. */
  readonly staging: Map<string, SimManifest>;
  plan(task: string): SimTaskPlan;
  tell(what: string): void;
}

export interface SimNodeOptions {
  readonly plan: SimMachinePlan;
  readonly machine: SimulatedMachine;
  readonly line: FaultyLine;
  readonly random: SeededRandom;
  readonly place: SimPlace;
  readonly mutation: Mutation | undefined;
  readonly planOf: (task: string) => SimTaskPlan;
  readonly tell: (what: string) => void;
  /** Something that must never happen. */
  readonly wrong: (error: unknown) => void;
}

/** A node: what survives its processes, and the process that lives now, if one does. */
export class SimNode {
  readonly o: SimNodeOptions;
  readonly staging = new Map<string, SimManifest>();
  readonly #journal = new MemoryClusterTable();
  process: SimulatedProcess | undefined;
  runner: SimRunner | undefined;
  #store: FaultyClusterStore | undefined;

  constructor(o: SimNodeOptions) {
    this.o = o;
  }

  get name(): string {
    return this.o.plan.name;
  }

  get calls(): FaultyClusterStore['calls'] | undefined {
    return this.#store?.calls;
  }

  start(): void {
    if (this.process) return;
    this.process = this.o.machine.boot();
    this.o.tell(`${this.name} starts`);
    this.#live(this.process).catch((error) => this.o.wrong(error));
  }

  kill(): void {
    this.process?.kill();
    this.process = undefined;
    this.runner = undefined;
    this.o.tell(`${this.name} is killed`);
  }

  async #live(process: SimulatedProcess): Promise<void> {
    const { line, tell, planOf, random, place, mutation } = this.o;
    const { signal } = new AbortController();
    const remote = new FaultyClusterStore({ process, line, callMaxMs: limits.callMaxMs });
    this.#store = remote;
    const journaled = new JournaledStore({
      store: remote,
      journal: new MortalStore(new MemoryClusterStore({ clock: process, table: this.#journal }), process),
      node: this.name,
      clock: process,
    });
    const store = broken(journaled, mutation?.transaction);
    const ledger = mutation?.ledger?.({ store, clock: process }) ?? new Ledger({ store, clock: process });
    const view = new ClusterView(store);
    const host: SimHost = {
      name: this.name,
      process,
      random,
      place,
      staging: this.staging,
      plan: planOf,
      tell: (what) => tell(`${this.name}: ${what}`),
    };
    const runner = new SimRunner({ host, view, ledger });
    this.runner = runner;
    const membership = this.#membership({ process, remote, journaled, view });
    const revision = (): number | undefined => membership.revision;
    const assignments = new Assignments({ store, clock: process, node: this.name, revision });
    const assigner = new Assigner({
      node: this.name,
      view,
      assignments,
      clock: process,
      moveAfterMs: limits.moveAfterMs,
      adopted,
      isConnected: () => membership.revision !== undefined && journaled.apart === undefined,
      onDecision: (task, { kind, reason }) => host.tell(`${task} ${kind}: ${reason}`),
    });
    const keeper = new SimKeeper({ host, view, ledger, runner });
    const since = await this.#open(process, { ledger, view, membership, journaled }, { signal });
    this.#keep(process, 'view', () => view.follow(since, { signal }));
    this.#keep(process, 'membership', () => membership.run({ signal }));
    await this.#again(process, () => keeper.takeOver({ signal }));
    this.#keep(process, 'assigner', () => assigner.run({ signal }));
    this.#keep(process, 'keeper', () => keeper.run({ signal }));
    this.#keep(process, 'scheduler', () => keeper.schedule({ signal }));
  }

  #membership(o: {
    readonly process: SimulatedProcess;
    readonly remote: FaultyClusterStore;
    readonly journaled: JournaledStore;
    readonly view: ClusterView;
  }): Membership {
    const { process, remote, journaled, view } = o;
    const { plan, tell } = this.o;
    return new Membership({
      store: remote,
      clock: process,
      self: {
        node: this.name,
        instance: this.name,
        version: '0',
        startedAtMs: process.now(),
        tags: plan.tags,
        capacity: 1,
      },
      ttlMs: limits.ttlMs,
      onLost: (reason) => tell(`${this.name} lost its session: ${reason.reason}`),
      onApart: async (reason) => {
        tell(`${this.name} is apart`);
        const { signal } = new AbortController();
        if (!journaled.apart) await journaled.enter(seenBy(view), reason, { signal });
      },
      onBack: (signal) => this.#back(journaled, signal),
    });
  }

  async #back(journaled: JournaledStore, o: Sig): Promise<void> {
    if (!(journaled.apart || (await journaled.hasJournal(o)))) return;
    for (const { task, outcome, runs } of await journaled.reconcile(o))
      this.o.tell(`${this.name} reconciled ${task}: ${outcome}, ${runs} runs`);
  }

  async #open(
    process: SimulatedProcess,
    o: {
      readonly ledger: Ledger;
      readonly view: ClusterView;
      readonly membership: Membership;
      readonly journaled: JournaledStore;
    },
    { signal }: Sig,
  ): Promise<number> {
    await this.#again(process, () => o.ledger.prepare({ signal }));
    const since = await this.#again(process, () => o.view.load({ signal }));
    await this.#again(process, () => o.membership.join({ signal }));
    await this.#again(process, () => this.#back(o.journaled, { signal }));
    return since;
  }

  /** As a supervisor does with what cannot be done yet. */
  async #again<T>(process: SimulatedProcess, act: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await act();
      } catch (caught) {
        this.#judge(caught);
        await process.sleep(1000, new AbortController().signal);
      }
    }
  }

  #keep(process: SimulatedProcess, name: string, service: () => Promise<void>): void {
    this.#again(process, async () => {
      await service();
      throw new HoldfastError('unavailable', `service ${name} ended`);
    }).catch((error) => this.o.wrong(error));
  }

  /** Services may fail for what the world does to them, and for nothing else. */
  #judge(caught: unknown): void {
    const error = HoldfastError.from(caught);
    this.o.tell(`${this.name}: ${error.message}`);
    if (error.code === 'internal' || error.code === 'config_invalid') this.o.wrong(caught);
  }
}

function seenBy(view: ClusterView): { key: string; value: string; revision: number }[] {
  const record = { objects: view.objects.value, appliedAtMs: 0 };
  return [
    { key: keys.objects, value: JSON.stringify(record), revision: view.objects.revision },
    ...[...view.tasks].map(([task, { value, revision }]) => ({
      key: keys.task(task),
      value: JSON.stringify(value),
      revision,
    })),
  ];
}
