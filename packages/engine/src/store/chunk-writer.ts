import { createHash } from 'node:crypto';
import {
  type ChunkEntry,
  type ChunkHeader,
  type ChunkPlan,
  type ChunkReader,
  HoldfastError,
  RowDigest,
  type Sig,
} from '@holdfast/core';
import { compressFrame, release } from './frames.ts';
import { ImageWriter } from './image-writer.ts';
import type { SegmentWriter } from './segment-writer.ts';

/** A chunk that is stored, and in which segment. */
export interface StoredChunk {
  readonly segment: string;
  readonly entry: Omit<ChunkEntry, 'segment'>;
}

const utf8 = new TextEncoder();

/** A comparison moves bytes too, and says so this often: a run that only compares is not stuck. */
const comparedBytesStep = 1024 * 1024;

/** One chunk at a time: collects its bytes into frames, counts and digests its rows on the way. */
export class ChunkWriter {
  readonly #rows = new RowDigest();
  readonly onBytes: (rawBytes: number) => void;
  #segment: SegmentWriter | undefined;
  #path = '';
  #kind: ChunkPlan['kind'] | 'changes' = 'rows';
  #offset = 0;
  #rawBytes = 0;
  #frames: number[] = [];
  #hash = createHash('sha256');

  constructor(onBytes: (rawBytes: number) => void) {
    this.onBytes = onBytes;
  }

  begin(segment: SegmentWriter, header: ChunkHeader): void {
    this.#segment = segment;
    this.#path = header.chunk;
    this.#kind = header.kind;
    this.#offset = segment.bytes;
    this.#rawBytes = 0;
    this.#frames = [];
    this.#hash = createHash('sha256');
    this.#rows.reset();
    this.append(utf8.encode(`${JSON.stringify(header)}\n`));
  }

  append(block: Uint8Array): void {
    for (let rest = block; rest.length > 0; ) {
      rest = rest.subarray(this.#rows.append(rest));
      if (this.#rows.freeBytes === 0) this.#flush();
    }
  }

  /** Its memory, between two chunks, for a pass that only digests: there may be thousands of them. */
  get idle(): RowDigest {
    return this.#rows;
  }

  /** Rows so far. */
  get rows(): number {
    this.#rows.absorb();
    return this.#rows.rows;
  }

  end(): StoredChunk {
    this.#rows.absorb();
    if (this.#rows.midLine)
      throw new HoldfastError('source_failed', `chunk ${this.#path} ended in the middle of a row`);
    const { rows, digest } = this.#rows;
    this.append(utf8.encode(`${JSON.stringify({ rows, digest })}\n`));
    this.#flush();
    return {
      segment: this.#segment?.name ?? '',
      entry: {
        path: this.#path,
        kind: this.#kind,
        offset: this.#offset,
        bytes: (this.#segment?.bytes ?? 0) - this.#offset,
        frames: this.#frames,
        rawBytes: this.#rawBytes,
        rows,
        sha256: this.#hash.digest('hex'),
        digest,
      },
    };
  }

  #flush(): void {
    const bytes = this.#rows.bytes();
    if (bytes.length === 0) return;
    const frame = compressFrame(bytes);
    this.#segment?.append(frame);
    this.#hash.update(frame);
    this.#frames.push(frame.length);
    release(frame);
    this.#rawBytes += bytes.length;
    this.onBytes(bytes.length);
    this.#rows.clear();
  }
}

/**
 * Reads a chunk and writes it; undefined when it is to be compared and its digest is the one given. The rows that
 * the database says it sent must be the rows that were written.
 */
export async function storeChunk(
  plan: ChunkPlan,
  from: ChunkReader,
  writer: ChunkWriter,
  segment: () => SegmentWriter,
  o: Sig & { readonly knownDigest?: string | undefined },
): Promise<StoredChunk | undefined> {
  if (plan.compare && o.knownDigest !== undefined) {
    const digest = await digestOf(plan, from, { ...o, rows: writer.idle, onBytes: writer.onBytes });
    if (digest === o.knownDigest) return undefined;
  }
  if (plan.kind === 'image') {
    const image = new ImageWriter(segment(), writer.onBytes);
    await drain(plan, from, o, (block) => image.append(block));
    return image.end(plan);
  }
  writer.begin(segment(), { chunk: plan.path, kind: plan.kind, columns: plan.columns });
  const said = await drain(plan, from, o, (block) => writer.append(block));
  assertRows(plan.path, writer.rows, said);
  return writer.end();
}

async function digestOf(
  plan: ChunkPlan,
  from: ChunkReader,
  { rows, onBytes, ...o }: Sig & { readonly rows: RowDigest; readonly onBytes: (bytes: number) => void },
): Promise<string> {
  rows.reset();
  let untoldBytes = 0;
  const said = await drain(plan, from, o, (block) => {
    untoldBytes += block.length;
    if (untoldBytes >= comparedBytesStep) {
      onBytes(untoldBytes);
      untoldBytes = 0;
    }
    for (let rest = block; rest.length > 0; ) {
      rest = rest.subarray(rows.append(rest));
      rows.clear();
    }
  });
  onBytes(untoldBytes);
  assertRows(plan.path, rows.rows, said);
  return rows.digest;
}

async function drain(
  plan: ChunkPlan,
  from: ChunkReader,
  o: Sig,
  take: (block: Uint8Array) => void | Promise<void>,
): Promise<number> {
  const blocks = from.read(plan, { signal: o.signal });
  try {
    for (;;) {
      const next = await blocks.next();
      if (next.done) return next.value.rows;
      o.signal.throwIfAborted();
      const taken = take(next.value);
      if (taken) await taken;
    }
  } finally {
    // Nothing to wait for when it ran to its end; after a failure here, the reader must let go of the server.
    await blocks.return({ rows: 0 });
  }
}

function assertRows(path: string, counted: number, said: number): void {
  if (counted !== said)
    throw new HoldfastError(
      'source_failed',
      `chunk ${path}: the database says it sent ${said} rows, ${counted} arrived`,
      { hint: 'run the backup again; if it happens again, this is a defect worth a report' },
    );
}
