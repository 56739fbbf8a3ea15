import type {
  ChangesResult,
  ChangeView,
  ChunkPlan,
  Mark,
  SettledChanges,
  Sig,
  SourceIdentity,
} from '@holdfast/core';
import type { Table } from './catalog.ts';
import { extendCuts, rangePath } from './chunk-ranges.ts';
import type { Frozen } from './freeze.ts';
import { SqliteView } from './full-view.ts';
import { type PlannedTable, planTables } from './plan.ts';
import { lastSequences, type RevisionReader, sequencesPosition } from './revision-reader.ts';
import { schemaLines, schemaPlan } from './schema-chunk.ts';
import {
  definitionOf,
  isUnchanged,
  keepFingerprints,
  positionOf,
  type SqliteState,
  schemaVersions,
} from './state.ts';

export interface IncrementalParts {
  readonly frozen: Frozen;
  readonly state: SqliteState;
  readonly source: SourceIdentity;
  readonly nowMs: number;
  readonly notices: readonly string[];
  /** Of a database whose revisions are kept. */
  readonly revisions: RevisionReader | undefined;
  /** Under which revisions are kept for the chain from this view on; undefined: as it was before. */
  readonly label?: string;
}

/**
 * What differs since a chain's newest backup, in one frozen transaction: revisions first, if they are kept; of all
 * other tables the chunks, for the engine to compare.
 */
export class SqliteChanges implements ChangeView {
  readonly #parts: IncrementalParts;
  #changes = 0;

  constructor(parts: IncrementalParts) {
    this.#parts = parts;
  }

  async *changes(o: Sig): AsyncGenerator<Uint8Array, ChangesResult, void> {
    const { revisions } = this.#parts;
    if (!revisions) return { rows: 0, tables: {} };
    const result = yield* revisions.read(o);
    this.#changes = result.rows;
    return result;
  }

  async settle(o: Sig): Promise<SettledChanges> {
    o.signal.throwIfAborted();
    const { frozen, state } = this.#parts;
    if (isUnchanged(frozen, state) && !state.image && this.#changes === 0) {
      // The chain's state stays the newest one: it describes this very content.
      return { view: this.#view([], state, []), replaced: [], dropped: [], changed: false };
    }
    const replaced: string[] = [];
    const tables = planTables(frozen, {
      cuts: (path, fresh) => this.#cuts(path, fresh),
      compare: () => true,
    });
    const chunks = tables.flatMap((planned) => this.#chunksOf(planned, replaced));
    const now = new Set(tables.map((planned) => planned.table.path));
    const dropped = Object.keys(state.tables).filter((path) => !now.has(path));
    const lines = schemaLines(
      frozen.db,
      frozen.databases.map((one) => one.name),
    );
    const label = this.#parts.label ?? state.label;
    const next: SqliteState = {
      version: 1,
      ...(label === undefined ? { mode: 'chunks' } : { mode: 'revisions', label }),
      sequences: label === undefined ? {} : lastSequences(frozen),
      schemas: schemaVersions(frozen),
      fingerprints: keepFingerprints(frozen, this.#parts.nowMs),
      tables: keepTables(frozen, tables, (path) => this.#hasChanges(path, replaced)),
    };
    const view = this.#view([schemaPlan(lines, true), ...chunks], next, lines);
    const changed = this.#changes > 0 || replaced.length > 0 || dropped.length > 0;
    return { view, replaced, dropped, changed };
  }

  /** The chunks to look at. Appends to `replaced` what the chain's earlier content is void for. */
  #chunksOf(planned: PlannedTable, replaced: string[]): ChunkPlan[] {
    const { state, frozen } = this.#parts;
    const { table, chunks, cuts } = planned;
    const before = state.tables[table.path];
    const watched = this.#watched(table);
    const same = before?.definition === definitionOf(frozen, table);
    if (before === undefined || !same || (!watched && (before.changed || state.image))) {
      if (before !== undefined) replaced.push(table.path);
      return chunks.map((chunk) => ({ ...chunk, compare: false }));
    }
    if (watched) return [];
    const old = new Set(
      Array.from({ length: before.cuts.length + 1 }, (_, i) => rangePath(table.path, before.cuts, i)),
    );
    const fresh = chunks.filter((chunk) => !old.has(chunk.path));
    if (fresh.length > 0) replaced.push(rangePath(table.path, before.cuts, before.cuts.length));
    return cuts === before.cuts
      ? [...chunks]
      : chunks.map((one) => (old.has(one.path) ? one : { ...one, compare: false }));
  }

  #hasChanges(path: string, replaced: readonly string[]): boolean {
    const { state, revisions } = this.#parts;
    return (
      revisions?.coversPath(path) === true ||
      (state.tables[path]?.changed === true && !replaced.includes(path))
    );
  }

  #watched(table: Table): boolean {
    return this.#parts.revisions?.covers(table) ?? false;
  }

  #cuts(path: string, fresh: readonly string[]): readonly string[] {
    const before = this.#parts.state.tables[path];
    return before === undefined ? fresh : extendCuts(before.cuts, fresh);
  }

  #view(chunks: readonly ChunkPlan[], state: SqliteState, lines: readonly string[]): SqliteView {
    const { frozen, source, nowMs, notices, revisions } = this.#parts;
    const position = revisions ? sequencesPosition(revisions.sequences) : positionOf(frozen.databases);
    const mark: Mark = { position, timeMs: nowMs };
    return new SqliteView({ frozen, mark, source, chunks, state, notices, schemaLines: lines });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // The settled view reads through the same transaction; whichever is disposed first ends it.
    this.#parts.frozen[Symbol.dispose]();
  }
}

export function keepTables(
  frozen: Frozen,
  tables: readonly PlannedTable[],
  changed: (path: string) => boolean,
): SqliteState['tables'] {
  return Object.fromEntries(
    tables.map(({ table, cuts }) => [
      table.path,
      { definition: definitionOf(frozen, table), cuts, ...(changed(table.path) ? { changed: true } : {}) },
    ]),
  );
}
