import { createHash } from 'node:crypto';
import { type ChunkEntry, type ChunkHeader, HoldfastError, type RowDigest } from '@holdfast/core';
import type { FindingKind } from '../api.ts';
import { decompressFrame, release } from '../store/frames.ts';
import type { SegmentReader } from './segment-reader.ts';

/** Stored bytes that are not what their manifest promises. */
export class Damage extends HoldfastError {
  readonly finding: FindingKind;

  constructor(finding: FindingKind, path: string, detail: string) {
    super('corrupt', `${finding}: chunk ${path}: ${detail}`, {
      hint: '`holdfast check` lists everything that is wrong at this destination',
    });
    this.finding = finding;
  }
}

const utf8 = new TextDecoder();

/**
 * Reads one chunk and proves it on the way: every stored byte against the chunk's SHA-256, every row against its
 * count and digest. What it yielded is only good once it has ended: whoever loads it commits after that.
 */
export class ChunkStream {
  readonly #entry: ChunkEntry;
  readonly #segment: SegmentReader;
  readonly #rows: RowDigest;
  #header: ChunkHeader | undefined;
  #rawBytes = 0;

  /** `rows` is the caller's, so that its memory serves one chunk after another. */
  constructor(entry: ChunkEntry, segment: SegmentReader, rows: RowDigest) {
    this.#entry = entry;
    this.#segment = segment;
    if (entry.kind === 'image') this.#header = { chunk: entry.path, kind: 'image', columns: [] };
    this.#rows = rows;
    rows.reset();
  }

  /** Known once the first block was asked for. */
  get header(): ChunkHeader {
    if (!this.#header) throw new HoldfastError('internal', `chunk ${this.#entry.path} was not read yet`);
    return this.#header;
  }

  /**
   * Blocks of rows cut at any byte, without header and trailer; of an image, its bytes. Each is valid until the next.
   * @throws Damage
   */
  async *blocks(): AsyncGenerator<Uint8Array, void, void> {
    const { path, frames, sha256 } = this.#entry;
    const hash = createHash('sha256');
    let damage: Damage | undefined;
    for (const bytes of frames) {
      const frame = await this.#segment.take(bytes);
      hash.update(frame);
      // After the first bad frame only the hash goes on: it says whether the bytes were changed since they were stored.
      if (damage) continue;
      let rows: Uint8Array;
      try {
        rows = this.#open(frame);
      } catch (error) {
        damage =
          error instanceof Damage
            ? error
            : new Damage('unreadable frame', path, HoldfastError.from(error).reason);
        continue;
      }
      if (rows.length > 0) yield rows;
      if (this.#entry.kind === 'image') release(rows);
    }
    if (hash.digest('hex') !== sha256)
      throw new Damage('wrong checksum', path, 'its stored bytes were changed');
    if (damage) throw damage;
    this.#assertContent();
  }

  #open(frame: Uint8Array): Uint8Array {
    const { path, kind } = this.#entry;
    const block = decompressFrame(frame);
    this.#rawBytes += block.length;
    if (kind === 'image') return block;
    const first = this.#rawBytes === block.length;
    if (!first) this.#rows.clear();
    const whole = this.#rows.append(block) === block.length;
    release(block);
    if (!whole)
      throw new Damage(
        'unreadable frame',
        path,
        `a frame holds more than the ${this.#rows.capacityBytes} bytes it may`,
      );
    const rows = this.#rows.rowBytes();
    if (first) this.#header = this.#parseHeader();
    return rows;
  }

  #parseHeader(): ChunkHeader {
    const line = utf8.decode(this.#rows.bytes().subarray(0, this.#rows.headerEnd));
    try {
      return JSON.parse(line) as ChunkHeader;
    } catch {
      throw new Damage('unreadable frame', this.#entry.path, 'its first line is not a chunk header');
    }
  }

  #assertContent(): void {
    const { path, kind, rows, rawBytes, digest } = this.#entry;
    if (this.#rawBytes !== rawBytes)
      throw new Damage('row count', path, `it holds ${this.#rawBytes} bytes instead of ${rawBytes}`);
    if (kind === 'image') return;
    if (!this.#rows.framed) throw new Damage('row count', path, 'it is not a header, rows and a trailer');
    if (this.#rows.rows !== rows)
      throw new Damage('row count', path, `it holds ${this.#rows.rows} rows instead of ${rows}`);
    if (this.#rows.digest !== digest)
      throw new Damage('row count', path, 'its rows are not those that were counted');
  }
}
