import type {
  ChangeView,
  ChunkPlan,
  ChunkReader,
  Column,
  FrozenView,
  ReadResult,
  SettledChanges,
  Sig,
  Source,
  SourceWorkerModule,
} from '@holdfast/core';
import { HoldfastError, relationOf } from '@holdfast/core';
import { expect } from 'vitest';

export const { signal: never } = new AbortController();

/** The code of what a call rejects with; the reason of an abort may come as it is. */
export async function codeOf(calling: Promise<unknown>): Promise<string> {
  return await calling.then(
    () => 'no error',
    (error: unknown) => HoldfastError.from(error).code,
  );
}

/** The lines of each relation, by path, as they are read. */
export type Rows = Map<string, { readonly columns: readonly Column[]; readonly lines: string[] }>;

/** Reads one chunk whole; what is yielded is copied at once, because its buffer may be used again. */
export async function readChunk(
  reader: ChunkReader,
  plan: ChunkPlan,
  o: Sig = { signal: never },
): Promise<string[]> {
  const parts: Buffer[] = [];
  const blocks = reader.read(plan, o);
  let result: ReadResult | undefined;
  while (!result) {
    const next = await blocks.next();
    if (next.done) result = next.value;
    else parts.push(Buffer.from(next.value));
  }
  const text = Buffer.concat(parts).toString('utf8');
  expect(text === '' || text.endsWith('\n'), `the last line of ${plan.path} is not ended`).toBe(true);
  const lines = text.split('\n').slice(0, -1);
  expect(result.rows, `the rows of ${plan.path}`).toBe(lines.length);
  return lines;
}

/** A reader as a worker thread opens it: from nothing but a clone of the token. */
export async function openReader(view: Pick<FrozenView, 'token'>): Promise<ChunkReader> {
  const token = structuredClone(view.token);
  const module = (await import(token.module)) as SourceWorkerModule;
  return module.openReader(token.data, { signal: never });
}

/** All rows of a view; chunks that other threads may read are read through its token. */
export async function readRows(view: FrozenView): Promise<Rows> {
  await using reader = await openReader(view);
  const rows: Rows = new Map();
  for (const plan of structuredClone(view.chunks)) {
    const lines = await readChunk(plan.local ? view : reader, plan);
    if (plan.kind !== 'rows') continue;
    const path = relationOf(plan.path);
    const known = rows.get(path) ?? { columns: plan.columns, lines: [] };
    rows.set(path, known);
    known.lines.push(...lines);
  }
  return rows;
}

/** A full backup's rows, with nothing kept. */
export async function fullRows(source: Source): Promise<Rows> {
  await using view = await source.openFull({
    type: 'logical',
    keepChanges: false,
    label: 'contract_once',
    signal: never,
  });
  return await readRows(view);
}

/** A row as harnesses print it: its values as texts or nulls. */
export function printed(line: string): string {
  const values = JSON.parse(line) as unknown[];
  const text = (value: unknown): string | null => {
    if (value === null) return null;
    return typeof value === 'object' ? JSON.stringify(value) : String(value);
  };
  return JSON.stringify(values.map(text));
}

/** The rows of a relation, printed and sorted. */
export function printedRows(rows: Rows, path: string): string[] {
  return (rows.get(path)?.lines ?? []).map(printed).sort();
}

export interface ReadChanges {
  readonly lines: readonly string[];
  readonly tables: Readonly<Record<string, number>>;
}

export async function readChanges(view: ChangeView): Promise<ReadChanges> {
  const parts: Buffer[] = [];
  const blocks = view.changes({ signal: never });
  for (;;) {
    const next = await blocks.next();
    if (!next.done) {
      parts.push(Buffer.from(next.value));
      continue;
    }
    const text = Buffer.concat(parts).toString('utf8');
    expect(text === '' || text.endsWith('\n'), 'the last line of changes is not ended').toBe(true);
    const lines = text.split('\n').slice(0, -1);
    expect(next.value.rows, 'lines of changes').toBe(lines.length);
    return { lines, tables: next.value.tables };
  }
}

/** What an incremental makes of rows: its changes, then what it voids, then its chunks; compared ones replace. */
export async function advance(before: Rows, changes: ReadChanges, settled: SettledChanges): Promise<Rows> {
  const rows = fold(before, changes.lines);
  const under = (path: string, gone: string): boolean => path === gone || path.startsWith(`${gone}/`);
  const compared = settled.view.chunks
    .filter(({ kind, compare }) => kind === 'rows' && compare)
    .map(({ path }) => path);
  for (const gone of [...settled.replaced, ...settled.dropped, ...compared.map(relationOf)]) {
    for (const path of rows.keys()) if (under(path, gone)) rows.delete(path);
  }
  for (const [path, one] of await readRows(settled.view)) rows.set(path, one);
  return rows;
}

type Values = readonly unknown[];

interface Relation {
  readonly path: string;
  readonly keyAt: readonly number[];
  readonly rows: Map<string, Values>;
}

/** The simplest fold there is: everything in memory, values parsed. */
function fold(before: Rows, lines: readonly string[]): Rows {
  const relations = new Map<number, Relation>();
  const contents = new Map<string, { columns: readonly Column[]; rows: Map<string, Values> }>();
  for (const line of lines) {
    const [verb, number, third, fourth] = JSON.parse(line) as [string, number, unknown, unknown];
    if (verb === 'begin' || verb === 'commit') continue;
    if (verb === 'relation') {
      const [, , path, columns, key] = JSON.parse(line) as [string, number, string, string[], string[]];
      const keyAt = key.map((name) => columns.indexOf(name));
      const base = before.get(path);
      const content = contents.get(path) ?? {
        columns: base?.columns ?? columns.map((name) => ({ name, type: '' })),
        rows: new Map(
          base?.lines.map((row) => JSON.parse(row) as Values).map((row) => [keyOf(row, keyAt), row]),
        ),
      };
      contents.set(path, content);
      relations.set(number, { path, keyAt, rows: content.rows });
      continue;
    }
    const relation = relations.get(number);
    if (!relation) throw new Error(`${line} names a relation that was not declared`);
    apply(relation, verb, third as Values | null, fourth as Values);
  }
  const after: Rows = new Map([...before].map(([path, one]) => [path, { ...one, lines: [...one.lines] }]));
  for (const [path, { columns, rows }] of contents)
    after.set(path, { columns, lines: [...rows.values()].map((row) => JSON.stringify(row)) });
  return after;
}

function apply({ rows, keyAt }: Relation, verb: string, third: Values | null, fourth: Values): void {
  if (verb === 'truncate') rows.clear();
  if (verb === 'insert') rows.set(keyOf(third ?? [], keyAt), third ?? []);
  if (verb === 'delete') expect(rows.delete(JSON.stringify(third)), `a row to delete: ${third}`).toBe(true);
  if (verb !== 'update') return;
  const key = third ? JSON.stringify(third) : keyOf(fourth, keyAt);
  const old = rows.get(key);
  expect(old, `a row to update: ${key}`).toBeDefined();
  rows.delete(key);
  const row = fourth.map((value, at) => (JSON.stringify(value) === '{}' ? old?.[at] : value));
  rows.set(keyOf(row, keyAt), row);
}

function keyOf(row: Values, keyAt: readonly number[]): string {
  return JSON.stringify(keyAt.map((at) => row[at]));
}
