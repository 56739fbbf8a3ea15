import { availableParallelism } from 'node:os';
import {
  type ChunkEntry,
  type ChunkPlan,
  type Clock,
  type FrozenView,
  HoldfastError,
  type Observer,
  type Scope,
  type SegmentEntry,
  type Sig,
  type SourceWorkerModule,
  type Stage,
} from '@holdfast/core';
import { Pool } from '../pool/pool.ts';
import { type StoredChunk, storeChunk } from '../store/chunk-writer.ts';
import { SegmentFiller, type StoreInit, type StoreJob, type StoreResult } from '../store/store-role.ts';
import { TableTally } from './table-tally.ts';

export interface RunWriterOptions {
  readonly stage: Stage;
  readonly sequence: number;
  readonly scope: Scope;
  readonly image: boolean;
  readonly workersMax: number;
  readonly observer: Observer;
  readonly clock: Clock;
  readonly segmentBytesTarget?: number;
}

/** A segment closes at this many stored bytes at most, and is on its way while the next one is written. */
const bytesTarget = 128 * 1024 * 1024;
/** Below this, threads cost more than they bring, and everything fits in one segment. */
const inlineBytesMax = 16 * 1024 * 1024;
const inlineChunksMax = 200;

/** Writes the chunks of one run into staging, and starts each closed segment on its way. */
export class RunWriter implements AsyncDisposable {
  readonly #options: RunWriterOptions;
  readonly #counter = new SharedArrayBuffer(4);
  readonly #filler: SegmentFiller;
  readonly #chunks: StoredChunk[] = [];
  readonly #segments: SegmentEntry[] = [];
  #tally: TableTally | undefined;
  #doneBytes = 0;
  #totalBytes = 0;
  #rows = 0;

  constructor(options: RunWriterOptions) {
    this.#options = options;
    this.#filler = new SegmentFiller(this.#segmentOptions(), (bytes) => this.#progress(bytes));
  }

  /** Reads all chunks of a view; `known` digests are what compared chunks are compared with. */
  async writeView(view: FrozenView, o: Sig & { readonly known: ReadonlyMap<string, string> }): Promise<void> {
    const local = view.chunks.filter((plan) => plan.local);
    const shared = view.chunks.filter((plan) => !plan.local);
    const bytes = sum(shared);
    // The changes of an incremental are written by now, and nobody knew how many they would be.
    this.#totalBytes = this.#doneBytes + bytes + sum(local);
    this.#tally = new TableTally(view.chunks, this.#options.observer);
    this.#tally.tellPlan();
    this.#progress(0);
    const inline = bytes < inlineBytesMax && shared.length <= inlineChunksMax;
    if (inline) {
      await this.#writeHere(view, local, o);
      if (shared.length === 0) return;
      const module = (await import(view.token.module)) as SourceWorkerModule;
      await using reader = await module.openReader(view.token.data, { signal: o.signal });
      await this.#writeHere(reader, shared, o);
    } else {
      await this.#writeInThreads(view, local, shared, o);
    }
  }

  async #writeInThreads(
    view: FrozenView,
    local: readonly ChunkPlan[],
    shared: readonly ChunkPlan[],
    o: Sig & { readonly known: ReadonlyMap<string, string> },
  ): Promise<void> {
    const failed = new AbortController();
    const signal = AbortSignal.any([o.signal, failed.signal]);
    await using pool = new Pool<StoreInit, StoreJob, StoreResult, SegmentEntry | undefined>({
      clock: this.#options.clock,
      role: new URL('../store/store-role.ts', import.meta.url).href,
      init: { ...this.#segmentOptions(), view: view.token },
      workers: Math.min(this.#options.workersMax, shared.length),
      progress: (bytes) => this.#progress(bytes),
      signal,
    });
    // The largest first, so that none of them is the one that all others wait for at the end.
    const plans = [...shared].sort((a, b) => b.estimatedBytes - a.estimatedBytes);
    const done = ({ chunk, closed }: StoreResult, { plan }: StoreJob): void => {
      this.#tally?.end(plan, chunk?.entry);
      this.#take(chunk, closed);
    };
    const { stage } = this.#options;
    const threads = pool.run(this.#jobs(plans, o.known), done, () => stage.room({ signal }));
    const here = this.#writeHere(view, local, { signal, known: o.known });
    const both = [threads, here].map((work) =>
      work.catch((error: unknown) => {
        failed.abort(HoldfastError.from(error));
        throw error;
      }),
    );
    await settleAll(both);
    for (const segment of await pool.end()) this.#take(undefined, segment);
  }

  /** Asked for the next one when a thread is free to begin with it. */
  *#jobs(plans: readonly ChunkPlan[], known: ReadonlyMap<string, string>): Generator<StoreJob> {
    for (const plan of plans) {
      this.#tally?.begin(plan);
      yield { plan, knownDigest: known.get(plan.path) };
    }
  }

  async #writeHere(
    reader: Parameters<typeof storeChunk>[1],
    plans: readonly ChunkPlan[],
    o: Sig & { readonly known: ReadonlyMap<string, string> },
  ): Promise<void> {
    for (const plan of plans) {
      await this.#options.stage.room(o);
      this.#tally?.begin(plan);
      const chunk = await storeChunk(plan, reader, this.#filler.writer, this.#filler.segment, {
        signal: o.signal,
        knownDigest: o.known.get(plan.path),
      });
      this.#tally?.end(plan, chunk?.entry);
      this.#take(chunk, this.#filler.closeIfFull());
    }
  }

  /**
   * Writes lines of changes, and begins a new chunk (`/changes/@2`, …) where a segment is full. Returns what the
   * source says it sent.
   */
  async writeChanges<R extends { readonly rows: number; readonly tables: Readonly<Record<string, number>> }>(
    lines: AsyncGenerator<Uint8Array, R, void>,
    o: Sig,
  ): Promise<R> {
    const { writer } = this.#filler;
    let part = 0;
    let written = 0;
    let open = false;
    const begin = (): void => {
      part++;
      open = true;
      writer.begin(this.#filler.segment(), { chunk: `/changes/@${part}`, kind: 'changes', columns: [] });
    };
    const end = (tables?: Readonly<Record<string, number>>): void => {
      const chunk = writer.end();
      written += chunk.entry.rows;
      open = false;
      this.#take(
        tables ? { ...chunk, entry: { ...chunk.entry, tables } } : chunk,
        this.#filler.closeIfFull(),
      );
    };
    try {
      for (;;) {
        const next = await lines.next();
        o.signal.throwIfAborted();
        if (next.done) {
          if (open) end(next.value.tables);
          if (next.value.rows !== written)
            throw new HoldfastError(
              'source_failed',
              `the source sent ${next.value.rows} lines of changes, ${written} arrived`,
            );
          return next.value;
        }
        if (!open) begin();
        const block = next.value;
        const cut = block.lastIndexOf(10) + 1;
        if (cut > 0 && this.#filler.full) {
          await this.#options.stage.room(o);
          writer.append(block.subarray(0, cut));
          end();
          // At once, even if nothing follows: the last part is the one that says which tables changed.
          begin();
          writer.append(block.subarray(cut));
        } else writer.append(block);
      }
    } finally {
      await lines.return({ rows: 0, tables: {} } as unknown as R);
    }
  }

  /** Closes what is open; then all chunks and segments of the run are known. */
  finish(): { readonly segments: SegmentEntry[]; readonly chunks: ChunkEntry[] } {
    this.#take(undefined, this.#filler.close());
    // In the order of their numbers, also beyond 999, where names get longer.
    const segments = [...this.#segments].sort(
      (a, b) => a.name.length - b.name.length || (a.name < b.name ? -1 : 1),
    );
    const index = new Map(segments.map((segment, at) => [segment.name, at]));
    const chunks = this.#chunks
      .map(({ segment, entry }): ChunkEntry => ({ ...entry, segment: index.get(segment) ?? -1 }))
      .sort((a, b) => a.segment - b.segment || a.offset - b.offset);
    return { segments, chunks };
  }

  /** Nothing was written. */
  get empty(): boolean {
    return this.#chunks.length === 0;
  }

  #take(chunk: StoredChunk | undefined, closed: SegmentEntry | undefined): void {
    if (chunk) {
      this.#chunks.push(chunk);
      this.#rows += chunk.entry.kind === 'rows' ? chunk.entry.rows : 0;
      this.#options.observer({ kind: 'step', step: 'chunk-written', detail: chunk.entry.path });
      this.#progress(0);
    }
    if (closed) {
      this.#segments.push(closed);
      this.#options.observer({ kind: 'step', step: 'segment-closed', detail: closed.name });
      this.#options.stage.push(closed);
    }
  }

  #progress(bytes: number): void {
    this.#doneBytes += bytes;
    this.#options.observer({
      kind: 'progress',
      phase: 'reading',
      doneBytes: this.#doneBytes,
      totalBytes: Math.max(this.#totalBytes, this.#doneBytes),
      rows: this.#rows,
    });
  }

  #segmentOptions(): Omit<StoreInit, 'view'> {
    const { stage, sequence, scope, image, segmentBytesTarget = bytesTarget } = this.#options;
    return { directory: stage.directory, sequence, scope, image, counter: this.#counter, segmentBytesTarget };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#filler.abandon();
  }
}

/** Waits for all, so that nothing works on behind our back, and then fails with the first failure. */
async function settleAll(work: readonly Promise<unknown>[]): Promise<void> {
  const outcomes = await Promise.allSettled(work);
  const failures = outcomes
    .filter((outcome) => outcome.status === 'rejected')
    .map((outcome) => outcome.reason);
  if (failures.length === 0) return;
  throw failures.find((failure) => HoldfastError.from(failure).code !== 'cancelled') ?? failures[0];
}

function sum(plans: readonly ChunkPlan[]): number {
  return plans.reduce((bytes, plan) => bytes + plan.estimatedBytes, 0);
}

/** Worker threads when nobody says otherwise: one per core, up to what one database's server should be asked for. */
export function defaultWorkers(): number {
  return Math.max(1, Math.min(4, availableParallelism()));
}
