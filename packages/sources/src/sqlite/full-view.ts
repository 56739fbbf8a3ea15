import {
  type ChunkPlan,
  type DriverToken,
  type FrozenView,
  HoldfastError,
  type Mark,
  type ReadResult,
  type Sig,
  type SourceIdentity,
} from '@holdfast/core';
import type { Frozen } from './freeze.ts';
import { PageReader, type ReaderData } from './page-reader.ts';
import { isSchemaPlan, schemaBlocks } from './schema-chunk.ts';
import { imageBlocks } from './snapshot-view.ts';

export interface ViewParts {
  readonly frozen: Frozen;
  readonly mark: Mark;
  readonly source: SourceIdentity;
  readonly chunks: readonly ChunkPlan[];
  readonly state: unknown;
  readonly notices: readonly string[];
  /** The lines of the chunk `/schema`. */
  readonly schemaLines: readonly string[];
}

/** A frozen database: this thread and any other reads its pages while the transaction here keeps them in place. */
export class SqliteView implements FrozenView {
  readonly mark: Mark;
  readonly source: SourceIdentity;
  readonly chunks: readonly ChunkPlan[];
  readonly token: DriverToken;
  readonly state: unknown;
  readonly notices: readonly string[];
  readonly #frozen: Frozen;
  readonly #schemaLines: readonly string[];
  readonly #reader: PageReader;
  #open = true;

  constructor(parts: ViewParts) {
    this.mark = parts.mark;
    this.source = parts.source;
    this.chunks = parts.chunks;
    this.state = parts.state;
    this.notices = parts.notices;
    this.#frozen = parts.frozen;
    this.#schemaLines = parts.schemaLines;
    const data: ReaderData = { images: parts.frozen.databases.map((one) => one.image) };
    this.token = { module: new URL('./worker.ts', import.meta.url).href, data };
    this.#reader = new PageReader(data);
  }

  async *read(chunk: ChunkPlan, o: Sig): AsyncGenerator<Uint8Array, ReadResult, void> {
    o.signal.throwIfAborted();
    if (!this.#open) throw new HoldfastError('internal', 'a view is read after it was closed');
    if (isSchemaPlan(chunk)) return yield* schemaBlocks(this.#schemaLines);
    if (chunk.kind === 'image') return yield* imageBlocks(this.#frozen, this.mark.timeMs, o);
    return yield* this.#reader.read(chunk, o);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    await this.#reader[Symbol.asyncDispose]();
    this.#frozen[Symbol.dispose]();
  }
}
