/** The role of a worker that loads chunks into a restore target, changes folded in. */
import {
  type ChunkHeader,
  type ChunkLoader,
  type Column,
  type Destination,
  type DestinationWorkerModule,
  type DriverToken,
  HoldfastError,
  RowDigest,
  type SourceWorkerModule,
} from '@holdfast/core';
import type { Role, RoleOptions } from '../pool/role.ts';
import { blamingDamage } from '../read/blaming-damage.ts';
import { openChunk } from '../read/open-chunk.ts';
import type { StoredChunkRef } from './content.ts';
import type { OverlayToken } from './overlay.ts';
import { OverlayReader } from './overlay-reader.ts';

export interface LoadInit {
  readonly destination: DriverToken;
  readonly target: DriverToken;
  /** The overlay's file, if anything is folded. */
  readonly overlay: string | undefined;
}

/** `loadedRows`: an interrupted restore has loaded it already; it is only read again, to know what was sent. */
export type LoadJob = {
  readonly loadedRows?: number | undefined;
} /** A stored chunk, under what its relation's changes made of it. */ & (
  | {
      readonly kind: 'chunk';
      readonly relation: string;
      readonly chunk: StoredChunkRef;
      readonly overlay?: OverlayToken;
    }
  /** The rows that only the changes brought. */
  | {
      readonly kind: 'live';
      readonly relation: string;
      readonly id: string;
      readonly overlay: OverlayToken;
    }
);

export interface LoadResult {
  readonly rows: number;
  /** Of what was sent. */
  readonly digest: string;
  /** Live rows that found the base row they take values from. */
  readonly merged: number;
}

type Loader = Pick<ChunkLoader, 'load'>;

/** Takes the place of a loader for what is loaded already. */
function loadedBefore(rows: number): Loader {
  return {
    async load(_header, blocks) {
      for await (const _ of blocks);
      return { rows };
    },
  };
}

class LoadRole implements Role<LoadJob, LoadResult, undefined> {
  readonly #destination: Destination;
  readonly #loader: ChunkLoader;
  readonly #overlayFile: string | undefined;
  readonly #o: RoleOptions;
  readonly #read = new RowDigest();
  readonly #sent = new RowDigest();
  #overlay: { readonly number: number; readonly reader: OverlayReader } | undefined;

  constructor(
    destination: Destination,
    loader: ChunkLoader,
    overlayFile: string | undefined,
    o: RoleOptions,
  ) {
    this.#destination = destination;
    this.#loader = loader;
    this.#overlayFile = overlayFile;
    this.#o = o;
  }

  run(job: LoadJob): Promise<LoadResult> {
    if (job.kind === 'live') return this.#live(job);
    return blamingDamage(this.#destination, [job.chunk], this.#o, () => this.#chunk(job));
  }

  async #chunk(job: Extract<LoadJob, { kind: 'chunk' }>): Promise<LoadResult> {
    const { signal } = this.#o;
    const { entry, id } = job.chunk;
    const loader = this.#loaderFor(job);
    await using chunk = await openChunk(this.#destination, job.chunk, this.#read, { signal });
    if (!job.overlay) {
      // What a chunk's own digest proves needs no second one.
      const rows = await this.#load(loader, chunk.header, chunk.blocks, id, () => this.#read.rows);
      this.#o.progress(entry.rawBytes, rows);
      return { rows, digest: entry.digest, merged: 0 };
    }
    const overlay = this.#openOverlay(job.overlay);
    const before = overlay.merged;
    const columns = chunk.header.columns.map(({ name }) => name);
    const rows = await this.#loadCounted(loader, chunk.header, overlay.over(chunk.blocks, columns), id);
    this.#o.progress(entry.rawBytes, rows);
    return { rows, digest: this.#sent.digest, merged: overlay.merged - before };
  }

  async #live(job: Extract<LoadJob, { kind: 'live' }>): Promise<LoadResult> {
    const overlay = this.#openOverlay(job.overlay);
    const columns = job.overlay.columns.map((name): Column => ({ name, type: '' }));
    const header: ChunkHeader = { chunk: job.relation, kind: 'rows', columns };
    const rows = await this.#loadCounted(this.#loaderFor(job), header, overlay.live(), job.id);
    this.#o.progress(0, rows);
    return { rows, digest: this.#sent.digest, merged: 0 };
  }

  #loadCounted(
    loader: Loader,
    header: ChunkHeader,
    blocks: AsyncIterable<Uint8Array>,
    id: string,
  ): Promise<number> {
    this.#sent.reset();
    return this.#load(loader, header, this.#counted(blocks), id, () => this.#sent.rows);
  }

  async *#counted(blocks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
    for await (const block of blocks) {
      for (let rest = block; rest.length > 0; ) {
        rest = rest.subarray(this.#sent.append(rest));
        this.#sent.clear();
      }
      yield block;
    }
  }

  /** The database must say that it took what was sent, row for row. */
  async #load(
    loader: Loader,
    header: ChunkHeader,
    blocks: AsyncIterable<Uint8Array>,
    id: string,
    sent: () => number,
  ): Promise<number> {
    const { rows } = await loader.load(header, blocks, { signal: this.#o.signal, id });
    if (rows !== sent())
      throw new HoldfastError(
        'source_failed',
        `${header.chunk}: ${sent()} rows were sent, the target says it took ${rows}`,
        {
          hint: 'the target was not published; look for triggers or rules that the restore did not make',
        },
      );
    return rows;
  }

  #loaderFor(job: LoadJob): Loader {
    return job.loadedRows === undefined ? this.#loader : loadedBefore(job.loadedRows);
  }

  #openOverlay(token: OverlayToken): OverlayReader {
    if (this.#overlay?.number === token.number) return this.#overlay.reader;
    this.#overlay?.reader[Symbol.dispose]();
    this.#overlay = { number: token.number, reader: new OverlayReader(this.#overlayFile ?? '', token) };
    return this.#overlay.reader;
  }

  async end(): Promise<undefined> {
    return undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#overlay?.reader[Symbol.dispose]();
    await this.#loader[Symbol.asyncDispose]();
    await this.#destination[Symbol.asyncDispose]();
  }
}

export async function openRole(init: LoadInit, o: RoleOptions): Promise<LoadRole> {
  const { signal } = o;
  const target = (await import(init.target.module)) as SourceWorkerModule;
  const destination = (await import(init.destination.module)) as DestinationWorkerModule;
  const loader = await target.openLoader(init.target.data, { signal });
  return new LoadRole(
    await destination.openDestination(init.destination.data, { signal }),
    loader,
    init.overlay,
    o,
  );
}
