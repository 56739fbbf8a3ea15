import {
  type ChangeView,
  type Finding,
  type FrozenView,
  HoldfastError,
  type Mark,
  type OpenFull,
  type OpenIncremental,
  type OpenTarget,
  type RestoreTarget,
  type Sig,
  type Source,
  type SourceFeatures,
  type SourceIdentity,
  type SourceInfo,
} from '@holdfast/core';
import { MemoryDatabase } from './memory-database.ts';
import { type MemoryFault, misbehave } from './memory-source-worker.ts';
import { MemoryTarget } from './memory-target.ts';
import {
  fullChunks,
  imageChunks,
  MemoryChangeView,
  type MemoryState,
  MemoryView,
  type MemoryViewOptions,
  stateOf,
} from './memory-view.ts';

export interface MemorySourceOptions extends Partial<Omit<MemoryViewOptions, 'faults'>> {
  /**
   * What goes wrong, by verb (`inspect`, `openFull`, `openIncremental`, `changes`, `settle`, `acknowledge`,
   * `forgetChanges`, `openTarget`, `target.create`, …) or by the path of the chunk that is read or loaded.
   */
  readonly faults?: Record<string, MemoryFault>;
  /** Restore targets are left as they are when they are disposed, as by a killed process. */
  readonly crashes?: boolean;
}

/**
 * A database in memory under the contract of sources: whole backups and restores in milliseconds, also from worker
 * threads. Faults may be added to and removed from `faults` at any time.
 */
export class MemorySource implements Source {
  readonly type = 'memory';
  readonly features: SourceFeatures = { types: ['logical', 'snapshot'], pointInTime: true };
  readonly description: string;
  readonly database: MemoryDatabase;
  readonly faults: Record<string, MemoryFault>;
  unmetForFull: readonly Finding[] = [];
  unmetForIncremental: readonly Finding[] = [];
  /** Each call of a verb that changes something in the database, in order. */
  readonly calls: string[] = [];
  readonly #options: Required<Omit<MemoryViewOptions, 'faults'>>;
  readonly #crashes: boolean;

  constructor(database: MemoryDatabase = new MemoryDatabase(), options: MemorySourceOptions = {}) {
    this.database = database;
    this.description = `memory:${database.name}`;
    this.faults = options.faults ?? {};
    this.#crashes = options.crashes ?? false;
    const { blockBytes = 65_536, chunkRows = 1000, ranges = 4 } = options;
    this.#options = { blockBytes, chunkRows, ranges };
  }

  get #identity(): SourceIdentity {
    const { identity, name } = this.database;
    return { type: 'memory', identity, name, version: '1' };
  }

  get #viewOptions(): MemoryViewOptions {
    return { ...this.#options, faults: { ...this.faults } };
  }

  async inspect(o: Sig): Promise<SourceInfo> {
    await this.#call('inspect', o);
    const rows = [...this.database.tables.values()].reduce((sum, table) => sum + table.rows.size, 0);
    return {
      ...this.#identity,
      sizeBytes: rows * 100,
      tables: this.database.tables.size,
      folders: [],
      unmetForFull: this.unmetForFull,
      unmetForIncremental: this.unmetForIncremental,
    };
  }

  async openFull(o: Sig & OpenFull): Promise<FrozenView> {
    await this.#call('openFull', o);
    const { database } = this;
    if (o.keepChanges) database.keepers.set(o.label, database.position);
    const state = o.keepChanges ? stateOf(database, o.label) : null;
    const options = this.#viewOptions;
    const chunks = o.type === 'snapshot' ? imageChunks(database) : fullChunks(database, options);
    return new MemoryView({ mark: database.mark, source: this.#identity, state }, chunks, options);
  }

  async openIncremental(o: Sig & OpenIncremental): Promise<ChangeView> {
    await this.#call('openIncremental', o);
    const state = o.state as MemoryState;
    const kept = this.database.keepers.get(state.label);
    if (kept === undefined || kept > Number(o.since.position))
      throw new HoldfastError(
        'precondition_failed',
        `continuity lost: the changes since ${o.since.position} are not kept any more`,
        { hint: 'make a full backup' },
      );
    const since = { since: o.since.position, state, source: this.#identity };
    return new MemoryChangeView(this.database, since, this.#viewOptions);
  }

  async acknowledge(o: Sig & { readonly state: unknown; readonly mark: Mark }): Promise<void> {
    await this.#call('acknowledge', o);
    const { label } = o.state as MemoryState;
    const { keepers } = this.database;
    const kept = keepers.get(label);
    if (kept === undefined) return;
    keepers.set(label, Math.max(kept, Number(o.mark.position)));
    this.database.trim();
  }

  async forgetChanges(o: Sig & ({ readonly label: string } | { readonly state: unknown })): Promise<void> {
    await this.#call('forgetChanges', o);
    this.database.keepers.delete('label' in o ? o.label : (o.state as MemoryState).label);
    this.database.trim();
  }

  async prepare(o: Sig): Promise<readonly string[]> {
    await this.#call('prepare', o);
    return [];
  }

  async forget(o: Sig): Promise<readonly string[]> {
    await this.#call('forget', o);
    const labels = [...this.database.keepers.keys()];
    this.database.keepers.clear();
    this.database.trim();
    return labels.map((label) => `the changes kept for ${label}`);
  }

  async diagnose(o: Sig): Promise<readonly Finding[]> {
    await this.#call('diagnose', o);
    return [{ check: 'access', ok: true, severity: 'info', message: 'the database can be read' }];
  }

  async openTarget(o: Sig & OpenTarget): Promise<RestoreTarget> {
    await this.#call('openTarget', o);
    if (this.database.restoring !== undefined)
      throw new HoldfastError(
        'conflict',
        `restore ${this.database.restoring} into ${this.description} is not over after ${o.startTimeoutMs} ms`,
      );
    const { blockBytes } = this.#options;
    return new MemoryTarget(this.database, o, {
      blockBytes,
      faults: { ...this.faults },
      crashes: this.#crashes,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  #call(verb: string, o: Sig): Promise<void> {
    this.calls.push(verb);
    return misbehave(this.faults[verb], verb, o);
  }
}
