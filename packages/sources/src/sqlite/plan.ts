import type { ChunkPlan } from '@holdfast/core';
import { layoutOf, type Table, tablesOf } from './catalog.ts';
import { type Cuts, cutsAfter, rangeOf, rangePath } from './chunk-ranges.ts';
import type { Frozen } from './freeze.ts';
import type { RowsPlan } from './page-reader.ts';
import { allRowids, PageRows } from './page-rows.ts';

/** Text is a little longer than what SQLite stores: numbers in digits, quotes, commas. */
const textPerByte = 1.3;
const chunkOverheadBytes = 256;

/** A table and how it is cut into chunks. */
export interface PlannedTable {
  readonly table: Table;
  readonly database: number;
  /** Empty: one chunk. */
  readonly cuts: Cuts;
  readonly chunks: readonly ChunkPlan[];
}

export interface PlanOptions {
  /** Chunks are written only when their digests differ. */
  readonly compare: (path: string) => boolean;
  /** The cuts to keep; undefined for a table that is cut anew. */
  readonly cuts: (path: string, fresh: Cuts) => Cuts;
}

/** Every table of a frozen view as chunks. */
export function planTables(frozen: Frozen, o: PlanOptions): PlannedTable[] {
  return frozen.databases.flatMap(({ name, image }, database) => {
    using pages = new PageRows(image);
    return tablesOf(frozen.db, name).map((table) => {
      const layout = layoutOf(frozen.db, table);
      const measure = pages.measure(table.rootPage);
      const fresh = table.withoutRowid ? [] : cutsAfter(measure);
      const cuts = table.withoutRowid ? [] : o.cuts(table.path, fresh);
      const sizeBytes = measure.leaves * measure.leafBytes * textPerByte + chunkOverheadBytes;
      const chunks = Array.from({ length: cuts.length + 1 }, (_, index): ChunkPlan => {
        const range = cuts.length === 0 ? allRowids : rangeOf(cuts, index);
        const path = rangePath(table.path, cuts, index);
        const how: RowsPlan = { database, layout, low: String(range.low), high: String(range.high) };
        return {
          path,
          kind: 'rows',
          columns: table.output,
          estimatedBytes: Math.ceil(sizeBytes / (cuts.length + 1)),
          local: false,
          compare: o.compare(path),
          how,
        };
      });
      return { table, database, cuts, chunks };
    });
  });
}
