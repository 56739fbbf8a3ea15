import { HoldfastError, type Scope } from '@holdfast/core';
import type { ClusterView } from '../cluster-view.ts';
import type { Ledger } from '../ledger.ts';
import type { RunRecord, RunResult, TaskRecord } from '../records.ts';
import { type Outcome, ownsIncrementals } from '../transitions.ts';
import type { SimHost } from './node.fixture.ts';
import type { SimManifest } from './places.fixture.ts';

interface Slot {
  run: RunRecord;
  readonly abort: AbortController;
  work?: Promise<void>;
}

const tellAgainMs = 2000;

/** Carries out the runs that a node has taken: of one task one after the other, as the lock of its staging has it. */
export class SimRunner {
  readonly #o: { readonly host: SimHost; readonly view: ClusterView; readonly ledger: Ledger };
  readonly #slots = new Map<string, Slot>();

  constructor(o: { readonly host: SimHost; readonly view: ClusterView; readonly ledger: Ledger }) {
    this.#o = o;
    o.view.onChange(({ tasks }) => this.#endOvertaken(tasks));
  }

  get active(): readonly string[] {
    return [...this.#slots.keys()];
  }

  has(run: string): boolean {
    return this.#slots.has(run);
  }

  accept(run: RunRecord): void {
    if (this.#slots.has(run.id)) return;
    this.#slots.set(run.id, { run, abort: new AbortController() });
    this.#startNext(run.task);
  }

  #startNext(task: string): void {
    const slots = [...this.#slots.values()].filter(({ run }) => run.task === task);
    if (slots.some(({ work }) => work)) return;
    const next = slots[0];
    if (next) next.work = this.#work(next);
  }

  #endOvertaken(tasks: ReadonlySet<string>): void {
    for (const slot of this.#slots.values()) {
      const { id, task, generation } = slot.run;
      const record = tasks.has(task) ? this.#o.view.task(task)?.value : undefined;
      if (!record || record.generation < generation || (record.lastRunId ?? '') < id) continue;
      if (record.generation === generation && record.running?.run === id) continue;
      slot.abort.abort(new HoldfastError('lease_lost', `run ${id} is not the task's any more`));
    }
  }

  async #work(slot: Slot): Promise<void> {
    const { host, ledger } = this.#o;
    const { signal } = slot.abort;
    let outcome: Outcome;
    try {
      slot.run = await this.#untilHeard(signal, () => ledger.begin(slot.run, { signal }));
      outcome = { state: 'succeeded', made: await this.#execute(slot.run, signal) };
    } catch (caught) {
      const error = HoldfastError.from(caught);
      outcome = { state: signal.aborted ? 'interrupted' : 'failed', error: error.toRecord() };
    }
    try {
      const never = new AbortController().signal;
      await this.#untilHeard(never, () => this.#finish(slot.run, outcome));
    } catch (caught) {
      host.tell(`run ${slot.run.id} ${outcome.state}, and not kept: ${HoldfastError.from(caught).reason}`);
    }
    this.#slots.delete(slot.run.id);
    this.#startNext(slot.run.task);
  }

  async #finish(run: RunRecord, outcome: Outcome): Promise<void> {
    const { ledger } = this.#o;
    const { signal } = new AbortController();
    try {
      await ledger.finish(run, outcome, () => [], { signal });
    } catch (caught) {
      const error = HoldfastError.from(caught);
      const kept = error.code === 'lease_lost' ? await ledger.run(run.id, { signal }) : undefined;
      if (kept?.endedAtMs === undefined) throw error;
    }
  }

  async #execute(run: RunRecord, signal: AbortSignal): Promise<RunResult> {
    const { host, view } = this.#o;
    const record = view.task(run.task)?.value;
    const resumed = await this.#recover(run, record, signal);
    if (resumed) return resumed;
    const { process, random, place, staging } = host;
    const plan = host.plan(run.task);
    const owned =
      record && ownsIncrementals(record) && record.owner?.node === host.name ? record.owner : undefined;
    const base =
      run.scope === 'incremental' && owned ? place.list(owned.chain).toSorted(bySequence).at(-1) : undefined;
    const untilMs = process.machine.time.nowMs;
    await process.sleep(random.between(0.2, 1) * plan.dumpMs, signal);
    const manifest: SimManifest = {
      task: run.task,
      run: run.id,
      node: host.name,
      scope: base ? 'incremental' : 'full',
      chain: base?.chain ?? `${run.id}-${host.name}-g${run.generation}`,
      sequence: base ? base.sequence + 1 : 0,
      sinceMs: base?.untilMs ?? Number.NEGATIVE_INFINITY,
      untilMs,
    };
    // From here on a killed process has left something that its next life finishes.
    staging.set(run.task, manifest);
    await process.sleep(random.between(0.2, 1) * plan.uploadMs, signal);
    await place.write(manifest, { process, delayMs: random.between(1, 300), signal });
    staging.delete(run.task);
    return resultOf(manifest, 'stored');
  }

  /** What an earlier life sealed is uploaded, under its own chain; it counts as this run if it is what this run goes on with. */
  async #recover(
    run: RunRecord,
    record: TaskRecord | undefined,
    signal: AbortSignal,
  ): Promise<RunResult | undefined> {
    const { process, random, place, staging } = this.#o.host;
    const sealed = staging.get(run.task);
    if (!sealed) return undefined;
    const isThere = place.list(sealed.chain).some(({ run: by }) => by === sealed.run);
    const isTaken = place.list(sealed.chain).some(({ sequence }) => sequence === sealed.sequence);
    if (!isTaken) {
      await process.sleep(random.between(0.2, 1) * this.#o.host.plan(run.task).uploadMs, signal);
      await place.write(sealed, { process, delayMs: random.between(1, 300), signal });
    }
    staging.delete(run.task);
    const counts =
      sealed.scope === 'full' || (run.scope === 'incremental' && record?.owner?.chain === sealed.chain);
    if (run.resumes !== sealed.run || !counts || (isTaken && !isThere)) return undefined;
    return resultOf(sealed, 'resumed');
  }

  async #untilHeard<T>(signal: AbortSignal, tell: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await tell();
      } catch (caught) {
        const error = HoldfastError.from(caught);
        if (!error.retryable || error.code === 'lease_lost' || signal.aborted) throw error;
        await this.#o.host.process.sleep(tellAgainMs, signal);
      }
    }
  }
}

function bySequence(a: SimManifest, b: SimManifest): number {
  return a.sequence - b.sequence;
}

function resultOf(manifest: SimManifest, outcome: 'stored' | 'resumed'): RunResult {
  const scope: Scope = manifest.scope;
  return {
    outcome,
    scope,
    backup: `${manifest.chain}/${manifest.sequence}`,
    reason: 'simulated',
    rows: 1,
    changes: 0,
    rawBytes: 1,
    storedBytes: 1,
    segments: 1,
    notices: [],
    destinations: [{ name: 'near', stored: true }],
  };
}
