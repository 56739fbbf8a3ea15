import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type ChunkPlan,
  type Column,
  type DriverToken,
  type Finding,
  HoldfastError,
  type ImageChange,
  type OpenTarget,
  type RestoreTarget,
  relationOf,
  type SchemaStatement,
  type Sig,
} from '@holdfast/core';
import { keyOf, type MemoryDatabase, type MemoryRow, type MemoryTable } from './memory-database.ts';
import { MemoryImage } from './memory-image.ts';
import {
  type LoaderToken,
  linesByPath,
  type MemoryFault,
  misbehave,
  readLoads,
} from './memory-source-worker.ts';

const workerModule = new URL('./memory-source-worker.ts', import.meta.url).href;

export interface MemoryTargetOptions {
  readonly blockBytes: number;
  readonly faults: Readonly<Record<string, MemoryFault>>;
  /** Disposing leaves everything as it is, as when the process is killed. */
  readonly crashes: boolean;
}

/** A database in the making, kept in a folder until it is published. */
export class MemoryTarget implements RestoreTarget {
  readonly description: string;
  readonly problems: readonly Finding[];
  readonly loadersMax = 4;
  loaded: ReadonlyMap<string, number> = new Map();
  readonly #database: MemoryDatabase;
  readonly #open: OpenTarget;
  readonly #options: MemoryTargetOptions;
  readonly #sequences = new Map<string, number>();
  #tables = new Map<string, MemoryTable>();
  #image: MemoryImage | undefined;
  #folder: string | undefined;
  #published = false;

  constructor(database: MemoryDatabase, open: OpenTarget, options: MemoryTargetOptions) {
    this.#database = database;
    this.#open = open;
    this.#options = options;
    this.description = `memory:${database.name}`;
    this.problems = problemsOf(database, open);
    database.restoring = open.id;
  }

  async check(schema: readonly SchemaStatement[], o: Sig): Promise<readonly Finding[]> {
    await this.#call('target.check', o);
    return schema
      .filter(({ type }) => type !== 'TABLE')
      .map(({ type, name }) => finding('unsupported', `there is no ${type} in memory, ${name} needs one`));
  }

  async create(schema: readonly SchemaStatement[], o: Sig): Promise<void> {
    await this.#call('target.create', o);
    this.#tables = tablesOf(schema);
    const { unpublished } = this.#database;
    this.#folder = unpublished.get(this.#open.id) ?? mkdtempSync(join(tmpdir(), 'holdfast-memory-'));
    unpublished.set(this.#open.id, this.#folder);
    this.loaded = new Map(readLoads(this.#folder).map(({ id, rows }) => [id, rows]));
  }

  get token(): DriverToken {
    const { blockBytes, faults } = this.#options;
    const data: LoaderToken = { folder: this.#folder ?? '', blockBytes, faults };
    return { module: workerModule, data };
  }

  async loadImage(blocks: AsyncIterable<Uint8Array>, o: Sig): Promise<void> {
    await this.#call('target.loadImage', o);
    this.#image = await MemoryImage.read(blocks);
    this.#tables = this.#image.tables;
  }

  async applyOnImage(change: ImageChange, o: Sig): Promise<void> {
    await this.#call('target.applyOnImage', o);
    if (!this.#image) throw new HoldfastError('internal', 'there is no image to change');
    if (change.kind === 'schema') {
      const wanted = tablesOf(change.schema);
      for (const path of this.#tables.keys()) if (!wanted.has(path)) this.#tables.delete(path);
      for (const [path, table] of wanted) {
        this.#tables.set(path, { ...table, rows: this.#tables.get(path)?.rows ?? new Map() });
      }
    } else await this.#image.apply(change);
  }

  async loadSpecial(path: string, blocks: AsyncIterable<Uint8Array>, o: Sig): Promise<void> {
    await this.#call('target.loadSpecial', o);
    if (path !== '/sequences')
      throw new HoldfastError('unsupported', `${path} is nothing that is known here`);
    const parts: Buffer[] = [];
    for await (const block of blocks) parts.push(Buffer.from(block));
    for (const line of Buffer.concat(parts).toString('utf8').split('\n')) {
      if (line === '') continue;
      const [name, value] = JSON.parse(line) as [string, number];
      this.#sequences.set(name, value);
    }
  }

  async finish(o: Sig & { readonly progress: (ratio: number, what: string) => void }): Promise<void> {
    await this.#call('target.finish', o);
    if (!this.#image) for (const load of readLoads(this.#folder ?? '')) this.#take(load.path, load);
    o.progress(1, 'everything');
  }

  #take(path: string, load: { readonly columns: readonly string[]; readonly lines: string }): void {
    const table = this.#tables.get(relationOf(path));
    if (!table) throw new HoldfastError('source_failed', `rows for ${path}, which the schema does not have`);
    const rows = new Map(table.rows);
    const order = table.columns.map(({ name }) => load.columns.indexOf(name));
    if (order.includes(-1) || order.length !== load.columns.length)
      throw new HoldfastError('source_failed', `${path} has other columns than its rows`);
    for (const line of load.lines.split('\n')) {
      if (line === '') continue;
      const values = splitRow(line);
      const row = order.map((at) => values[at] ?? 'null');
      const key = table.key.length > 0 ? keyOf(table, row) : `#${rows.size}`;
      if (rows.has(key)) throw new HoldfastError('source_failed', `duplicate key ${key} in ${path}`);
      rows.set(key, row);
    }
    this.#tables.set(table.path, { ...table, rows });
  }

  async readBack(o: Sig): Promise<readonly ChunkPlan[]> {
    await this.#call('target.readBack', o);
    if (this.#image) return [];
    return Object.entries(linesByPath(this.#folder ?? '')).map(([path, lines]) => ({
      path,
      kind: 'rows',
      columns: this.#tables.get(path)?.columns ?? [],
      estimatedBytes: lines.length,
      local: false,
      compare: false,
      how: null,
    }));
  }

  async publish(o: Sig): Promise<void> {
    await this.#call('target.publish', o);
    for (const table of this.#tables.values()) {
      const { path, columns, key, by } = table;
      this.#database.createTable(path, { columns, key, by });
      this.#database.transaction((t) => t.insert(path, ...table.rows.values()));
    }
    for (const [name, value] of this.#image?.sequences ?? this.#sequences)
      this.#database.sequences.set(name, value);
    this.#published = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#database.restoring === this.#open.id) this.#database.restoring = undefined;
    if (this.#options.crashes && !this.#published) return;
    if (this.#folder) rmSync(this.#folder, { recursive: true, force: true });
    this.#database.unpublished.delete(this.#open.id);
  }

  #call(what: string, o: Sig): Promise<void> {
    return misbehave(this.#options.faults[what], what, o);
  }
}

function problemsOf(database: MemoryDatabase, { from }: OpenTarget): Finding[] {
  const problems: Finding[] = [];
  if (from.type !== 'memory')
    problems.push(finding('unsupported', `a backup of ${from.type} does not go into memory`));
  if (database.tables.size > 0)
    problems.push(finding('precondition_failed', `database ${database.name} is not empty`));
  return problems;
}

function finding(code: NonNullable<Finding['code']>, message: string): Finding {
  return { check: 'target', ok: false, severity: 'error', code, message, hint: 'choose another database' };
}

function tablesOf(schema: readonly SchemaStatement[]): Map<string, MemoryTable> {
  return new Map(
    schema.map(({ name, text }): [string, MemoryTable] => {
      const shape = JSON.parse(text) as { columns: Column[]; key: string[]; by: 'log' | 'compare' };
      return [name, { shape: 0, path: name, ...shape, rows: new Map() }];
    }),
  );
}

const value = /"(?:[^"\\]|\\.)*"|\{(?:"(?:[^"\\]|\\.)*"|[^"}])*\}|[^,]+/g;

/** The texts of a row's values: this fake's rows have strings, numbers, null and flat objects. */
function splitRow(line: string): MemoryRow {
  return [...line.slice(1, -1).matchAll(value)].map(([text]) => text);
}
