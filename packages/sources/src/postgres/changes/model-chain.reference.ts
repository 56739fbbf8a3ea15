import type { ChangeLine, ChunkPlan, FrozenView, KeepValue, Mark, Value } from '@holdfast/core';
import { isUnder, relationOf, SystemClock } from '@holdfast/core';
import { openFull } from '../full/open-full.ts';
import { parseTarget } from '../session/url.ts';
import { openChanges, type PostgresChangeView } from './change-view.ts';
import { acknowledgeChanges } from './upkeep.ts';

export const clock = new SystemClock();
const { signal } = new AbortController();

/** Rows of a table: JSON text of each. A table that is not there is not in the map. */
export type Tables = Map<string, string[]>;

/** What one incremental said. */
export interface Told {
  readonly lines: readonly ChangeLine[];
  readonly replaced: readonly string[];
  readonly dropped: readonly string[];
  readonly changed: boolean;
  readonly counts: Readonly<Record<string, number>>;
  readonly mark: Mark;
  readonly notices: readonly string[];
  readonly chunks: readonly string[];
}

async function linesOf(view: Pick<FrozenView, 'read'>, chunk: ChunkPlan): Promise<string[]> {
  const blocks: Buffer[] = [];
  const reading = view.read(chunk, { signal });
  for (;;) {
    const next = await reading.next();
    if (next.done) break;
    blocks.push(Buffer.from(next.value));
  }
  return Buffer.concat(blocks).toString().split('\n').slice(0, -1);
}

/** What a frozen view of the whole database holds now, by relation path, rows in order. */
export async function readAll(url: string): Promise<Tables> {
  await using view = await openFull(parseTarget(url), {
    type: 'logical',
    keepChanges: false,
    label: 'unused',
    clock,
    signal,
  });
  return await contentOf(view);
}

async function contentOf(view: FrozenView): Promise<Tables> {
  const tables: Tables = new Map();
  for (const chunk of view.chunks) {
    // Two runs of pg_dump per reading, of what other tests look at.
    if (chunk.kind === 'schema') continue;
    const path = chunk.kind === 'rows' ? relationOf(chunk.path) : chunk.path;
    tables.set(path, [...(tables.get(path) ?? []), ...(await linesOf(view, chunk))]);
  }
  for (const rows of tables.values()) rows.sort();
  return tables;
}

/** A chain as the engine keeps it, in memory: a full, and incrementals folded over it. */
export class ModelChain {
  readonly url: string;
  readonly label: string;
  tables: Tables = new Map();
  mark: Mark = { position: '', timeMs: 0 };
  state: unknown;

  constructor(url: string, label: string) {
    this.url = url;
    this.label = label;
  }

  async full(): Promise<readonly string[]> {
    const o = { type: 'logical', keepChanges: true, label: this.label, clock, signal } as const;
    await using view = await openFull(parseTarget(this.url), o);
    this.tables = await contentOf(view);
    this.mark = view.mark;
    this.state = JSON.parse(JSON.stringify(view.state));
    return view.notices;
  }

  open(
    o: { readonly keepChangesMaxBytes?: number; readonly url?: string } = {},
  ): Promise<PostgresChangeView> {
    return openChanges(parseTarget(o.url ?? this.url), {
      since: this.mark,
      state: this.state,
      label: this.label,
      clock,
      signal,
      keepChangesMaxBytes: o.keepChangesMaxBytes,
    });
  }

  /** One incremental, as the engine makes and folds it. */
  async incremental(
    o: { readonly acknowledge?: boolean; readonly keepChangesMaxBytes?: number } = {},
  ): Promise<Told> {
    await using view = await this.open(o);
    const blocks: Buffer[] = [];
    const reading = view.changes({ signal });
    let counts: Readonly<Record<string, number>> = {};
    for (;;) {
      const next = await reading.next();
      if (next.done) {
        counts = next.value.tables;
        break;
      }
      blocks.push(Buffer.from(next.value));
    }
    const settled = await view.settle({ signal });
    const text = Buffer.concat(blocks).toString().split('\n').slice(0, -1);
    const lines = text.map((line) => JSON.parse(line) as ChangeLine);
    fold(this.tables, lines, [...settled.replaced, ...settled.dropped]);
    remove(this.tables, [...settled.replaced, ...settled.dropped]);
    let written = settled.changed;
    for (const chunk of settled.view.chunks) {
      // A schema is only planned when it may differ: here it always does.
      if (chunk.kind === 'schema') written = true;
      if (chunk.kind === 'schema') continue;
      const rows = (await linesOf(settled.view, chunk)).sort();
      const path = chunk.kind === 'rows' ? relationOf(chunk.path) : chunk.path;
      const known = this.tables.get(path);
      if (chunk.compare && JSON.stringify(known) === JSON.stringify(rows)) continue;
      written = true;
      this.tables.set(path, chunk.compare ? rows : [...(known ?? []), ...rows].sort());
    }
    const { mark, notices } = settled.view;
    // What is not written does not move the chain: the next one begins where this one did.
    if (written) {
      this.mark = mark;
      this.state = JSON.parse(JSON.stringify(settled.view.state));
      if (o.acknowledge !== false) await this.acknowledge();
    }
    const { replaced, dropped } = settled;
    return {
      lines,
      replaced,
      dropped,
      changed: written,
      counts,
      mark,
      notices,
      chunks: settled.view.chunks.map(({ path }) => path),
    };
  }

  acknowledge(): Promise<void> {
    return acknowledgeChanges(parseTarget(this.url), { state: this.state, mark: this.mark, clock, signal });
  }
}

function remove(tables: Tables, voided: readonly string[]): void {
  for (const path of tables.keys()) if (voided.some((gone) => isUnder(path, gone))) tables.delete(path);
}

/** As `changes.ts` describes the lines. */
function fold(tables: Tables, lines: readonly ChangeLine[], voided: readonly string[]): void {
  const relations = new Map<number, { path: string; keyAt: number[]; rows: Map<string, string> }>();
  const keyOf = (keyAt: readonly number[], row: readonly (Value | KeepValue)[]): string =>
    JSON.stringify(keyAt.map((at) => row[at]));
  for (const line of lines) {
    if (line[0] === 'relation') {
      const [, number, path, columns, key] = line;
      const keyAt = key.map((name) => columns.indexOf(name));
      const rows = new Map(
        (tables.get(path) ?? []).map((text) => [keyOf(keyAt, JSON.parse(text) as Value[]), text]),
      );
      relations.set(number, { path, keyAt, rows });
      continue;
    }
    if (line[0] === 'begin' || line[0] === 'commit') continue;
    const relation = relations.get(line[1]);
    if (!relation) throw new Error(`relation ${line[1]} was not declared`);
    const { keyAt, rows, path } = relation;
    if (voided.some((gone) => isUnder(path, gone))) continue;
    if (line[0] === 'truncate') rows.clear();
    else if (line[0] === 'delete') {
      if (!rows.delete(JSON.stringify(line[2])))
        throw new Error(`a row of ${path} is deleted that is not there`);
    } else if (line[0] === 'insert') {
      if (rows.has(keyOf(keyAt, line[2]))) throw new Error(`a row of ${path} is inserted twice`);
      rows.set(keyOf(keyAt, line[2]), JSON.stringify(line[2]));
    } else {
      const [, , oldKey, row] = line;
      const key = oldKey ? JSON.stringify(oldKey) : keyOf(keyAt, row);
      const before = rows.get(key);
      if (before === undefined) throw new Error(`a row of ${path} is updated that is not there`);
      const values = JSON.parse(before) as Value[];
      rows.delete(key);
      const after = row.map((value, at) => (isKeep(value) ? values[at] : value));
      rows.set(keyOf(keyAt, after as Value[]), JSON.stringify(after));
    }
  }
  for (const { path, rows } of relations.values()) tables.set(path, [...rows.values()].sort());
}

function isKeep(value: Value | KeepValue): boolean {
  return typeof value === 'object' && value !== null;
}
