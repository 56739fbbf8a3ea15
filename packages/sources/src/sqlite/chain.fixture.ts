import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type ChunkHeader,
  type ChunkPlan,
  type FrozenView,
  isUnder,
  type Mark,
  relationOf,
  type SchemaStatement,
  type Source,
  SystemClock,
  type TaskType,
} from '@holdfast/core';
import { sqliteDriver } from './index.ts';
import { RowParser } from './row-parser.ts';
import { rowLine, type SqliteValue } from './value-text.ts';
import { openLoader, openReader } from './worker.ts';

/** A chain in memory: what the engine does with a source and a target, in as few lines as show it. */
export const signal: AbortSignal = new AbortController().signal;

export function folder(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), 'holdfast-sqlite-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

export function openSource(url: string): Promise<Source> {
  return sqliteDriver.open(url, { signal, clock: new SystemClock() });
}

interface StoredChunk {
  readonly header: ChunkHeader;
  readonly lines: Buffer;
}

interface Link {
  readonly changes: readonly string[];
  readonly voided: readonly string[];
  readonly chunks: readonly StoredChunk[];
  readonly mark: Mark;
}

export class MemoryChain {
  state: unknown;
  mark: Mark = { position: '', timeMs: 0 };
  image: Buffer | undefined;
  readonly links: Link[] = [];
  notices: readonly string[] = [];
  readonly #source: Source;
  readonly #type: TaskType;

  constructor(source: Source, type: TaskType = 'logical') {
    this.#source = source;
    this.#type = type;
  }

  async full(o: { readonly label?: string; readonly workers?: boolean } = {}): Promise<void> {
    await using view = await this.#source.openFull({
      type: this.#type,
      keepChanges: true,
      label: o.label ?? 'test',
      signal,
    });
    const chunks = await readAll(view, o.workers ?? false);
    const image = chunks.find((chunk) => chunk.header.kind === 'image');
    this.image = image?.lines;
    this.#take(view, { changes: [], voided: [], chunks: chunks.filter((one) => one !== image) });
  }

  /** Whether anything was stored. */
  async incremental(): Promise<boolean> {
    if (!(await this.#incremental())) return false;
    await this.#source.acknowledge({ state: this.state, mark: this.mark, signal });
    return true;
  }

  async #incremental(): Promise<boolean> {
    await using view = await this.#source.openIncremental({
      since: this.mark,
      state: this.state,
      label: 'test',
      signal,
    });
    const changes: string[] = [];
    const source = view.changes({ signal });
    let step = await source.next();
    for (; !step.done; step = await source.next()) {
      changes.push(...Buffer.from(step.value).toString('utf8').split('\n').filter(Boolean));
    }
    if (step.value.rows !== changes.length)
      throw new Error(`${step.value.rows} lines said, ${changes.length} sent`);
    const settled = await view.settle({ signal });
    const frozen = settled.view;
    const known = new Map(
      this.links.flatMap((link) => link.chunks).map((one) => [one.header.chunk, one.lines]),
    );
    const read = await readAll(frozen, false);
    const plans = new Map(frozen.chunks.map((plan) => [plan.path, plan]));
    const chunks = read.filter(
      ({ header, lines }) => !plans.get(header.chunk)?.compare || !known.get(header.chunk)?.equals(lines),
    );
    if (!settled.changed && chunks.length === 0) return false;
    const compared = chunks.filter(
      ({ header }) => header.kind === 'rows' && plans.get(header.chunk)?.compare,
    );
    const voided = [...settled.replaced, ...settled.dropped, ...compared.map((one) => one.header.chunk)];
    this.#take(frozen, { changes, voided, chunks });
    return true;
  }

  #take(view: FrozenView, link: Omit<Link, 'mark'>): void {
    this.state = JSON.parse(JSON.stringify(view.state));
    this.mark = view.mark;
    this.notices = view.notices;
    this.links.push({ ...link, mark: view.mark });
  }

  /** Restores the newest backup, or what was committed by a moment inside the last link. */
  async restore(url: string, o: { readonly untilMs?: number } = {}): Promise<void> {
    await using target = await (await openSource(url)).openTarget({
      from: { type: 'sqlite', identity: '', name: '', version: '' },
      id: 'test',
      noOwner: false,
      startTimeoutMs: 0,
      type: this.#type,
      signal,
    });
    if (target.problems[0]) throw new Error(target.problems[0].message);
    if (this.image) {
      await target.loadImage?.(once(this.image), { signal });
      for (const link of this.links.slice(1)) {
        await target.applyOnImage?.({ kind: 'changes', lines: each(link.changes) }, { signal });
        for (const path of link.voided) await target.applyOnImage?.({ kind: 'clear', path }, { signal });
        const schema = link.chunks.find((one) => one.header.kind === 'schema');
        if (schema) await target.applyOnImage?.({ kind: 'schema', schema: statements(schema) }, { signal });
        for (const { header, lines } of link.chunks) {
          if (header.kind !== 'rows') continue;
          await target.applyOnImage?.({ kind: 'rows', header, blocks: once(lines) }, { signal });
        }
      }
    } else {
      const content = this.#content(o.untilMs);
      const findings = await target.check(content.schema, { signal });
      if (findings[0]) throw new Error(findings[0].message);
      await target.create(content.schema, { signal });
      await using loader = await openLoader(target.token.data, { signal });
      for (const [id, { header, lines }] of content.loads) {
        const { rows } = await loader.load(header, once(lines), { signal, id });
        const sent = lines.toString('latin1').split('\n').length - 1;
        if (rows !== sent) throw new Error(`${id}: sent ${sent} rows, the target took ${rows}`);
      }
    }
    await target.finish({ signal, progress: () => {} });
    await using reader = await openReader(target.token.data, { signal });
    for (const plan of await target.readBack({ signal })) {
      const back = (await collect(reader.read(plan, { signal })))
        .toString('latin1')
        .split('\n')
        .sort()
        .join('\n');
      const sent = Buffer.concat(
        [...this.#content(o.untilMs).loads.values()]
          .filter((one) => relationOf(one.header.chunk) === plan.path)
          .map((one) => one.lines),
      )
        .toString('latin1')
        .split('\n')
        .sort()
        .join('\n');
      if (back !== sent) throw new Error(`${plan.path} reads back differently:\n${sent}\n---\n${back}`);
    }
    await target.publish({ signal });
  }

  #content(untilMs?: number): { schema: SchemaStatement[]; loads: Map<string, StoredChunk> } {
    const chunks = new Map<string, StoredChunk>();
    const relations = new Map<string, FoldedRelation>();
    for (const [index, link] of this.links.entries()) {
      const inside = untilMs !== undefined && index === this.links.length - 1;
      foldChanges(inside ? until(link.changes, untilMs) : link.changes, relations);
      if (inside) break;
      for (const gone of link.voided) {
        for (const path of chunks.keys()) if (isUnder(path, gone)) chunks.delete(path);
        for (const path of relations.keys()) if (isUnder(path, gone)) relations.delete(path);
      }
      for (const chunk of link.chunks) chunks.set(chunk.header.chunk, chunk);
    }
    const schema = chunks.get('/schema');
    if (!schema) throw new Error('no schema');
    const loads = new Map<string, StoredChunk>();
    for (const [path, chunk] of chunks) {
      if (chunk.header.kind !== 'rows') continue;
      const folded = relations.get(relationOf(path));
      loads.set(path, folded ? { ...chunk, lines: folded.without(chunk) } : chunk);
    }
    for (const [path, folded] of relations) loads.set(`live${path}`, folded.live(path));
    return { schema: statements(schema), loads };
  }
}

function statements(chunk: StoredChunk): SchemaStatement[] {
  return chunk.lines
    .toString('utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => {
      const [section, type, name, text] = JSON.parse(line) as [
        SchemaStatement['section'],
        string,
        string,
        string,
      ];
      return { section, type, name, text };
    });
}

class FoldedRelation {
  readonly rows = new Map<string, string | undefined>();
  readonly columns: readonly string[];
  readonly key: readonly number[];

  constructor(columns: readonly string[], key: readonly string[]) {
    this.columns = columns;
    this.key = key.map((name) => columns.indexOf(name));
  }

  keyOf(row: readonly SqliteValue[]): string {
    return rowLine(this.key.map((at) => row[at] ?? null));
  }

  without(chunk: StoredChunk): Buffer {
    const parser = new RowParser();
    const kept = chunk.lines
      .toString('utf8')
      .split('\n')
      .filter((line) => line !== '')
      .filter((line) => {
        const bytes = Buffer.from(line);
        return !this.rows.has(this.keyOf(parser.parse(bytes, 0, bytes.length, [])));
      });
    return Buffer.from(kept.map((line) => `${line}\n`).join(''));
  }

  live(path: string): StoredChunk {
    const lines = [...this.rows.values()].filter((row) => row !== undefined).join('');
    const columns = this.columns.map((name) => ({ name, type: '' }));
    return { header: { chunk: path, kind: 'rows', columns }, lines: Buffer.from(lines) };
  }
}

function until(changes: readonly string[], untilMs: number): string[] {
  const out: string[] = [];
  let open: string[] = [];
  for (const line of changes) {
    open.push(line);
    if (!line.startsWith('["commit"')) continue;
    if ((JSON.parse(line) as [string, string, number])[2] > untilMs) break;
    out.push(...open);
    open = [];
  }
  return out;
}

function foldChanges(changes: readonly string[], relations: Map<string, FoldedRelation>): void {
  const parser = new RowParser();
  const declared = new Map<bigint, FoldedRelation>();
  for (const line of changes) {
    const parts = parser.parseNested(Buffer.from(line));
    const [kind, number] = parts as [string, bigint];
    if (kind === 'relation') {
      const path = String(parts[2]);
      const relation =
        relations.get(path) ??
        new FoldedRelation(parts[3] as readonly string[], parts[4] as readonly string[]);
      relations.set(path, relation);
      declared.set(number, relation);
    }
    const relation = declared.get(number);
    if (kind === 'insert') {
      const row = parts[2] as readonly SqliteValue[];
      relation?.rows.set(relation.keyOf(row), rowLine(row));
    } else if (kind === 'update') {
      const row = parts[3] as readonly SqliteValue[];
      if (parts[2] !== null) relation?.rows.set(rowLine(parts[2] as readonly SqliteValue[]), undefined);
      relation?.rows.set(relation.keyOf(row), rowLine(row));
    } else if (kind === 'delete') {
      relation?.rows.set(rowLine(parts[2] as readonly SqliteValue[]), undefined);
    }
  }
}

async function readAll(view: FrozenView, workers: boolean): Promise<StoredChunk[]> {
  const data = structuredClone(view.token.data);
  await using other = await openReader(data, { signal });
  const chunks: StoredChunk[] = [];
  for (const plan of view.chunks) {
    const reader = workers && !plan.local ? other : view;
    chunks.push({ header: headerOf(plan), lines: await collect(reader.read(plan, { signal })) });
  }
  return chunks;
}

function headerOf(plan: ChunkPlan): ChunkHeader {
  return { chunk: plan.path, kind: plan.kind, columns: plan.columns };
}

export async function collect(blocks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const block of blocks) parts.push(Buffer.from(block));
  return Buffer.concat(parts);
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  // Cut anywhere, and in memory that is used again, as the engine does.
  const block = new Uint8Array(4099);
  for (let at = 0; at < bytes.length; at += block.length) {
    const part = bytes.subarray(at, at + block.length);
    block.fill(0);
    block.set(part);
    yield part.length === block.length ? block : block.subarray(0, part.length);
  }
}

async function* each(lines: readonly string[]): AsyncGenerator<string> {
  yield* lines;
}
