import type { ChunkPlan, ChunkReader, ReadResult, Sig } from '@holdfast/core';
import { translate } from './errors.ts';
import { imageOfFile, type OpenedImage } from './file-image.ts';
import type { PageImage } from './page-file.ts';
import { PageRows } from './page-rows.ts';
import type { TableLayout } from './table-layout.ts';

/** What a worker thread needs to read: a frozen view's images, or files that nobody else writes. */
export interface ReaderData {
  readonly images?: readonly PageImage[];
  readonly files?: readonly string[];
}

/** `ChunkPlan.how` of a chunk of rows. */
export interface RowsPlan {
  /** Which image. */
  readonly database: number;
  readonly layout: TableLayout;
  readonly low: string;
  readonly high: string;
}

/** Reads chunks of rows from pages, in any thread of the process that froze them. */
export class PageReader implements ChunkReader {
  readonly #data: ReaderData;
  readonly #rows = new Map<number, PageRows>();
  readonly #opened: OpenedImage[] = [];

  constructor(data: ReaderData) {
    this.#data = data;
  }

  async *read(chunk: ChunkPlan, o: Sig): AsyncGenerator<Uint8Array, ReadResult, void> {
    const plan = chunk.how as RowsPlan;
    try {
      const rows = this.#rowsOf(plan.database);
      for (const block of rows.read(plan.layout, { low: BigInt(plan.low), high: BigInt(plan.high) })) {
        o.signal.throwIfAborted();
        yield block;
      }
      return { rows: rows.rows };
    } catch (caught) {
      throw translate(caught, `cannot read ${chunk.path}`);
    }
  }

  #rowsOf(database: number): PageRows {
    const known = this.#rows.get(database);
    if (known) return known;
    const rows = new PageRows(this.#imageOf(database));
    this.#rows.set(database, rows);
    return rows;
  }

  #imageOf(database: number): PageImage {
    const file = this.#data.files?.[database];
    const image = this.#data.images?.[database];
    if (file !== undefined) {
      // Restored: nobody writes there any more.
      const opened = imageOfFile(file);
      this.#opened.push(opened);
      return opened.image;
    }
    if (image === undefined) throw new RangeError(`no database ${database} in this view`);
    return image;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const rows of this.#rows.values()) rows[Symbol.dispose]();
    for (const opened of this.#opened) opened[Symbol.dispose]();
    this.#rows.clear();
    this.#opened.length = 0;
  }
}
