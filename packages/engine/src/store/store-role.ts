/** The role of a worker that reads chunks of a frozen view into segments of its own. */
import {
  type ChunkPlan,
  type ChunkReader,
  type DriverToken,
  type Scope,
  type SegmentEntry,
  type SourceWorkerModule,
  segmentName,
} from '@holdfast/core';
import type { Role, RoleOptions } from '../pool/role.ts';
import { ChunkWriter, type StoredChunk, storeChunk } from './chunk-writer.ts';
import { SegmentWriter } from './segment-writer.ts';

export interface StoreInit {
  readonly view: DriverToken;
  readonly directory: string;
  readonly sequence: number;
  readonly scope: Scope;
  readonly image: boolean;
  /** One 32-bit number shared by all writers of the run: how many segments were begun. */
  readonly counter: SharedArrayBuffer;
  readonly segmentBytesTarget: number;
}

export interface StoreJob {
  readonly plan: ChunkPlan;
  readonly knownDigest?: string | undefined;
}

export interface StoreResult {
  /** Undefined: compared, and the same. */
  readonly chunk: StoredChunk | undefined;
  /** A segment that this chunk filled. */
  readonly closed: SegmentEntry | undefined;
}

const segmentBytesLeast = 8 * 1024 * 1024;
/** Of what its writer has stored before. */
const segmentPart = 1 / 8;

/** Writes chunks into one segment after another. Also used by the run's own thread, for what only it can read. */
export class SegmentFiller {
  readonly #init: Omit<StoreInit, 'view'>;
  readonly writer: ChunkWriter;
  #segment: SegmentWriter | undefined;
  #closedBytes = 0;

  constructor(init: Omit<StoreInit, 'view'>, onBytes: (rawBytes: number) => void) {
    this.#init = init;
    this.writer = new ChunkWriter(onBytes);
  }

  readonly segment = (): SegmentWriter => {
    const { directory, sequence, scope, image, counter } = this.#init;
    this.#segment ??= new SegmentWriter(
      directory,
      segmentName(sequence, scope, Atomics.add(new Int32Array(counter), 0, 1) + 1, image),
    );
    return this.#segment;
  };

  /**
   * The segment has reached its size. The first ones stay smaller: when the last row is read, what is not yet on its
   * way is what everybody waits for, and shall be a small part of the whole.
   */
  get full(): boolean {
    const growing = Math.max(segmentBytesLeast, this.#closedBytes * segmentPart);
    return (this.#segment?.bytes ?? 0) >= Math.min(this.#init.segmentBytesTarget, growing);
  }

  /** Closes the segment if it has reached its size. */
  closeIfFull(): SegmentEntry | undefined {
    return this.full ? this.close() : undefined;
  }

  close(): SegmentEntry | undefined {
    const segment = this.#segment;
    this.#segment = undefined;
    this.#closedBytes += segment?.bytes ?? 0;
    return segment?.close();
  }

  abandon(): void {
    this.#segment?.abandon();
    this.#segment = undefined;
  }
}

class StoreRole implements Role<StoreJob, StoreResult, SegmentEntry | undefined> {
  readonly #reader: ChunkReader;
  readonly #filler: SegmentFiller;
  readonly #signal: AbortSignal;

  constructor(reader: ChunkReader, filler: SegmentFiller, signal: AbortSignal) {
    this.#reader = reader;
    this.#filler = filler;
    this.#signal = signal;
  }

  async run(job: StoreJob): Promise<StoreResult> {
    const chunk = await storeChunk(job.plan, this.#reader, this.#filler.writer, this.#filler.segment, {
      signal: this.#signal,
      knownDigest: job.knownDigest,
    });
    return { chunk, closed: this.#filler.closeIfFull() };
  }

  async end(): Promise<SegmentEntry | undefined> {
    return this.#filler.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#filler.abandon();
    await this.#reader[Symbol.asyncDispose]();
  }
}

export async function openRole(init: StoreInit, o: RoleOptions): Promise<StoreRole> {
  const module = (await import(init.view.module)) as SourceWorkerModule;
  const reader = await module.openReader(init.view.data, { signal: o.signal });
  return new StoreRole(reader, new SegmentFiller(init, (bytes) => o.progress(bytes, 0)), o.signal);
}
