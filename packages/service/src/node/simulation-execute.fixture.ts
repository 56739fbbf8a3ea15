/** How a simulation carries out runs and copies: with the real engine, on places that fail, in a process that may die. */
import { type Destination, HoldfastError } from '@holdfast/core';
import { withRetries } from '@holdfast/destinations/wrap';
import { backup, copy } from '@holdfast/engine';
import { failing, type MemoryDestination, MemorySource, type Script } from '@holdfast/testing';
import { type DestinationAddress, placeOfAddress } from '../open.ts';
import type { BackupRun, CopyRun } from '../run-request.ts';
import { copiesMax } from './catch-up.ts';
import type { ExecuteCopy } from './copy-job.ts';
import type { Execute, ExecuteOptions } from './runner.ts';
import { type Fate, mortalSource, type ShopDatabase, WayTo } from './simulation-places.fixture.ts';
import { forEver, type LifeClock, pick, type Random } from './simulation-time.fixture.ts';
import { illnessOf, OneAtATime } from './simulation-work.fixture.ts';

export type PlaceName = 'near' | 'far';

export interface WorkshopOptions {
  readonly databases: Readonly<Record<'shop' | 'crm', ShopDatabase>>;
  readonly destinations: Readonly<Record<PlaceName, MemoryDestination>>;
  readonly limits: { readonly runs: number; readonly perSource: number };
  readonly isDown: (name: PlaceName) => boolean;
  readonly hasFaults: () => boolean;
  readonly runningOf: (task: string) => string | undefined;
  readonly random: (what: string) => Random;
  readonly note: (text: string) => void;
  readonly count: (what: string) => void;
  readonly fail: (error: Error) => void;
}

/** What belongs to one life of the node. */
export interface Process {
  readonly fate: Fate;
  readonly clock: LifeClock;
}

export class Workshop {
  readonly #o: WorkshopOptions;
  /** Runs at work, with their sources. */
  readonly #runs = new Map<string, string>();
  /** Copies at work: the destination, and the task. */
  readonly #copies = new Map<PlaceName, string>();
  #copiesCount = 0;

  constructor(options: WorkshopOptions) {
    this.#o = options;
  }

  isExecuting(run: string): boolean {
    return this.#runs.has(run);
  }

  /** Nobody of the process that died works any more. */
  forgetAll(): void {
    this.#runs.clear();
    this.#copies.clear();
  }

  async backup(run: BackupRun, o: ExecuteOptions, { fate, clock }: Process): ReturnType<Execute> {
    const { databases, hasFaults, runningOf, note } = this.#o;
    const { task } = run.request;
    const id = runningOf(task) ?? task;
    const source = run.from.slice(run.from.lastIndexOf('/') + 1) as 'shop' | 'crm';
    this.#begin(id, task, source);
    const random = this.#o.random(`run/${id}`);
    const ill = hasFaults() && random() < 0.3 ? illnessOf(random) : {};
    if (Object.keys(ill).length > 0) note(`${id} will meet ${JSON.stringify(ill)}`);
    const unlucky = pick(random, run.to);
    const destinations = run.to.map((address) =>
      this.#wayTo(address, { fate, clock, of: id, ...(address === unlucky && ill) }),
    );
    const { require = 'all', late = 'wait', staging = '' } = run;
    const area = new OneAtATime({ directory: staging, clock, observer: o.observer, require, late });
    const database = databases[source].database;
    try {
      await fate.pass(`begin ${id}`, o.signal);
      return await backup(
        run.request,
        {
          clock,
          observer: o.observer,
          workersMax: 1,
          source: mortalSource(new MemorySource(database, { faults: ill.source ?? {} }), fate),
          destinations,
          staging: area,
        },
        { signal: o.signal },
      );
    } finally {
      if (!fate.dead) this.#runs.delete(id);
      else await forEver();
    }
  }

  async copy(run: CopyRun, o: ExecuteOptions, { fate, clock }: Process): ReturnType<ExecuteCopy> {
    const { hasFaults, note, count } = this.#o;
    const { task } = run.request;
    const name = nameOf(run.to);
    const other = this.#copies.get(name);
    if (other !== undefined) throw this.#broken(`${name} is copied to for ${other} and ${task} at once`);
    if (this.#copies.size >= copiesMax) throw this.#broken('more copies at once than are allowed');
    this.#copies.set(name, task);
    const of = `copy ${++this.#copiesCount} of ${task} to ${name}`;
    const random = this.#o.random(of);
    const ill = hasFaults() && random() < 0.2 ? illnessOf(random) : {};
    note(`${of} begins: ${JSON.stringify(ill)}`);
    const area = new OneAtATime({ directory: run.staging ?? '', clock, observer: o.observer });
    try {
      const report = await copy(
        run.request,
        {
          clock,
          to: this.#wayTo(run.to, { fate, clock, of, ...ill }),
          from: run.from.map((address) => this.#wayTo(address, { fate, clock, of })),
          staging: area,
        },
        { signal: o.signal },
      );
      note(`${of} has brought ${report.backups.join()}: ${report.problems.join()}`);
      count('copies');
      return report;
    } catch (caught) {
      note(`${of} ends: ${HoldfastError.from(caught).message}`);
      throw caught;
    } finally {
      if (!fate.dead) this.#copies.delete(name);
      else await forEver();
    }
  }

  #begin(id: string, task: string, source: string): void {
    const { runs, perSource } = this.#o.limits;
    if (this.#runs.has(id)) throw this.#broken(`run ${id} is carried out twice`);
    if ([...this.#runs.keys()].some((other) => other.startsWith(`${task}-2`)))
      throw this.#broken(`two runs of ${task} at once`);
    const ofSource = [...this.#runs.values()].filter((other) => other === source);
    if (this.#runs.size >= runs || ofSource.length >= perSource)
      throw this.#broken(`more runs at once than are allowed: ${[...this.#runs.keys()].join()} and ${id}`);
    this.#runs.set(id, source);
  }

  #wayTo(
    address: DestinationAddress,
    o: Process & { readonly of: string; readonly destination?: Script; readonly halves?: number },
  ): Destination {
    const { destinations, isDown, random } = this.#o;
    const name = nameOf(address);
    const way = new WayTo(destinations[name], o.fate, () => isDown(name), o.halves);
    const place = failing(way, o.destination ?? {});
    return withRetries(place, { clock: o.clock, random: random(`retry/${o.of}/${name}`) });
  }

  #broken(text: string): Error {
    const error = new Error(text);
    this.#o.fail(error);
    return error;
  }
}

function nameOf(address: DestinationAddress): PlaceName {
  const { url } = placeOfAddress(address);
  return url.slice(url.lastIndexOf('/') + 1) as PlaceName;
}
