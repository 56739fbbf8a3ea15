import { type ChunkPlan, relationPath } from '@holdfast/core';
import type { Session } from '../session/session.ts';
import { type CatalogTable, measureTables, readTables, type TableSize } from './catalog.ts';
import { lockTables } from './locks.ts';
import { qualified, quoteIdentifier } from './names.ts';

/** What a chunk's `how` holds. */
export type How =
  | {
      readonly kind: 'copy';
      /** `COPY … TO STDOUT`. */
      readonly sql: string;
      /** For errors: `public.orders`. */
      readonly name: string;
      /** Changes of this table are not in the log. */
      readonly unlogged?: true;
    }
  /** Several, one after the other. */
  | { readonly kind: 'copies'; readonly sql: readonly string[]; readonly name: string }
  | { readonly kind: 'schema' };

/** A table and the chunks that its rows are read in. */
export interface PlannedTable {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  /** Of the table, without a range. */
  readonly path: string;
  readonly unlogged: boolean;
  readonly chunks: readonly ChunkPlan[];
}

/** Large enough that a chunk's fixed cost does not count, small enough that readers end together. */
const rangeBytes = 32 * 1024 * 1024;
const pageBytes = 8192;
/** However much of a table is kept out of line, a range has so many pages at least. */
const rangePagesMin = 64;

export interface PlanTables {
  /** Only these. */
  readonly oids?: readonly number[];
  /** Locks the tables before they are measured and read. The session has to be in a transaction. */
  readonly lock?: boolean;
}

/**
 * The chunks of all tables, as the session's snapshot sees them, or as they are now.
 * @throws HoldfastError permission_denied, before anything is read; timeout, naming who has a table locked
 */
export async function planTables(session: Session, o: PlanTables = {}): Promise<readonly PlannedTable[]> {
  const tables = await readTables(session, o.oids);
  if (o.lock) await lockTables(session, tables);
  const sizes = await measureTables(session, tables);
  return tables.map((table) => planTable(table, sizes.get(table.oid) ?? noSize, session.version));
}

const noSize: TableSize = { bytes: 0, totalBytes: 0 };

export function planTable(table: CatalogTable, size: TableSize, serverVersion: number): PlannedTable {
  const path = relationPath(...table.ancestors, [table.schema, table.name]);
  const columns = table.columns.map((name, i) => ({ name, type: table.types[i] ?? 'text' }));
  const name = `${table.schema}.${table.name}`;
  const chunk = (part: string, sql: string, bytes: number): ChunkPlan => ({
    path: path + part,
    kind: 'rows',
    columns,
    estimatedBytes: Math.round(bytes),
    local: false,
    compare: false,
    how: {
      kind: 'copy',
      sql,
      name: name + part,
      ...(table.unlogged ? { unlogged: true } : {}),
    } satisfies How,
  });
  const ranges = splits(table, size, serverVersion) ? pageRanges(size) : [];
  const pages = Math.ceil(size.bytes / pageBytes);
  const chunks =
    ranges.length === 0
      ? [chunk('', copyOf(table, ''), size.totalBytes)]
      : ranges.map(([from, to]) => {
          // The last range is open: the table may have grown since it was measured.
          const until = to === undefined ? '' : ` AND ctid < '(${to},0)'`;
          const share = (((to ?? pages) - from) / pages) * size.totalBytes;
          const part = `/@${from}-${to === undefined ? '' : to - 1}`;
          return chunk(part, copyOf(table, `WHERE ctid >= '(${from},0)'${until}`), share);
        });
  return { oid: table.oid, schema: table.schema, name: table.name, path, unlogged: table.unlogged, chunks };
}

/** Until 13 the server reads a whole table for a range of it. Other storage than heap may not know pages. */
function splits(table: CatalogTable, size: TableSize, serverVersion: number): boolean {
  const large = size.totalBytes >= 2 * rangeBytes && size.bytes >= 2 * rangePagesMin * pageBytes;
  return large && serverVersion >= 140_000 && table.heap && table.condition === '';
}

/** The same number of pages each, of which about `rangeBytes` of rows come, out of line ones included. */
function pageRanges(size: TableSize): [from: number, to: number | undefined][] {
  const pages = Math.ceil(size.bytes / pageBytes);
  const step = Math.max(rangePagesMin, Math.round((pages * rangeBytes) / size.totalBytes));
  const ranges: [number, number | undefined][] = [];
  for (let from = 0; from < pages; from += step) {
    ranges.push([from, from + step >= pages ? undefined : from + step]);
  }
  return ranges;
}

function copyOf(table: CatalogTable, range: string): string {
  const name = qualified(table.schema, table.name);
  const columns = table.columns.map(quoteIdentifier).join(', ');
  const where = [table.condition, range].filter((each) => each !== '').join(' ');
  // COPY of a table takes no empty column list, but prints an empty line per row of a table without columns.
  if (where === '' && table.columns.length > 0) return `COPY ${name} (${columns}) TO STDOUT`;
  if (where === '' && !table.generated) return `COPY ${name} TO STDOUT`;
  return `COPY (SELECT ${columns} FROM ONLY ${name} ${where}) TO STDOUT`;
}
