import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { type ChunkPlan, HoldfastError } from '@holdfast/core';
import type { StoredChunk } from './chunk-writer.ts';
import { compressFrameAside, frameBytesMax, release } from './frames.ts';
import type { SegmentWriter } from './segment-writer.ts';

/** Frames that are compressed at once, while the next one is read. */
const compressingMax = availableParallelism();

/**
 * Writes a snapshot's image: a single stream, which cannot be shared among workers as the chunks of tables are. Its
 * frames are compressed side by side and stored in their order.
 */
export class ImageWriter {
  readonly #segment: SegmentWriter;
  readonly #onBytes: (rawBytes: number) => void;
  readonly #offset: number;
  readonly #hash = createHash('sha256');
  readonly #frames: number[] = [];
  readonly #compressing: { readonly frame: Promise<Uint8Array>; readonly buffer: Uint8Array<ArrayBuffer> }[] =
    [];
  readonly #spare: Uint8Array<ArrayBuffer>[] = [];
  #buffer = new Uint8Array(frameBytesMax);
  #used = 0;
  #rawBytes = 0;

  constructor(segment: SegmentWriter, onBytes: (rawBytes: number) => void) {
    this.#segment = segment;
    this.#onBytes = onBytes;
    this.#offset = segment.bytes;
  }

  /** The block may be used again once this resolves. */
  async append(block: Uint8Array): Promise<void> {
    for (let at = 0; at < block.length; ) {
      const part = block.subarray(at, at + frameBytesMax - this.#used);
      this.#buffer.set(part, this.#used);
      this.#used += part.length;
      at += part.length;
      if (this.#used === frameBytesMax) await this.#flush();
    }
  }

  async end(plan: ChunkPlan): Promise<StoredChunk> {
    await this.#flush();
    await this.#store(0);
    if (this.#rawBytes === 0)
      throw new HoldfastError('source_failed', `chunk ${plan.path} is an image without a byte`);
    return {
      segment: this.#segment.name,
      entry: {
        path: plan.path,
        kind: plan.kind,
        offset: this.#offset,
        bytes: this.#segment.bytes - this.#offset,
        frames: this.#frames,
        rawBytes: this.#rawBytes,
        rows: 0,
        sha256: this.#hash.digest('hex'),
        digest: '',
      },
    };
  }

  async #flush(): Promise<void> {
    if (this.#used === 0) return;
    const frame = compressFrameAside(this.#buffer.subarray(0, this.#used));
    // Awaited in its turn; until then, or if an earlier one fails, nobody else may be told.
    frame.catch(() => {});
    this.#compressing.push({ frame, buffer: this.#buffer });
    this.#rawBytes += this.#used;
    this.#onBytes(this.#used);
    await this.#store(compressingMax);
    this.#buffer = this.#spare.pop() ?? new Uint8Array(frameBytesMax);
    this.#used = 0;
  }

  /** Stores the oldest frames until no more than so many are being compressed. */
  async #store(compressing: number): Promise<void> {
    while (this.#compressing.length > compressing) {
      const oldest = this.#compressing.shift();
      if (!oldest) return;
      const frame = await oldest.frame;
      this.#spare.push(oldest.buffer);
      this.#segment.append(frame);
      this.#hash.update(frame);
      this.#frames.push(frame.length);
      release(frame);
    }
  }
}
