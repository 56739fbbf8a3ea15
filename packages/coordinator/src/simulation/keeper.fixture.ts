import { HoldfastError, type Sig } from '@holdfast/core';
import type { ClusterView } from '../cluster-view.ts';
import type { Known } from '../entries.ts';
import type { Ledger } from '../ledger.ts';
import type { TaskRecord } from '../records.ts';
import type { SimHost } from './node.fixture.ts';
import type { SimRunner } from './runner.fixture.ts';
import { limits } from './scenario.fixture.ts';
import { adopted, decideDue } from './schedule.fixture.ts';

export interface SimKeeperOptions {
  readonly host: SimHost;
  readonly view: ClusterView;
  readonly ledger: Ledger;
  readonly runner: SimRunner;
}

/** An error of its own would cost a stack each time. */
const poked = new HoldfastError('cancelled', 'something changed');

const againMs = 250;
const storeWaitMs = 2000;

/** Takes what falls due, takes up what was taken for this node, and keeps records in step with what is declared. */
export class SimKeeper {
  readonly #o: SimKeeperOptions;
  readonly #changed = new Set<string>();
  #objectsChanged = true;
  readonly #wakeAtMs = new Map<string, number>();
  #pokeKeeper = new AbortController();
  #pokeScheduler = new AbortController();

  constructor(o: SimKeeperOptions) {
    this.#o = o;
    o.view.onChange(({ objects, tasks, nodes }) => {
      for (const task of tasks) {
        this.#changed.add(task);
        this.#wakeAtMs.delete(task);
      }
      if (objects) {
        this.#objectsChanged = true;
        this.#wakeAtMs.clear();
      }
      // What it has not kept in step is for others now.
      const isGone = [...nodes].some((node) => !o.view.nodes.has(node));
      if (isGone) this.#objectsChanged = true;
      if (!objects && tasks.size === 0 && !isGone) return;
      this.#pokeKeeper.abort(poked);
      this.#pokeScheduler.abort(poked);
    });
  }

  /** What the last life left running is interrupted. */
  async takeOver(o: Sig): Promise<void> {
    const { view, runner, host, ledger } = this.#o;
    for (const { value } of view.tasks.values()) {
      const { running } = value;
      if (running?.node !== host.name || runner.has(running.run)) continue;
      const run = await ledger.run(running.run, o);
      if (!run || run.endedAtMs !== undefined) continue;
      await ledger.interrupt(run, 'went away', o).catch(ignoreOvertaken);
    }
  }

  async run(o: Sig): Promise<void> {
    const { view, host } = this.#o;
    let lookedAtMs = Number.NEGATIVE_INFINITY;
    this.#objectsChanged = true;
    for (;;) {
      if (this.#pokeKeeper.signal.aborted) this.#pokeKeeper = new AbortController();
      const isLook = host.process.elapsed() - lookedAtMs >= limits.lookEveryMs;
      if (isLook) lookedAtMs = host.process.elapsed();
      const looked = isLook ? [...view.tasks.keys()] : [...this.#changed];
      this.#changed.clear();
      for (const task of looked) await this.#takeUp(task, o);
      if (isLook || this.#objectsChanged) await this.#keepUp(o);
      await host.process.sleep(limits.lookEveryMs, this.#pokeKeeper.signal).catch(() => undefined);
    }
  }

  async schedule(o: Sig): Promise<void> {
    const { host } = this.#o;
    this.#wakeAtMs.clear();
    for (;;) {
      if (this.#pokeScheduler.signal.aborted) this.#pokeScheduler = new AbortController();
      await this.#look(o);
      const nextMs = Math.min(...this.#wakeAtMs.values(), Number.POSITIVE_INFINITY);
      const waitMs = Math.max(1, Math.min(nextMs - host.process.now(), limits.lookEveryMs));
      await host.process.sleep(waitMs, this.#pokeScheduler.signal).catch(() => undefined);
    }
  }

  async #keepUp(o: Sig): Promise<void> {
    const { view, ledger, host } = this.#o;
    this.#objectsChanged = false;
    const { tasks } = view.objects.value;
    for (const [task, { value }] of view.tasks) {
      if (value.node !== host.name && view.nodes.has(value.node)) continue;
      const spec = tasks[task];
      if (!spec && value.removedAtMs === undefined) await ledger.abandonTask(task, o);
      if (spec && value.removedAtMs !== undefined) await ledger.reviveTask(task, adopted(spec), o);
    }
  }

  async #takeUp(task: string, o: Sig): Promise<void> {
    const { view, ledger, host, runner } = this.#o;
    const id = view.task(task)?.value.running;
    if (id?.node !== host.name || runner.has(id.run)) return;
    const running = (await ledger.task(task, o))?.value.running;
    const run = await ledger.run(id.run, o);
    if (running?.run !== id.run || running.node !== host.name || runner.has(id.run)) return;
    if (!run || run.endedAtMs !== undefined) return;
    host.tell(`takes up ${id.run}, which is ${run.state}`);
    if (run.state === 'waiting') runner.accept(run);
    else await ledger.interrupt(run, 'nobody carried it out', o).catch(ignoreOvertaken);
  }

  async #look(o: Sig): Promise<void> {
    const { view, host } = this.#o;
    const nowMs = host.process.now();
    const work: Promise<void>[] = [];
    for (const task of Object.keys(view.objects.value.tasks)) {
      if ((this.#wakeAtMs.get(task) ?? 0) > nowMs) continue;
      const known = view.task(task);
      if (!known || known.value.node !== host.name) this.#wakeAtMs.set(task, Number.POSITIVE_INFINITY);
      else work.push(this.#decide(task, known, o));
    }
    await Promise.all(work);
  }

  async #decide(task: string, known: Known<TaskRecord>, o: Sig): Promise<void> {
    const { view, host, ledger, runner } = this.#o;
    const spec = view.objects.value.tasks[task];
    if (!spec) return;
    const decision = decideDue(known.value, spec, host.process.now());
    if (decision.kind === 'idle') {
      this.#wakeAtMs.set(task, decision.wakeAtMs);
      return;
    }
    this.#wakeAtMs.delete(task);
    try {
      const taken =
        decision.kind === 'start'
          ? await ledger.take(known, decision.start, o)
          : await ledger.skipOccurrence(known, decision.skip, o);
      view.note(taken.known);
      if (decision.kind === 'start') runner.accept(taken.run);
    } catch (caught) {
      const error = HoldfastError.from(caught);
      if (error.code === 'conflict') this.#wakeAtMs.set(task, host.process.now() + againMs);
      else if (error.retryable) this.#wakeAtMs.set(task, host.process.now() + storeWaitMs);
      else throw error;
    }
  }
}

/** Somebody else has ended it by now. */
function ignoreOvertaken(caught: unknown): void {
  if (HoldfastError.from(caught).code !== 'lease_lost') throw caught;
}
