import {
  type ChangesResult,
  type ChangeView,
  type ChunkPlan,
  type DriverToken,
  type FrozenView,
  HoldfastError,
  type Mark,
  type ReadResult,
  type SettledChanges,
  type Sig,
  type SourceIdentity,
} from '@holdfast/core';
import {
  keyOf,
  type LoggedChange,
  type MemoryDatabase,
  type MemoryShape,
  type MemoryTable,
  rowTexts,
} from './memory-database.ts';
import {
  inBlocks,
  type MemoryFault,
  MemoryReader,
  misbehave,
  type ReaderToken,
} from './memory-source-worker.ts';

const workerModule = new URL('./memory-source-worker.ts', import.meta.url).href;

export interface MemoryViewOptions {
  readonly blockBytes: number;
  /** A table's rows come in chunks of this many. */
  readonly chunkRows: number;
  /** A compared table's rows come in this many chunks, told apart by their keys. */
  readonly ranges: number;
  readonly faults: Readonly<Record<string, MemoryFault>>;
}

/** The `state` of a backup that keeps changes. */
export interface MemoryState {
  readonly label: string;
  /** The shape of each table by path. */
  readonly tables: Readonly<Record<string, number>>;
}

export function stateOf(database: MemoryDatabase, label: string): MemoryState {
  const tables = [...database.tables].map(([path, { shape }]): [string, number] => [path, shape]);
  return { label, tables: Object.fromEntries(tables) };
}

export class MemoryView implements FrozenView {
  readonly mark: Mark;
  readonly source: SourceIdentity;
  readonly chunks: readonly ChunkPlan[];
  readonly token: DriverToken;
  readonly state: unknown;
  readonly notices: readonly string[] = [];
  readonly #reader: MemoryReader;

  constructor(
    o: { readonly mark: Mark; readonly source: SourceIdentity; readonly state: MemoryState | null },
    chunks: ReadonlyMap<ChunkPlan, string>,
    options: MemoryViewOptions,
  ) {
    this.mark = o.mark;
    this.source = o.source;
    this.state = o.state;
    this.chunks = [...chunks.keys()];
    const lines = [...chunks].map(([{ path }, text]): [string, string] => [path, text]);
    const { blockBytes, faults } = options;
    const data: ReaderToken = { chunks: Object.fromEntries(lines), blockBytes, faults };
    this.token = { module: workerModule, data };
    this.#reader = new MemoryReader(data);
  }

  read(chunk: ChunkPlan, o: Sig): AsyncGenerator<Uint8Array, ReadResult, void> {
    return this.#reader.read(chunk, o);
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

/** Everything of a database, as chunks and their lines. */
export function fullChunks(database: MemoryDatabase, options: MemoryViewOptions): Map<ChunkPlan, string> {
  const chunks = commonChunks(database, false);
  for (const table of database.tables.values()) addRows(chunks, table, options);
  return chunks;
}

/** A snapshot: all tables as bytes. */
export function imageChunks(database: MemoryDatabase): Map<ChunkPlan, string> {
  const tables = [...database.tables.values()].map(({ rows, ...shape }) => ({ ...shape, rows: [...rows] }));
  const image = JSON.stringify({ tables, sequences: [...database.sequences] });
  const plan = planOf('/image', 'image', image.length, { local: true });
  return new Map([...commonChunks(database, false), [plan, Buffer.from(image).toString('latin1')]]);
}

function commonChunks(database: MemoryDatabase, compare: boolean): Map<ChunkPlan, string> {
  const tables = [...database.tables.values()];
  const schema = tables.map(({ path, columns, key, by }) =>
    JSON.stringify(['pre-data', 'TABLE', path, JSON.stringify({ columns, key, by })]),
  );
  const sequences = [...database.sequences].map((sequence) => JSON.stringify(sequence));
  return new Map([
    [planOf('/schema', 'schema', 1000, { local: true, compare }), lines(schema)],
    [planOf('/sequences', 'special', 100, { compare }), lines(sequences)],
  ]);
}

function addRows(chunks: Map<ChunkPlan, string>, table: MemoryTable, options: MemoryViewOptions): void {
  const { path, columns, by } = table;
  const add = (range: string, rows: readonly string[], compare: boolean): void => {
    const text = lines(rows);
    chunks.set({ ...planOf(path + range, 'rows', text.length, { compare }), columns }, text);
  };
  const rows = rowTexts(table);
  if (by === 'compare') {
    const ranges = Array.from({ length: options.ranges }, (): string[] => []);
    for (const row of table.rows.values()) {
      const key = keyOf(table, row);
      const sum = [...key].reduce((total, letter) => total + letter.charCodeAt(0), 0);
      ranges[sum % options.ranges]?.push(`[${row.join(',')}]`);
    }
    for (const [number, range] of ranges.entries()) add(`/@${number}`, range, true);
  } else if (rows.length <= options.chunkRows) add('', rows, false);
  else {
    for (let from = 0; from < rows.length; from += options.chunkRows)
      add(`/@${from}`, rows.slice(from, from + options.chunkRows), false);
  }
}

function planOf(
  path: string,
  kind: ChunkPlan['kind'],
  estimatedBytes: number,
  o: { readonly local?: boolean; readonly compare?: boolean },
): ChunkPlan {
  const { local = false, compare = false } = o;
  return { path, kind, columns: [], estimatedBytes, local, compare, how: null };
}

function lines(rows: readonly string[]): string {
  return rows.map((row) => `${row}\n`).join('');
}

/** The changes since a position, and what cannot be told by changes: under a view that was frozen when it was opened. */
export class MemoryChangeView implements ChangeView {
  readonly #log: MemoryDatabase['log'];
  readonly #settled: SettledChanges;
  readonly #options: MemoryViewOptions;
  #read = false;

  constructor(
    database: MemoryDatabase,
    o: { readonly since: string; readonly state: MemoryState; readonly source: SourceIdentity },
    options: MemoryViewOptions,
  ) {
    this.#options = options;
    this.#log = database.log.filter(({ position }) => position > Number(o.since));
    const touched = new Set(this.#log.flatMap(({ changes }) => changes.map(({ table }) => table)));
    const keyless = new Set([...touched].filter(({ key }) => key.length === 0).map(({ path }) => path));
    const before = o.state.tables;
    const replaced: string[] = [];
    const chunks = commonChunks(database, true);
    for (const table of database.tables.values()) {
      const isReplaced = before[table.path] !== table.shape || keyless.has(table.path);
      if (isReplaced) replaced.push(table.path);
      if (isReplaced || table.by === 'compare') addRows(chunks, table, options);
    }
    // Also what was made and dropped in between: its changes are in the log, and belong to nothing.
    const known = new Set([...Object.keys(before), ...[...touched].map(({ path }) => path)]);
    const dropped = [...known].filter((path) => !database.tables.has(path));
    const state = stateOf(database, o.state.label);
    const changed = this.#logged.length + replaced.length + dropped.length > 0;
    const view = new MemoryView({ mark: database.mark, source: o.source, state }, chunks, options);
    this.#settled = { view, replaced, dropped, changed };
  }

  /** What is written of the log: commits whose tables are all compared or keyless have nothing to tell. */
  get #logged(): MemoryDatabase['log'] {
    return this.#log.filter(({ changes }) => changes.some(({ table }) => isLogged(table)));
  }

  async *changes(o: Sig): AsyncGenerator<Uint8Array, ChangesResult, void> {
    const fault = this.#options.faults.changes;
    const out: string[] = [];
    const tables: Record<string, number> = {};
    const numbers = new Map<number, number>();
    for (const { position, timeMs, changes } of this.#logged) {
      out.push('["begin"]');
      for (const change of changes) {
        const { table } = change;
        if (!isLogged(table)) continue;
        if (!numbers.has(table.shape)) {
          const columns = table.columns.map(({ name }) => name);
          out.push(JSON.stringify(['relation', numbers.size, table.path, columns, table.key]));
          numbers.set(table.shape, numbers.size);
        }
        tables[table.path] = (tables[table.path] ?? 0) + 1;
        out.push(changeText(change, numbers.get(table.shape) ?? -1));
      }
      out.push(JSON.stringify(['commit', String(position), timeMs]));
    }
    const sent = fault === 'short' ? out.slice(0, -1) : out;
    yield* inBlocks(Buffer.from(lines(sent)), this.#options.blockBytes, o.signal);
    await misbehave(fault, 'reading changes', o);
    this.#read = true;
    return { rows: fault === 'lie' ? out.length + 1 : out.length, tables };
  }

  async settle(o: Sig): Promise<SettledChanges> {
    await misbehave(this.#options.faults.settle, 'settling', o);
    if (!this.#read) throw new HoldfastError('internal', 'settle was called before all changes were read');
    return this.#settled;
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

function isLogged(table: MemoryShape): boolean {
  return table.key.length > 0 && table.by === 'log';
}

function changeText({ verb, key, row }: LoggedChange, number: number): string {
  const parts = [JSON.stringify(verb), String(number)];
  if (verb === 'update') parts.push(key ? `[${key.join(',')}]` : 'null');
  if (verb === 'delete') parts.push(`[${key?.join(',')}]`);
  if (row) parts.push(`[${row.join(',')}]`);
  return `[${parts.join(',')}]`;
}
