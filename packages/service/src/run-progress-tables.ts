import type { ChunksEvent, Clock, PlanEvent } from '@holdfast/core';

/** One table of a run. */
export interface TableProgress {
  /** Its path. */
  readonly table: string;
  readonly chunksDone: number;
  readonly chunksTotal: number;
  readonly rows: number;
  readonly bytes: number;
  /** Of its chunks; 100 when it is completed. */
  readonly percent: number;
  readonly startedAtMs?: number;
  readonly endedAtMs?: number;
  /** By its own pace; while it is read and one of its chunks is done. */
  readonly estimatedEndMs?: number;
  /** All of it was read; the backup of it exists when the run is completed. */
  readonly completed: boolean;
}

export interface TablePage {
  readonly tables: readonly TableProgress[];
  /** How many there are in all; the first `plannedTablesMax` of them can be had. */
  readonly total: number;
}

interface Row {
  readonly table: string;
  readonly chunksTotal: number;
  chunksDone: number;
  rows: number;
  bytes: number;
  startedAtMs?: number;
  startedMs?: number;
  endedAtMs?: number;
}

/** The tables of a run, in the order of its plan: no more are kept than a plan lists. */
export class RunProgressTables {
  readonly #clock: Clock;
  #rows = new Map<string, Row>();
  #total = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  plan({ tables, tablesTotal }: PlanEvent): void {
    this.#total = tablesTotal;
    this.#rows = new Map(
      tables.map(({ table, chunks }) => [
        table,
        { table, chunksTotal: chunks, chunksDone: 0, rows: 0, bytes: 0 },
      ]),
    );
  }

  take({ started, done }: ChunksEvent): void {
    for (const table of started) {
      const row = this.#rows.get(table);
      if (row) this.#begin(row);
    }
    for (const { table, chunks, rows, bytes } of done) {
      const row = this.#rows.get(table);
      if (!row) continue;
      this.#begin(row);
      row.chunksDone += chunks;
      row.rows += rows;
      row.bytes += bytes;
      if (row.chunksDone >= row.chunksTotal) row.endedAtMs ??= this.#clock.now();
    }
  }

  page({ offset, limit }: { readonly offset: number; readonly limit: number }): TablePage {
    const rows = [...this.#rows.values()].slice(offset, offset + limit);
    return { tables: rows.map((row) => this.#view(row)), total: this.#total };
  }

  #begin(row: Row): void {
    row.startedAtMs ??= this.#clock.now();
    row.startedMs ??= this.#clock.elapsed();
  }

  #view(row: Row): TableProgress {
    const { table, chunksDone, chunksTotal, rows, bytes, startedAtMs, endedAtMs } = row;
    const completed = chunksDone >= chunksTotal;
    const estimatedEndMs = this.#estimate(row);
    return {
      table,
      chunksDone,
      chunksTotal,
      rows,
      bytes,
      percent: completed ? 100 : Math.floor((chunksDone / chunksTotal) * 100),
      ...(startedAtMs !== undefined && { startedAtMs }),
      ...(endedAtMs !== undefined && { endedAtMs }),
      ...(estimatedEndMs !== undefined && { estimatedEndMs }),
      completed,
    };
  }

  #estimate({ chunksDone, chunksTotal, startedMs }: Row): number | undefined {
    if (startedMs === undefined || chunksDone === 0 || chunksDone >= chunksTotal) return undefined;
    const spentMs = this.#clock.elapsed() - startedMs;
    return Math.round(this.#clock.now() + (spentMs / chunksDone) * (chunksTotal - chunksDone));
  }
}
