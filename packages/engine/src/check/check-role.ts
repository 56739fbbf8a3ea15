/** The role of a worker that re-reads stretches of segments and says what is wrong with the chunks in them. */
import {
  type ChunkEntry,
  type Destination,
  type DestinationWorkerModule,
  type DriverToken,
  HoldfastError,
  RowDigest,
} from '@holdfast/core';
import type { FindingKind } from '../api.ts';
import type { Role, RoleOptions } from '../pool/role.ts';
import { ChunkStream, Damage } from '../read/chunk-stream.ts';
import { SegmentReader } from '../read/segment-reader.ts';

export interface CheckInit {
  readonly destination: DriverToken;
}

/** Chunks that follow one another in one segment. */
export interface CheckJob {
  readonly key: string;
  readonly backup: string;
  readonly task: string;
  readonly chunks: readonly ChunkEntry[];
}

export interface ChunkDamage {
  readonly path: string;
  readonly finding: FindingKind;
  readonly detail: string;
}

class CheckRole implements Role<CheckJob, ChunkDamage[], undefined> {
  readonly #destination: Destination;
  readonly #o: RoleOptions;
  readonly #rows = new RowDigest();

  constructor(destination: Destination, o: RoleOptions) {
    this.#destination = destination;
    this.#o = o;
  }

  async run(job: CheckJob): Promise<ChunkDamage[]> {
    const damages: ChunkDamage[] = [];
    let rest = job.chunks;
    while (rest.length > 0) {
      const checked = await this.#stretch(job.key, rest, damages);
      rest = rest.slice(checked);
    }
    return damages;
  }

  /** Checks chunks in one go; ends early at a chunk after which the reading position is no longer known. */
  async #stretch(key: string, chunks: readonly ChunkEntry[], damages: ChunkDamage[]): Promise<number> {
    const [first] = chunks;
    const last = chunks.at(-1);
    if (!first || !last) return 0;
    const { signal } = this.#o;
    const length = last.offset + last.bytes - first.offset;
    await using segment = new SegmentReader(this.#destination, key, { signal, start: first.offset, length });
    for (const [index, chunk] of chunks.entries()) {
      const damage = await this.#chunk(chunk, segment);
      if (!damage) continue;
      damages.push(damage);
      return index + 1;
    }
    return chunks.length;
  }

  async #chunk(chunk: ChunkEntry, segment: SegmentReader): Promise<ChunkDamage | undefined> {
    try {
      for await (const _ of new ChunkStream(chunk, segment, this.#rows).blocks()) {
        this.#o.signal.throwIfAborted();
      }
      this.#o.progress(chunk.bytes, chunk.rows);
      return undefined;
    } catch (error) {
      this.#o.progress(chunk.bytes, 0);
      return { path: chunk.path, ...diagnosis(error) };
    }
  }

  async end(): Promise<undefined> {
    return undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#destination[Symbol.asyncDispose]();
  }
}

/** What a failed reading says of the chunk; what says something of the destination instead is thrown on. */
function diagnosis(error: unknown): { finding: FindingKind; detail: string } {
  if (error instanceof Damage) return { finding: error.finding, detail: error.reason };
  const failure = HoldfastError.from(error);
  if (failure.code === 'not_found') return { finding: 'missing', detail: failure.reason };
  if (failure.code === 'out_of_range') return { finding: 'wrong size', detail: failure.reason };
  if (failure.code === 'corrupt') return { finding: 'unreadable frame', detail: failure.reason };
  throw failure;
}

export async function openRole(init: CheckInit, o: RoleOptions): Promise<CheckRole> {
  const module = (await import(init.destination.module)) as DestinationWorkerModule;
  return new CheckRole(await module.openDestination(init.destination.data, { signal: o.signal }), o);
}
