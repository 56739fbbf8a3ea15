/** A small world in which whole backups and restores take milliseconds. */
import { mkdirSync } from 'node:fs';
import { type Destination, HoldfastError, type RunEvent } from '@holdfast/core';
import {
  FakeClock,
  MemoryDatabase,
  MemoryDestination,
  MemorySource,
  type MemorySourceOptions,
  MemoryStaging,
  type TemporaryFolder,
  temporaryFolder,
} from '@holdfast/testing';
import type { BackupReport, BackupRequest, BackupTools, RestoreReport, RestoreRequest } from './api.ts';
import { backup } from './backup/backup.ts';
import { check } from './check/check.ts';
import { restore } from './restore/restore.ts';

export const { signal: never } = new AbortController();

export class World implements AsyncDisposable {
  readonly clock = new FakeClock({ jumps: true });
  readonly database: MemoryDatabase;
  readonly source: MemorySource;
  readonly destination = new MemoryDestination();
  readonly staging: MemoryStaging;
  readonly folder: TemporaryFolder;
  readonly events: RunEvent[] = [];

  constructor(folder: TemporaryFolder, options: MemorySourceOptions) {
    this.folder = folder;
    this.database = new MemoryDatabase();
    this.source = new MemorySource(this.database, options);
    this.staging = new MemoryStaging(folder.join('staging'));
    mkdirSync(folder.join('spill'));
  }

  /** Every object that is stored, by key. */
  get keys(): string[] {
    return this.destination.objects
      .list()
      .map(({ key }) => key)
      .sort();
  }

  tools(over: Partial<BackupTools> = {}): BackupTools {
    return {
      clock: this.clock,
      observer: (event) => this.events.push(event),
      workersMax: 2,
      source: this.source,
      destinations: [this.destination],
      staging: this.staging,
      ...over,
    };
  }

  /** A second of the node's clock passes before each: chains are named by it. */
  async backup(
    request: Partial<BackupRequest> = {},
    tools: Partial<BackupTools> = {},
    signal = never,
  ): Promise<BackupReport> {
    await this.clock.advance(1000);
    return backup(backupRequest(request), this.tools(tools), { signal });
  }

  /** Restores into a database of its own. */
  async restore(
    request: Partial<RestoreRequest> = {},
    o: {
      readonly target?: MemorySource;
      readonly destination?: Destination;
      readonly signal?: AbortSignal;
    } = {},
  ): Promise<{ readonly database: MemoryDatabase; readonly report: RestoreReport }> {
    const target = o.target ?? new MemorySource(new MemoryDatabase('restored'), { blockBytes: 7 });
    const report = await restore(
      { noOwner: false, verify: true, startTimeoutMs: 0, ...request },
      {
        clock: this.clock,
        observer: (event) => this.events.push(event),
        workersMax: 2,
        destination: o.destination ?? this.destination,
        target,
        spillDirectory: this.folder.join('spill'),
      },
      { signal: o.signal ?? never },
    );
    return { database: target.database, report };
  }

  check(...paths: string[]): ReturnType<typeof check> {
    const { clock, destination } = this;
    return check({ paths }, { clock, destination, workersMax: 2, observer: () => {} }, { signal: never });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.folder[Symbol.asyncDispose]();
  }
}

export async function openWorld(options: MemorySourceOptions = {}): Promise<World> {
  return new World(await temporaryFolder('holdfast-engine'), options);
}

export function backupRequest(request: Partial<BackupRequest> = {}): BackupRequest {
  return {
    task: 'shop',
    scope: 'auto',
    type: 'logical',
    node: 'node-a',
    generation: 1,
    newSource: false,
    ...request,
  };
}

/** The error that a promise rejects with. */
export async function errorOf(promise: Promise<unknown>): Promise<HoldfastError> {
  try {
    await promise;
  } catch (error) {
    return HoldfastError.from(error);
  }
  throw new Error('it did not fail');
}
