import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import {
  type AbsentDestination,
  type Delivered,
  type Delivery,
  type Destination,
  type DestinationOutcome,
  HoldfastError,
  type KeptLabel,
  type Manifest,
  manifestName,
  type RecoveredRun,
  type RememberedLabel,
  type SegmentEntry,
  type Sig,
  type Stage,
  type StagedRun,
  type Staging,
} from '@holdfast/core';
import { type MemoryFault, misbehave } from './memory-source-worker.ts';

/** Places at which a run can be made to stop as a killed process does: nothing is cleaned up. */
export type StagingCrash = 'run-created' | 'segment-stored' | 'sealed' | 'manifest-stored';

interface StagedState {
  readonly run: StagedRun;
  readonly directory: string;
  readonly segments: SegmentEntry[];
  /** Keys that this run has written. */
  readonly stored: { readonly destination: Destination; readonly key: string }[];
  manifest: Uint8Array | undefined;
}

/** Staging in a folder of a test, remembered in memory: what `recover` finds outlives the runs, not the process. */
export class MemoryStaging implements Staging {
  /**
   * What goes wrong, by verb: `prepare`, `openRun`, `rememberKept`, `listKept`, `releaseKept`, `reserve`, `push`, `seal`,
   * `commit`, `confirm`.
   */
  readonly faults: Record<string, MemoryFault> = {};
  crashAt: StagingCrash | undefined;
  require: 'all' | number = 'all';
  readonly #root: string;
  readonly #runs = new Set<StagedState>();
  readonly #locks = new Map<string, string>();
  readonly #kept = new Map<string, KeptLabel & { readonly destinations: readonly string[] }>();
  #folders = 0;

  constructor(root: string) {
    this.#root = root;
  }

  /** Runs that are begun and neither committed nor removed. */
  get unfinished(): readonly StagedRun[] {
    return [...this.#runs].map(({ run }) => run);
  }

  /** What is remembered as kept in sources. */
  get kept(): readonly KeptLabel[] {
    return [...this.#kept.values()].map(({ destinations: _, ...kept }) => kept);
  }

  async prepare(o: Sig): Promise<readonly string[]> {
    await misbehave(this.faults.prepare, 'preparing', o);
    return [];
  }

  async lock(task: string): Promise<AsyncDisposable> {
    const holder = this.#locks.get(task);
    if (holder) throw new HoldfastError('conflict', `task ${task} is being backed up by ${holder}`);
    this.#locks.set(task, 'another run on this machine');
    return {
      [Symbol.asyncDispose]: async () => {
        this.#locks.delete(task);
      },
    };
  }

  required(destinations: number): number {
    return this.require === 'all' ? destinations : this.require;
  }

  async lockDestination(task: string, destination: Destination): Promise<AsyncDisposable | undefined> {
    return this.#locks.has(`${task} at ${destination.description}`)
      ? undefined
      : { [Symbol.asyncDispose]: async () => undefined };
  }

  /** From here on this destination is being brought up to date by someone else. */
  occupy(task: string, destination: Destination): void {
    this.#locks.set(`${task} at ${destination.description}`, 'another process');
  }

  async openRun(
    run: StagedRun,
    destinations: readonly Destination[],
    o: Sig & { readonly absent?: readonly AbsentDestination[] },
  ): Promise<Stage> {
    await misbehave(this.faults.openRun, 'opening a run', o);
    const directory = join(this.#root, `run-${++this.#folders}`);
    mkdirSync(directory, { recursive: true });
    const state: StagedState = { run, directory, segments: [], stored: [], manifest: undefined };
    this.#runs.add(state);
    const stage = this.#stage(state, destinations, o.absent ?? []);
    if (this.crashAt === 'run-created') stage.crash();
    return stage;
  }

  async recover(
    task: string,
    destinations: readonly Destination[],
    o: { readonly absent?: (run: StagedRun) => readonly AbsentDestination[] } = {},
  ): Promise<readonly RecoveredRun[]> {
    return [...this.#runs]
      .filter(({ run }) => run.task === task)
      .map((state): RecoveredRun => {
        const { run, manifest } = state;
        const stage = this.#stage(state, destinations, o.absent?.(run) ?? []);
        if (manifest) return { kind: 'sealed', run, manifest, stage };
        return { kind: 'litter', run, collect: () => stage[Symbol.asyncDispose]() };
      });
  }

  /** Always from another destination: committed runs are not kept here. */
  async deliver({ task, chain, name, manifest, segments, to, from }: Delivery, o: Sig): Promise<Delivered> {
    const folder = `${task}/${chain}/`;
    let bytes = 0;
    for (const segment of segments) {
      if (await to.stat(folder + segment.name, o)) continue;
      const [place] = from;
      if (!place) throw new HoldfastError('not_found', `no place has ${segment.name}`);
      const { sha256, bytes: sizeBytes } = segment;
      await to.write(folder + segment.name, place.read(folder + segment.name, o), {
        ...o,
        ifAbsent: true,
        sizeBytes,
        sha256,
      });
      bytes += sizeBytes;
    }
    const body = (async function* () {
      yield manifest;
    })();
    if (!(await to.stat(folder + name, o))) await to.write(folder + name, body, { ...o, ifAbsent: true });
    return { bytes };
  }

  async settle(): Promise<void> {}

  async rememberKept(kept: KeptLabel, destinations: readonly Destination[], o: Sig): Promise<void> {
    await misbehave(this.faults.rememberKept, 'remembering what is kept', o);
    const all = destinations.map(({ description }) => description);
    this.#kept.set(`${kept.task}/${kept.label}`, { ...kept, destinations: all });
  }

  async listKept(
    task: string,
    destinations: readonly Destination[],
    o: Sig,
  ): Promise<readonly RememberedLabel[]> {
    await misbehave(this.faults.listKept, 'listing what is kept', o);
    const isHere = (wanted: string): boolean =>
      destinations.some(({ description }) => description === wanted);
    return [...this.#kept.values()]
      .filter((kept) => kept.task === task && kept.destinations.some(isHere))
      .map(({ destinations: wanted, ...kept }) => {
        const isStaged = this.unfinished.some((run) => run.task === task && run.chain === kept.chain);
        return { ...kept, mayBeElsewhere: isStaged || !wanted.every(isHere) };
      });
  }

  async releaseKept(task: string, label: string, o: Sig): Promise<void> {
    await misbehave(this.faults.releaseKept, 'releasing what was kept', o);
    this.#kept.delete(`${task}/${label}`);
  }

  #stage(state: StagedState, all: readonly Destination[], absent: readonly AbsentDestination[]): MemoryStage {
    const destinations = all.filter((one) => !absent.some(({ destination }) => destination === one));
    return new MemoryStage(state, destinations, {
      absent,
      staging: this,
      over: () => this.#runs.delete(state),
    });
  }
}

class MemoryStage implements Stage {
  readonly directory: string;
  readonly signal: AbortSignal;
  readonly #state: StagedState;
  readonly #destinations: readonly Destination[];
  readonly #staging: MemoryStaging;
  readonly #over: () => void;
  readonly #absent: readonly AbsentDestination[];
  readonly #failed = new AbortController();
  readonly #pushes: Promise<void>[] = [];
  #crashed = false;
  #committed = false;
  #disposed = false;
  #failure: HoldfastError | undefined;
  survives = false;

  constructor(
    state: StagedState,
    destinations: readonly Destination[],
    o: {
      readonly staging: MemoryStaging;
      readonly absent: readonly AbsentDestination[];
      readonly over: () => void;
    },
  ) {
    this.directory = state.directory;
    this.signal = this.#failed.signal;
    this.#state = state;
    this.#destinations = destinations;
    this.#staging = o.staging;
    this.#over = o.over;
    this.#absent = o.absent;
    if (state.manifest) for (const segment of state.segments) this.#send(segment);
  }

  get outcomes(): readonly DestinationOutcome[] {
    const behind = this.#absent.map(({ destination, error }) => ({
      destination: destination.description,
      stored: false,
      behind: true,
      error: error.toRecord(),
    }));
    return [
      ...this.#destinations.map(({ description: destination }) => ({ destination, stored: this.#committed })),
      ...behind,
    ];
  }

  /** From here on as if the process were gone. */
  crash(): void {
    this.#crashed = true;
    this.#failed.abort(new HoldfastError('internal', 'the process was killed'));
  }

  async reserve(bytes: number, o: Sig): Promise<void> {
    await misbehave(this.#staging.faults.reserve, `reserving ${bytes} bytes`, o);
  }

  async room(): Promise<void> {}

  push(segment: SegmentEntry): void {
    this.#state.segments.push(segment);
    this.#send(segment);
  }

  #send(segment: SegmentEntry): void {
    for (const destination of this.#destinations) {
      const sending = this.#store(destination, segment);
      sending.catch((error: unknown) => this.#failed.abort(HoldfastError.from(error)));
      this.#pushes.push(sending);
    }
  }

  async #store(destination: Destination, { name, bytes, sha256 }: SegmentEntry): Promise<void> {
    await misbehave(this.#staging.faults.push, `pushing ${name}`, this);
    const body = readFileSync(join(this.directory, name));
    await this.#write(destination, name, body, { sizeBytes: bytes, sha256 });
    if (this.#staging.crashAt === 'segment-stored') this.crash();
  }

  async #write(
    destination: Destination,
    name: string,
    body: Uint8Array,
    expected: { readonly sizeBytes: number; readonly sha256: string },
  ): Promise<void> {
    const { task, chain } = this.#state.run;
    const key = `${task}/${chain}/${name}`;
    const blocks = (async function* () {
      yield body;
    })();
    try {
      await destination.write(key, blocks, { signal: this.signal, ifAbsent: true, ...expected });
      this.#state.stored.push({ destination, key });
    } catch (error) {
      // What an earlier attempt of this very run has stored is as good as stored now.
      const { description } = destination;
      const same = this.#state.stored.some(
        (one) => one.key === key && one.destination.description === description,
      );
      if (!same) throw error;
    }
  }

  async seal(name: string, manifest: Uint8Array, o: Sig): Promise<void> {
    await misbehave(this.#staging.faults.seal, 'sealing', o);
    if (this.#staging.crashAt === 'segment-stored') await Promise.allSettled(this.#pushes);
    this.signal.throwIfAborted();
    const { run, segments } = this.#state;
    if (name !== manifestName(run.sequence, run.scope)) throw new Error(`${name} is not this run's manifest`);
    const named = (JSON.parse(Buffer.from(manifest).toString('utf8')) as Manifest).segments;
    if (JSON.stringify(sorted(named)) !== JSON.stringify(sorted(segments)))
      throw new Error('the manifest names other segments than those that were pushed');
    this.#state.manifest = manifest;
    if (this.#staging.crashAt === 'sealed') this.crash();
  }

  async commit(o: Sig): Promise<void> {
    try {
      await this.#commit(o);
    } catch (error) {
      this.#failure = HoldfastError.from(error);
      throw error;
    }
  }

  async #commit(o: Sig): Promise<void> {
    await misbehave(this.#staging.faults.commit, 'committing', o);
    this.signal.throwIfAborted();
    const { run, manifest } = this.#state;
    if (!manifest) throw new Error('a run is committed before it was sealed');
    await Promise.all(this.#pushes);
    const name = manifestName(run.sequence, run.scope);
    const sha256 = createHash('sha256').update(manifest).digest('hex');
    for (const destination of this.#destinations)
      await this.#write(destination, name, manifest, { sizeBytes: manifest.length, sha256 });
    if (this.#staging.crashAt === 'manifest-stored') this.crash();
    this.signal.throwIfAborted();
    await misbehave(this.#staging.faults.confirm, 'reading the manifest back', o);
    this.#committed = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#pushes);
    if (this.#crashed || this.#disposed) return;
    this.#disposed = true;
    // A backup that is at a destination can only be finished, by the next run; so is one whose commit may yet succeed.
    const exists = this.#state.stored.some(({ key }) => key.endsWith('.manifest.json'));
    const passes = this.#failure?.retryable || this.#failure?.code === 'cancelled';
    this.survives = this.#committed || exists || (passes && this.#state.manifest !== undefined);
    if (!this.#committed && this.survives) return;
    this.#over();
    rmSync(this.directory, { recursive: true, force: true });
    if (this.#committed) return;
    const { signal } = new AbortController();
    for (const { destination, key } of this.#state.stored) await destination.delete(key, { signal });
  }
}

function sorted(segments: readonly SegmentEntry[]): readonly SegmentEntry[] {
  return segments
    .map(({ name, bytes, sha256 }) => ({ name, bytes, sha256 }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}
