import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Destination,
  HoldfastError,
  type KeptLabel,
  type Observer,
  type RememberedLabel,
  type Sig,
} from '@holdfast/core';
import { makeFolders, readJson, writeDurably } from './durable-file.ts';
import { systemCode } from './errors.ts';
import { RunFolder } from './run-folder.ts';

export interface KeptLabelsOptions {
  /** The staging root. */
  readonly root: string;
  readonly observer: Observer;
  /** Runs a step while no other process looks for runs or changes these records; says what was done when it fails. */
  readonly locked: <T>(action: string, act: () => Promise<T>, o: Sig) => Promise<T>;
}

/** What a record says. */
interface KeptRecord extends Omit<KeptLabel, 'task'> {
  readonly format: 1;
  /** Descriptions. */
  readonly destinations: readonly string[];
}

const keptFolder = '.kept';
const folderMode = 0o700;
const fileName = /^([a-z0-9_]{1,40})\.json$/;
const remains = /\.json\.tmp-/;

/** `<root>/<task>/.kept/<label>.json`: what sources may keep for a task's chains. */
export class KeptLabels {
  readonly #o: KeptLabelsOptions;

  constructor(options: KeptLabelsOptions) {
    this.#o = options;
  }

  async remember(kept: KeptLabel, destinations: readonly Destination[], o: Sig): Promise<void> {
    const { task, label, chain, identity } = kept;
    const path = this.#pathOf(task, label);
    const all = destinations.map(({ description }) => description);
    const record: KeptRecord = { format: 1, label, chain, identity, destinations: all };
    await this.#o.locked(
      'write to',
      async () => {
        await makeFolders(this.#folderOf(task), folderMode);
        await writeDurably(path, JSON.stringify(record));
      },
      o,
    );
  }

  async list(
    task: string,
    destinations: readonly Destination[],
    o: Sig,
  ): Promise<readonly RememberedLabel[]> {
    return this.#o.locked(
      'look through',
      async () => {
        const names = await namesIn(this.#folderOf(task));
        if (names.length === 0) return [];
        const runs = await this.#runsOf(task);
        const found: RememberedLabel[] = [];
        for (const name of names.sort()) {
          const one = await this.#look(task, name, { destinations, runs });
          if (one) found.push(one);
        }
        return found;
      },
      o,
    );
  }

  async release(task: string, label: string, o: Sig): Promise<void> {
    const path = this.#pathOf(task, label);
    // That a crash may bring it back is no harm: ending the same twice is no error.
    await this.#o.locked('clean up', () => rm(path, { force: true }), o);
  }

  async #look(
    task: string,
    name: string,
    { destinations, runs }: { destinations: readonly Destination[]; runs: readonly RunFolder[] },
  ): Promise<RememberedLabel | undefined> {
    const path = join(this.#folderOf(task), name);
    const label = fileName.exec(name)?.[1];
    if (label === undefined) {
      // Whoever writes one has the lock: this one was killed.
      if (remains.test(name)) await rm(path, { force: true });
      return undefined;
    }
    const record = await readRecord(path);
    if (!record) {
      const text = `${path} is damaged: what it says is kept in the source is ended after the next full backup`;
      this.#o.observer({ kind: 'notice', text });
      return { label, mayBeElsewhere: true };
    }
    const { chain, identity } = record;
    const isHere = (wanted: string): boolean =>
      destinations.some(({ description }) => description === wanted);
    if (!record.destinations.some(isHere)) return undefined;
    const own = runs.filter(({ record: { run } }) => run.chain === chain);
    if (own.some((folder) => folder.isLive())) return undefined;
    const mayBeElsewhere = own.length > 0 || !record.destinations.every(isHere);
    return { task, label, chain, identity, mayBeElsewhere };
  }

  async #runsOf(task: string): Promise<RunFolder[]> {
    const found: RunFolder[] = [];
    for (const name of await namesIn(join(this.#o.root, task))) {
      const folder = name.startsWith('.') ? undefined : await RunFolder.open(join(this.#o.root, task, name));
      if (folder) found.push(folder);
    }
    return found;
  }

  #folderOf(task: string): string {
    return join(this.#o.root, task, keptFolder);
  }

  #pathOf(task: string, label: string): string {
    const name = `${label}.json`;
    if (!fileName.test(name)) throw new HoldfastError('internal', `${JSON.stringify(label)} is no label`);
    return join(this.#folderOf(task), name);
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  }
}

async function readRecord(path: string): Promise<KeptRecord | undefined> {
  const record = (await readJson(path)) as Partial<KeptRecord> | undefined;
  if (record?.format !== 1 || !Array.isArray(record.destinations)) return undefined;
  if (typeof record.chain !== 'string' || typeof record.identity !== 'string') return undefined;
  return record as KeptRecord;
}
