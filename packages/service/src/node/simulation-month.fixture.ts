/** What happens in a month, drawn from the seed before it begins, and what is looked at in between. */
import type { DeclaredTask } from '@holdfast/core';
import { stringify } from 'yaml';
import { limits, World, type WorldOptions } from './simulation.fixture.ts';
import { between, dayMs, hourMs, minuteMs, pick, type Random } from './simulation-time.fixture.ts';
import { logsIn, runsIn, warmUp } from './simulation-work.fixture.ts';

export const days = 30;
const faultsEndMs = 24 * dayMs;

type Tasks = Readonly<Record<string, Partial<DeclaredTask>>>;

/** Two tasks share each source; cadences differ, so that runs meet at the limits. */
const firstTasks: Tasks = {
  'shop-daily': {
    source: 'shop',
    full: '0 2 * * *',
    incremental: '0 */6 * * *',
    timezone: 'Europe/Berlin',
    destinations: ['near', 'far'],
  },
  'shop-weekly': {
    source: 'shop',
    full: '30 3 * * 0',
    incremental: '0 18 * * *',
    destinations: ['near', 'far'],
    require: 1,
  },
  'crm-fulls': { source: 'crm', full: '15 4 * * *', destinations: ['near'], jitter: '20m' },
  'crm-office': {
    source: 'crm',
    incremental: '20 9,16 * * 1-5',
    timezone: 'America/New_York',
    destinations: ['far'],
  },
};

const otherSchedules: Tasks = {
  'shop-daily': { incremental: '30 */3 * * *' },
  'shop-weekly': { incremental: '0 7,14 * * *', blackout: [{ from: '12:30', to: '15:00' }] },
  'crm-fulls': { full: '45 */8 * * *' },
  'crm-office': { incremental: '10 8,12,17 * * 1-5', full: '0 1 * * 6' },
};

interface Happening {
  readonly atMs: number;
  readonly act: () => unknown;
}

export class Month {
  readonly world: World;
  readonly #random: Random;
  #tasks: Record<string, Partial<DeclaredTask>> = { ...firstTasks };
  #plan: Happening[] = [];

  constructor(options: WorldOptions) {
    this.world = new World(options);
    this.#random = this.world.random('month');
  }

  async live(): Promise<void> {
    const { world } = this;
    await warmUp(world.folder.path);
    await world.start();
    await this.#declare();
    this.#draw();
    for (;;) {
      const [next] = this.#plan.sort((a, b) => a.atMs - b.atMs);
      if (!next || next.atMs > days * dayMs) break;
      this.#plan.shift();
      await world.passUntil(next.atMs);
      await next.act();
    }
    await world.passUntil(days * dayMs);
    await this.#settle();
    await this.#proveAll(true);
    this.#provePromisesOfTheEnd();
  }

  #at(atMs: number, act: () => unknown): void {
    this.#plan.push({ atMs, act });
  }

  /** At random moments, so far apart on average. */
  #often(everyMs: number, untilMs: number, act: (random: Random) => unknown): void {
    const random = this.#random;
    for (let atMs = random() * everyMs; atMs < untilMs; atMs += (0.5 + random()) * everyMs) {
      const own = this.world.random(`${everyMs}/${atMs}`);
      this.#at(atMs, () => act(own));
    }
  }

  #draw(): void {
    const { world } = this;
    const allMs = days * dayMs;
    for (const database of Object.values(world.databases))
      this.#often(50 * minuteMs, allMs, (random) => database.write(random, world.clock.now()));
    this.#often(2.5 * dayMs, faultsEndMs, () => this.#crash());
    this.#often(5 * dayMs, faultsEndMs, () => this.#stop());
    this.#often(1.5 * dayMs, faultsEndMs, (random) => this.#breakStore(random));
    this.#often(4 * dayMs, faultsEndMs, (random) => this.#breakPlace(random));
    this.#often(8 * dayMs, faultsEndMs, (random) => this.#jump(random));
    this.#often(7 * hourMs, faultsEndMs, (random) => this.#interfere(random));
    this.#often(9 * dayMs, faultsEndMs, (random) => this.#redeclare(random));
    this.#often(hourMs, allMs, () => this.#proveNobodyIsLost());
    this.#often(6 * dayMs, faultsEndMs, () => this.#proveAll(false));
    this.#often(dayMs, allMs, () => this.#dropOldChains());
    this.#often(12 * hourMs, allMs, () => this.#mend());
    this.#at(faultsEndMs, () => this.#endFaults());
  }

  async #crash(): Promise<void> {
    const { world } = this;
    if (!world.isUp) return;
    await world.crash();
    const random = world.random(`crash/${world.clock.elapsed()}`);
    this.#startIn(random() < 0.5 ? between(random, 1, 30) * 1000 : between(random, 1, 180) * minuteMs);
  }

  #stop(): void {
    const { world } = this;
    if (!world.isUp || world.life?.drain.signal.aborted) return;
    const { life } = world;
    world.drain();
    this.#in(between(this.#random, 1, 15) * minuteMs, () => life?.stop.abort());
    this.#whenOver();
  }

  #whenOver(): void {
    const { world } = this;
    this.#in(minuteMs, () => {
      if (world.life?.dead) return;
      if (world.life?.ended) this.#startIn(minuteMs);
      else this.#whenOver();
    });
  }

  #startIn(ms: number): void {
    this.#in(ms, async () => {
      if (this.world.isUp) return;
      // As a service manager does it.
      await this.world.start().catch(() => this.#startIn(minuteMs));
    });
  }

  #in(ms: number, act: () => unknown): void {
    this.#at(this.world.clock.elapsed() + ms, act);
  }

  #breakStore(random: Random): void {
    const { world } = this;
    world.storeFault = random() < 0.6 ? 'lost' : 'unavailable';
    world.note(`the store: ${world.storeFault}`);
    this.#in(between(random, 1, 90) * minuteMs, () => {
      world.storeFault = 'none';
      world.storeWellSinceMs = world.clock.elapsed();
    });
  }

  #breakPlace(random: Random): void {
    const { world } = this;
    const name = pick(random, ['near', 'far']);
    world.note(`${name} is down`);
    world.down.add(name);
    this.#in(between(random, 1, 20) * hourMs, () => world.down.delete(name));
  }

  #jump(random: Random): void {
    const ms = (random() < 0.5 ? -1 : 1) * hourMs;
    this.world.note(`the clock jumps by ${ms / hourMs} h`);
    this.world.clock.jumpWall(ms);
    this.world.count('jumps');
  }

  #interfere(random: Random): Promise<void> {
    const { world } = this;
    const task = pick(random, Object.keys(firstTasks));
    const o = { task, signal: new AbortController().signal };
    const active = world.life?.core.parts.runner.active ?? [];
    const what = pick(random, ['pause', 'delay', 'cancel', 'cancel', 'run', 'run'] as const);
    if (what === 'pause') {
      const resume = (): Promise<void> => world.ask(`resume ${task}`, (handlers) => handlers.resumeTask(o));
      this.#in(between(random, 1, 20) * hourMs, resume);
      return world.ask(`pause ${task}`, (handlers) => handlers.pauseTask(o));
    }
    const notWaitedFor = (asked: Promise<void>): Promise<void> => {
      asked.catch((error: unknown) => world.fail(error));
      return Promise.resolve();
    };
    if (what === 'delay') {
      const time = `${between(random, 10, 300)}m`;
      return notWaitedFor(world.ask(`delay ${task}`, (handlers) => handlers.delayTask({ ...o, for: time })));
    }
    if (what === 'cancel') {
      const run = active[Math.floor(random() * active.length)]?.run.id;
      if (run === undefined) return Promise.resolve();
      return notWaitedFor(
        world.ask(`cancel ${run}`, ({ cancelRun }) => cancelRun({ run, signal: o.signal })),
      );
    }
    const scope = pick(random, ['full', 'incremental', undefined] as const);
    return world.ask(`run ${task} ${scope}`, (handlers) =>
      handlers.runTask({ ...o, ...(scope && { scope }) }),
    );
  }

  async #redeclare(random: Random): Promise<void> {
    const task = pick(random, Object.keys(firstTasks));
    if (random() < 0.5) {
      this.#tasks[task] = { ...this.#tasks[task], ...otherSchedules[task] };
    } else {
      delete this.#tasks[task];
      this.#in(between(random, 1, 50) * hourMs, () => {
        this.#tasks[task] ??= firstTasks[task] ?? {};
        return this.#declare();
      });
    }
    await this.#declare();
  }

  /** Until the store has taken it. */
  async #declare(): Promise<void> {
    const { world } = this;
    const folder = (name: string): object => ({ type: 'folder', path: `/backups/${name}` });
    const objects = {
      sources: world.sources,
      destinations: { near: folder('near'), far: folder('far') },
      tasks: this.#tasks,
    };
    const files = [{ name: 'all.yaml', text: stringify(objects) }];
    let done = false;
    await world.ask('apply', async (handlers) => {
      await handlers.applyObjects({ files, prune: true, signal: new AbortController().signal });
      done = true;
    });
    if (!done) this.#in(5 * minuteMs, () => this.#declare());
  }

  /** From here on everything is well again, and nobody interferes. */
  #endFaults(): void {
    const { world } = this;
    world.faults = false;
    world.storeFault = 'none';
    world.down.clear();
    world.note('all faults end');
    if (world.life?.dead || world.life?.ended) this.#startIn(1000);
    const { signal } = new AbortController();
    for (const task of Object.keys(firstTasks))
      this.#in(hourMs, () =>
        world.ask(`resume ${task}`, (handlers) => handlers.resumeTask({ task, signal })),
      );
    // What hangs is ended by a person.
    this.#in(2 * hourMs, () => {
      for (const { run } of world.life?.core.parts.runner.active ?? [])
        world
          .ask(`cancel ${run.id}`, ({ cancelRun }) => cancelRun({ run: run.id, signal }))
          .catch((error: unknown) => world.fail(error));
    });
  }

  /** A run that counts as going on is one that somebody carries out. */
  #proveNobodyIsLost(): void {
    const { world } = this;
    const { life } = world;
    const nowMs = world.clock.elapsed();
    if (!life || !world.isUp || world.storeFault !== 'none') return;
    if (nowMs - Math.max(life.sinceMs, world.storeWellSinceMs) < 30 * minuteMs) return;
    if (life.drain.signal.aborted) return;
    for (const { id, state } of world.laws.open)
      if (!life.core.parts.runner.find(id))
        throw new Error(`nobody carries out run ${id}, which is ${state}`);
    for (const { run } of life.core.parts.runner.active)
      if (world.laws.runs.get(run.id)?.run.endedAtMs !== undefined)
        throw new Error(`run ${run.id} has ended and is still at work`);
    if (life.clock.sleeping > 20) throw new Error(`${life.clock.sleeping} sleep in the node`);
  }

  async #proveAll(everywhere: boolean): Promise<void> {
    for (const [task, { destinations = [] }] of Object.entries(firstTasks)) {
      for (const name of destinations) {
        const proven = await this.world.proveRestore(task, name as 'near' | 'far');
        if (everywhere && !proven) throw new Error(`${task} has no backup at ${name}`);
      }
    }
  }

  /** What a place damaged is never written over: a person deletes it, as the error says, and it is copied anew. */
  #mend(): void {
    const { world } = this;
    for (const { task, behind = {} } of world.laws.tasks.values())
      for (const [name, { error }] of Object.entries(behind)) {
        const found = /damaged copy of chain (\S+): (\S+) has another size/.exec(error?.message ?? '');
        if (!found) continue;
        const key = `${task}/${found[1]}/${found[2]}`;
        world.note(`${key} is deleted at ${name}`);
        world.destinations[name as 'near' | 'far'].objects.delete(key);
        world.count('mended');
      }
  }

  /** Retention, as a person would do it: all but the newest chains, and those that are named as good. */
  #dropOldChains(): void {
    const { world } = this;
    for (const { objects } of Object.values(world.destinations)) {
      const chains = new Map<string, { timeMs: number; keys: string[] }>();
      for (const { key } of objects.list()) {
        const chain = key.slice(0, key.lastIndexOf('/'));
        const found = chains.get(chain) ?? { timeMs: 0, keys: [] };
        chains.set(chain, { ...found, keys: [...found.keys, key] });
        if (!key.endsWith('.manifest.json')) continue;
        const { to } = JSON.parse(objects.get(key)?.bytes.toString('utf8') ?? '');
        (chains.get(chain) as { timeMs: number }).timeMs = Math.max(found.timeMs, to.timeMs);
      }
      const good = [...world.laws.tasks.values()].flatMap(({ task, lastGoodAt, lastGood }) =>
        [...Object.values(lastGoodAt), ...(lastGood ? [lastGood] : [])].map(
          ({ backup }) => `${task}/${backup.split('/')[0]}`,
        ),
      );
      for (const task of Object.keys(firstTasks)) {
        const own = [...chains].filter(([chain, { timeMs }]) => chain.startsWith(`${task}/`) && timeMs > 0);
        const old = own.sort(([, a], [, b]) => b.timeMs - a.timeMs).slice(4);
        for (const [chain, { keys }] of old)
          if (!good.includes(chain)) for (const key of keys) objects.delete(key);
      }
    }
  }

  /** Ends nothing, but lets what runs end. */
  async #settle(): Promise<void> {
    const { world } = this;
    const isBusy = (): boolean =>
      world.laws.open.length > 0 || [...world.laws.tasks.values()].some(({ behind }) => behind !== undefined);
    for (let hours = 0; hours < 48 && isBusy(); hours++)
      await world.passUntil(world.clock.elapsed() + hourMs / 2);
  }

  #provePromisesOfTheEnd(): void {
    const { world } = this;
    const { life, table } = world;
    if (!life) throw new Error('there is no node');
    const { parts } = life.core;
    const states = Object.keys(firstTasks).map((task) => {
      const record = world.laws.tasks.get(task);
      const ended = record?.lastAttempt?.state;
      return `${task} ${ended} ${record?.overdueSinceMs === undefined ? 'fresh' : 'overdue'}`;
    });
    for (const state of states) if (!/succeeded fresh$/.test(state)) throw new Error(`at the end: ${states}`);
    for (const { task, behind } of world.laws.tasks.values())
      if (behind) throw new Error(`at the end ${Object.keys(behind).join()} is behind with ${task}`);
    if (world.laws.open.length > 0 || parts.runner.active.length > 0) throw new Error('a run never ends');
    const staged = runsIn(life.staging);
    if (staged.length > 0) throw new Error(`staging still has ${staged.join()}`);
    for (const task of Object.keys(firstTasks)) {
      const runs = world.runsInStore(task);
      if (runs.length > limits.historyPerTask + 60) throw new Error(`${task} remembers ${runs.length} runs`);
      const known = new Set(runs.map(({ id }) => id));
      const lost = logsIn(world.folder.join('state', 'logs', task)).filter((id) => !known.has(id));
      if (lost.length > 0) throw new Error(`logs of runs that are forgotten: ${lost.join()}`);
    }
    const listed = table.list('', {}).filter(({ key }) => !key.startsWith('runs/'));
    const entries = listed.filter(({ key }) => !key.startsWith('decisions/'));
    const tasks = Object.keys(firstTasks).length;
    // Format, cluster, objects and node; and of each task, that it was new, and who makes its incrementals.
    if (entries.length !== 4 + tasks || listed.length - entries.length > 2 * tasks)
      throw new Error(`the store has ${listed.map(({ key }) => key).join()}`);
    for (const { database } of Object.values(world.databases)) {
      // Each task keeps changes for its newest chain alone.
      const kept = Map.groupBy(database.keepers.keys(), (label) => label.replace(/_[^_]*$/, ''));
      for (const [task, labels] of kept)
        if (labels.length > 1) throw new Error(`changes are kept for ${labels.join()} of ${task}`);
    }
  }
}
