/** A month of a node in seconds: databases that change, places that fail, a machine that crashes, people who interfere. */
import { cpSync, existsSync } from 'node:fs';
import { keys, type RunRecord } from '@holdfast/coordinator';
import { HoldfastError, type Manifest, manifestName } from '@holdfast/core';
import { restore } from '@holdfast/engine';
import {
  FakeClock,
  failingStore,
  MemoryClusterStore,
  MemoryClusterTable,
  MemoryDatabase,
  MemoryDestination,
  MemorySource,
  type StoreStep,
  type StoreVerb,
  type TemporaryFolder,
} from '@holdfast/testing';
import type { Handlers } from '../api/index.ts';
import type { NodeConfig } from '../config/node-config.ts';
import type { ExecuteCopy } from './copy-job.ts';
import { nodeLogger } from './logger.ts';
import { NodeCore } from './node-core.ts';
import { nodeHandlers } from './node-handlers.ts';
import type { Execute } from './runner.ts';
import { Workshop } from './simulation-execute.fixture.ts';
import { Laws } from './simulation-laws.fixture.ts';
import { type Fate, ShopDatabase } from './simulation-places.fixture.ts';
import {
  between,
  hourMs,
  LifeClock,
  minuteMs,
  quiet,
  type Random,
  randomOf,
  rarer,
  seedOf,
  Waits,
} from './simulation-time.fixture.ts';

export const limits = { runs: 2, perSource: 1, historyPerTask: 40 } as const;

/** What the node does in place of what it should: to see that somebody notices. */
export interface Mistakes {
  readonly execute?: (right: Execute) => Execute;
  readonly limits?: Partial<NodeConfig['limits']>;
}

export interface WorldOptions {
  readonly seed: number;
  readonly folder: TemporaryFolder;
  readonly mistakes?: Mistakes;
}

/** One process of the node, until it ends or is killed. */
interface Life extends Fate {
  dead: boolean;
  readonly clock: LifeClock;
  readonly workClock: LifeClock;
  readonly copyClock: LifeClock;
  readonly store: MemoryClusterStore;
  readonly drain: AbortController;
  readonly stop: AbortController;
  readonly staging: string;
  readonly core: NodeCore;
  readonly handlers: Handlers;
  ended: boolean;
  readonly sinceMs: number;
}

const { signal: never } = new AbortController();

export class World {
  readonly clock = new FakeClock({ startMs: Date.UTC(2026, 2, 10) });
  readonly waits = new Waits();
  readonly table = new MemoryClusterTable();
  readonly databases = { shop: new ShopDatabase('shop'), crm: new ShopDatabase('crm') } as const;
  readonly destinations: Readonly<Record<'near' | 'far', MemoryDestination>>;
  readonly trace: string[] = [];
  readonly figures: Record<string, number> = {};
  readonly laws: Laws;
  readonly seed: number;
  readonly folder: TemporaryFolder;
  /** While set, runs and places may fail. */
  faults = true;
  storeFault: 'none' | 'unavailable' | 'lost' = 'none';
  storeWellSinceMs = 0;
  readonly down = new Set<string>();
  life: Life | undefined;
  failure: unknown;
  readonly #mistakes: Mistakes;
  readonly #workshop: Workshop;
  readonly #watch = new AbortController();
  readonly #observer: MemoryClusterStore;
  #lives = 0;

  constructor({ seed, folder, mistakes = {} }: WorldOptions) {
    this.seed = seed;
    const place = (name: string): MemoryDestination => new MemoryDestination(`${folder.path}/${name}`);
    this.destinations = { near: place('near'), far: place('far') };
    this.folder = folder;
    this.#mistakes = mistakes;
    this.laws = new Laws({
      manifestAt: (task, name, destination) => this.manifestAt(task, name, destination),
      positionOf: (task) => this.databaseOf(task).database.position,
      isExecuting: (run) => this.#workshop.isExecuting(run),
    });
    this.#workshop = new Workshop({
      databases: this.databases,
      destinations: this.destinations,
      limits,
      isDown: (name) => this.down.has(name),
      hasFaults: () => this.faults,
      runningOf: (task) => this.laws.tasks.get(task)?.running?.run,
      random: (what) => this.random(what),
      note: (text) => this.note(text),
      count: (what) => this.count(what),
      fail: (error) => this.fail(error),
    });
    this.#observer = new MemoryClusterStore({ clock: this.clock, table: this.table });
    this.#follow().catch((error: unknown) => this.fail(error));
  }

  get sources(): Record<string, { type: string; path: string }> {
    return { shop: { type: 'sqlite', path: '/db/shop' }, crm: { type: 'sqlite', path: '/db/crm' } };
  }

  databaseOf(task: string): ShopDatabase {
    return task.startsWith('crm') ? this.databases.crm : this.databases.shop;
  }

  /** Seeded by what it is for: the order in which things happen does not change it. */
  random(what: string): Random {
    return randomOf(seedOf(`${this.seed}/${what}`));
  }

  note(text: string): void {
    this.trace.push(`${new Date(this.clock.now()).toISOString()} ${text}`);
    if (this.trace.length > 2_000) this.trace.splice(0, 1_000);
  }

  count(what: string): void {
    this.figures[what] = (this.figures[what] ?? 0) + 1;
  }

  fail(error: unknown): void {
    this.failure ??= error;
  }

  /** Lets time pass until a moment, from one thing that happens to the next. */
  async passUntil(elapsedMs: number): Promise<void> {
    for (;;) {
      await quiet();
      if (this.failure !== undefined) throw this.failure;
      const nowMs = this.clock.elapsed();
      if (nowMs >= elapsedMs) return;
      const nextMs = Math.min(this.waits.nextMs, elapsedMs);
      await this.clock.advance(Math.max(0, nextMs - nowMs));
    }
  }

  async start(): Promise<void> {
    const staging = this.life?.staging ?? this.folder.join('staging');
    const clock = new LifeClock(this.clock, this.waits, rarer(this.clock));
    const workClock = new LifeClock(this.clock, this.waits);
    // A copy asks all the time whether the run that has its destination is over.
    const copyClock = new LifeClock(this.clock, this.waits, (ms) => (ms === 500 ? minuteMs : ms));
    const store = new MemoryClusterStore({
      clock: new LifeClock(this.clock, this.waits),
      table: this.table,
    });
    const number = ++this.#lives;
    const fate = {
      dead: false,
      pass: (what: string, signal: AbortSignal) => this.#pass(workClock, what, signal),
    };
    const config = {
      file: undefined,
      name: 'node-a',
      state: this.folder.join('state'),
      staging: number > 1 && this.life?.dead ? this.folder.join(`staging-${number}`) : staging,
      listen: { address: '', tls: undefined, token: undefined, hosts: [] },
      storeWaitMs: 0,
      cluster: { secret: undefined, advertise: undefined, aliveForMs: 10_000, moveAfterMs: 30_000 },
      store: { type: 'embedded', path: '' },
      limits: { ...limits, workers: 1, stallAfterMs: 10 * minuteMs, ...this.#mistakes.limits },
      log: { level: 'info', format: 'pretty' },
      tags: [],
      stop: { drainForMs: 10 * minuteMs },
    } satisfies NodeConfig;
    if (config.staging !== staging && existsSync(staging))
      cpSync(staging, config.staging, { recursive: true });
    const logger = nodeLogger({
      ...config.log,
      node: config.name,
      write: (text) => this.note(`${number} ${text.slice(25).trimEnd()}`),
    });
    const right: Execute = (run, o) => this.#workshop.backup(run, o, { fate, clock: workClock });
    const executeCopy: ExecuteCopy = (run, o) => this.#workshop.copy(run, o, { fate, clock: copyClock });
    const execute = this.#mistakes.execute?.(right) ?? right;
    const faulty = failingStore(store, (verb, what) => this.#storeStep(verb, what));
    const core = await NodeCore.open(
      { config, clock, logger, store: faulty, instance: 'one', execute, executeCopy },
      { signal: never },
    );
    const life: Life = Object.assign(fate, {
      clock,
      workClock,
      copyClock,
      store,
      core,
      handlers: nodeHandlers(core.parts),
      drain: new AbortController(),
      stop: new AbortController(),
      staging: config.staging,
      ended: false,
      sinceMs: this.clock.elapsed(),
    });
    this.life = life;
    this.count('starts');
    this.note(`${number} starts`);
    this.#work(life).then(
      () => this.#over(life),
      (error: unknown) => this.fail(error),
    );
  }

  /** A node that cannot join ends, and whoever watches over it starts it again. */
  async #work({ core, clock, drain, stop }: Life): Promise<void> {
    while (!drain.signal.aborted) {
      try {
        await core.join({ signal: never });
        break;
      } catch (caught) {
        const error = HoldfastError.from(caught);
        if (!error.retryable) throw error;
        await clock.sleep(1000, drain.signal).catch(() => undefined);
      }
    }
    if (drain.signal.aborted) return;
    await core.run({ drain: drain.signal, stop: stop.signal, kill: never });
  }

  /** As by kill -9 of the node and all its runs, or a power cut: nothing of it acts or writes any more. */
  async crash(): Promise<void> {
    const { life } = this;
    if (!life || life.dead || life.ended) return;
    this.note('crashes');
    this.count('crashes');
    life.dead = true;
    life.clock.cut();
    life.workClock.cut();
    life.copyClock.cut();
    life.store.cutOff();
    this.#workshop.forgetAll();
    await quiet();
    life.core.parts.metrics[Symbol.dispose]();
  }

  /** As by SIGTERM: running backups may finish for a while. */
  drain(): void {
    this.note('is asked to stop');
    this.count('stops');
    this.life?.drain.abort(new HoldfastError('cancelled', 'asked to stop'));
  }

  get isUp(): boolean {
    return this.life !== undefined && !this.life.dead && !this.life.ended;
  }

  /** A person's or a program's request; what a node that is down or without store answers is no news. */
  async ask(what: string, act: (handlers: Handlers) => Promise<unknown>): Promise<void> {
    const { life } = this;
    if (!life || !this.isUp) return;
    this.note(`asked: ${what}`);
    try {
      await act(life.handlers);
      this.count(what.split(' ')[0] ?? '');
    } catch (caught) {
      const error = HoldfastError.from(caught);
      this.note(`refused: ${what}: ${error.message}`);
      if (life.dead) return;
      const expected = ['unavailable', 'precondition_failed', 'not_found', 'conflict', 'cancelled'];
      if (!expected.includes(error.code)) this.fail(error);
    }
  }

  manifestAt(task: string, name: string, destination: string): Manifest | undefined {
    const [chain, sequence] = name.split('/');
    const { objects } = this.destinations[destination as 'near' | 'far'];
    for (const scope of ['full', 'incremental'] as const) {
      const found = objects.get(`${task}/${chain}/${manifestName(Number(sequence), scope)}`);
      if (found) return JSON.parse(found.bytes.toString('utf8'));
    }
    return undefined;
  }

  /** Restores the newest good backup of a task from a destination, and compares it with what was there. */
  async proveRestore(task: string, destination: 'near' | 'far'): Promise<boolean> {
    const good = this.laws.tasks.get(task)?.lastGoodAt[destination];
    if (!good) return false;
    const manifest = this.manifestAt(task, good.backup, destination);
    if (!manifest) throw new Error(`${destination} does not have ${good.backup} of ${task} any more`);
    const target = new MemoryDatabase('restored');
    await restore(
      { task, point: { backup: good.backup }, noOwner: false, verify: true, startTimeoutMs: 0 },
      {
        clock: new FakeClock({ jumps: true }),
        observer: () => undefined,
        workersMax: 1,
        destination: this.destinations[destination],
        target: new MemorySource(target),
        spillDirectory: this.folder.path,
      },
      { signal: never },
    );
    const expected = this.databaseOf(task).contentAt(Number(manifest.to.position));
    if (JSON.stringify(target.contents()) !== JSON.stringify(expected))
      throw new Error(`${good.backup} of ${task} at ${destination} restores to something else`);
    this.count('restores');
    return true;
  }

  runsInStore(task: string): RunRecord[] {
    return this.table.list(keys.runsOf(task), {}).map(({ value }) => JSON.parse(value));
  }

  async dispose(): Promise<void> {
    this.#watch.abort();
    await this.crash();
    await quiet();
  }

  async #follow(): Promise<void> {
    const watch = this.#observer.watch('', { signal: this.#watch.signal, since: 0 });
    try {
      for await (const change of watch) this.laws.take(change);
    } catch (error) {
      if (!this.#watch.signal.aborted) throw error;
    }
  }

  async #over(life: Life): Promise<void> {
    life.ended = true;
    this.note('has stopped');
    if (life.core.parts.runner.active.length > 0) throw new Error('a node has stopped with runs at work');
    if (life.core.parts.catchUp.copies.some(({ endedAtMs }) => endedAtMs === undefined))
      throw new Error('a node has stopped with copies at work');
    await life.store[Symbol.asyncDispose]();
    life.core.parts.metrics[Symbol.dispose]();
  }

  /** By what is done and when: two that begin at once do not end at once, or the disk would decide who is first. */
  async #pass(clock: LifeClock, what: string, signal: AbortSignal): Promise<void> {
    const random = this.random(`pass/${what.replace(this.folder.path, '')}/${this.clock.elapsed()}`);
    await clock.sleep(
      random() < 0.02 ? between(random, 1, 4) * hourMs : between(random, 1000, 140_000),
      signal,
    );
  }

  #storeStep(verb: StoreVerb, what: string): StoreStep {
    if (this.storeFault === 'none') return 'ok';
    if (this.storeFault === 'unavailable') return 'unavailable';
    // The next change of a run or task happens, and nobody hears of it.
    if (verb !== 'transact' || !what.includes('tasks/')) return 'ok';
    this.storeFault = 'none';
    this.storeWellSinceMs = this.clock.elapsed();
    this.count('lost answers');
    this.note(`the answer to ${what} is lost`);
    return 'lost';
  }
}
