import {
  type ChunkEntry,
  type ChunkPlan,
  type ChunksEvent,
  type Observer,
  type PlannedTable,
  plannedTablesMax,
} from '@holdfast/core';

/** Tells which tables a run reads, and how far each of them is. */
export class TableTally {
  readonly #observer: Observer;
  readonly #tables = new Map<string, Tally>();
  readonly #chunksTotal: number;
  #chunksDone = 0;
  #tablesDone = 0;

  constructor(chunks: readonly ChunkPlan[], observer: Observer) {
    this.#observer = observer;
    this.#chunksTotal = chunks.length;
    for (const { kind, path, estimatedBytes } of chunks) {
      if (kind !== 'rows') continue;
      const table = tableOf(path);
      const tally = this.#tables.get(table);
      if (tally) {
        tally.chunks += 1;
        tally.left += 1;
        tally.estimatedBytes += estimatedBytes;
      } else {
        const listed = this.#tables.size < plannedTablesMax;
        this.#tables.set(table, { listed, chunks: 1, left: 1, estimatedBytes, begun: false });
      }
    }
  }

  tellPlan(): void {
    const tables: PlannedTable[] = [];
    for (const [table, { listed, chunks, estimatedBytes }] of this.#tables)
      if (listed) tables.push({ table, chunks, estimatedBytes });
    const tablesTotal = this.#tables.size;
    this.#observer({ kind: 'plan', tables, tablesTotal, chunksTotal: this.#chunksTotal });
  }

  begin({ kind, path }: ChunkPlan): void {
    const table = tableOf(path);
    const tally = kind === 'rows' ? this.#tables.get(table) : undefined;
    if (!tally || tally.begun) return;
    tally.begun = true;
    if (tally.listed) this.#tell({ started: [table], done: [] });
  }

  /** `entry`: what was written of it; nothing when it is the same as before. */
  end({ kind, path }: ChunkPlan, entry: Pick<ChunkEntry, 'rows' | 'rawBytes'> | undefined): void {
    this.#chunksDone += 1;
    const table = tableOf(path);
    const tally = kind === 'rows' ? this.#tables.get(table) : undefined;
    if (tally) {
      tally.left -= 1;
      if (tally.left === 0) this.#tablesDone += 1;
    }
    const done = { table, chunks: 1, rows: entry?.rows ?? 0, bytes: entry?.rawBytes ?? 0 };
    this.#tell({ started: [], done: tally?.listed ? [done] : [] });
  }

  #tell(news: Pick<ChunksEvent, 'started' | 'done'>): void {
    this.#observer({
      kind: 'chunks',
      ...news,
      tablesDone: this.#tablesDone,
      chunksDone: this.#chunksDone,
    });
  }
}

interface Tally {
  readonly listed: boolean;
  chunks: number;
  left: number;
  estimatedBytes: number;
  begun: boolean;
}

/** The first part of a path: the table that a partition or key range belongs to. */
function tableOf(path: string): string {
  const end = path.indexOf('/', 1);
  return end < 0 ? path : path.slice(0, end);
}
