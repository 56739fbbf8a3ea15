import { HoldfastError } from '../errors.ts';
import { rowDigestWasm } from './assembly/row-digest.wasm.generated.ts';

/** What `assembly/row-digest.as` exports. Offsets count from the buffer's begin; line kinds: -1 none, 0 row, 1, 2. */
interface Digester {
  init(buffer: number): void;
  reset(): void;
  clear(): void;
  absorb(filled: number): void;
  getRows(): number;
  getMarkers(): number;
  getSumLow(): bigint;
  getSumHigh(): bigint;
  getOpen(): number;
  getLast(): number;
  getFirst(): number;
  getHeaderEnd(): number;
  getTrailerStart(): number;
}

const none = -1;
const row = 0;
const header = 1;
const trailer = 2;

const pageBytes = 65536;
/** The module's own data is in the first page. */
const bufferOffset = pageBytes;
/** The module reads whole vectors, up to this far behind the buffer's end. */
const slackBytes = 128;

let compiled: WebAssembly.Module | undefined;

/**
 * Counts and digests the rows of one chunk (`docs/format.md`): the sum, modulo 2^128, of the XXH64 of each line that
 * does not begin with `{`. It owns the buffer that it digests, so that one copy of the bytes serves the digest, the
 * compressor and the converter: append, absorb, use `bytes()`, clear. A line may be cut by the buffer's end anywhere.
 */
export class RowDigest {
  readonly capacityBytes: number;
  readonly #buffer: Uint8Array;
  readonly #digester: Digester;
  #filled = 0;

  constructor(options: { readonly capacityBytes?: number } = {}) {
    this.capacityBytes = options.capacityBytes ?? 4 * 1024 * 1024;
    const pages = Math.ceil((bufferOffset + this.capacityBytes + slackBytes) / pageBytes);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    compiled ??= new WebAssembly.Module(Uint8Array.fromBase64(rowDigestWasm));
    const instance = new WebAssembly.Instance(compiled, { env: { memory } });
    this.#digester = instance.exports as unknown as Digester;
    this.#buffer = new Uint8Array(memory.buffer, bufferOffset, this.capacityBytes);
    this.#digester.init(bufferOffset);
    this.#digester.reset();
  }

  /** How many bytes the buffer holds. */
  get filledBytes(): number {
    return this.#filled;
  }

  /** How many more it can take. */
  get freeBytes(): number {
    return this.capacityBytes - this.#filled;
  }

  /** Copies as much of the block as fits, and returns how many bytes that was. */
  append(block: Uint8Array): number {
    const taken = Math.min(block.length, this.freeBytes);
    this.#buffer.set(taken === block.length ? block : block.subarray(0, taken), this.#filled);
    this.#filled += taken;
    return taken;
  }

  /** The filled part of the buffer: a view, valid until the next `append`, `clear` or `reset`. */
  bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#filled);
  }

  /** Digests what was appended since the last call. */
  absorb(): void {
    this.#digester.absorb(this.#filled);
  }

  /** Empties the buffer, absorbed first, for more of the same chunk. */
  clear(): void {
    this.absorb();
    this.#digester.clear();
    this.#filled = 0;
  }

  /** Empties the buffer and forgets the chunk. */
  reset(): void {
    this.#digester.reset();
    this.#filled = 0;
  }

  /** Rows whose line ended in what was absorbed. */
  get rows(): number {
    return this.#digester.getRows();
  }

  /** Digest of those rows, 32 lower-case hexadecimal digits. */
  get digest(): string {
    const high = BigInt.asUintN(64, this.#digester.getSumHigh());
    return hex((high << 64n) | BigInt.asUintN(64, this.#digester.getSumLow()));
  }

  /** Lines that begin with `{`: the header and the trailer, in a chunk that is whole. */
  get markers(): number {
    return this.#digester.getMarkers();
  }

  /** What was absorbed ends in the middle of a line. */
  get midLine(): boolean {
    return this.#digester.getOpen() !== none;
  }

  /** The chunk so far is a header, rows, and a trailer, each line ended: what a whole chunk looks like. */
  get framed(): boolean {
    const d = this.#digester;
    return d.getFirst() === header && d.getLast() === trailer && d.getMarkers() === 2 && !this.midLine;
  }

  /**
   * Where, in the absorbed part of this buffer, the chunk's header line ends, newline included: 0 if it ended in an
   * earlier buffer or the chunk has none, all of the buffer while the header goes on.
   */
  get headerEnd(): number {
    return this.#digester.getOpen() === header ? this.#filled : this.#digester.getHeaderEnd();
  }

  /**
   * Where, in the absorbed part of this buffer, the last `{` line begins that is not the chunk's header: 0 if it began
   * in an earlier buffer and goes on in this one, undefined if there is none.
   */
  get trailerOffset(): number | undefined {
    const start = this.#digester.getTrailerStart();
    return start < 0 ? undefined : start;
  }

  /** The rows of this buffer without header and trailer: a view as `bytes()` is. Digests what was not yet. */
  rowBytes(): Uint8Array {
    this.absorb();
    const d = this.#digester;
    const end = this.trailerOffset ?? this.#filled;
    if (this.trailerOffset !== undefined && (d.getOpen() === row || (!this.midLine && d.getLast() === row))) {
      // Without this, rows behind a trailer would be counted but never restored.
      throw new HoldfastError('corrupt', 'the chunk has rows behind its trailer');
    }
    return this.#buffer.subarray(Math.min(this.headerEnd, end), end);
  }
}

/** The digest of no rows. */
export const emptyDigest = '0'.repeat(32);

/** The digest of two sets of rows together. */
export function addDigests(a: string, b: string): string {
  return hex(BigInt.asUintN(128, BigInt(`0x${a}`) + BigInt(`0x${b}`)));
}

function hex(sum: bigint): string {
  return sum.toString(16).padStart(32, '0');
}
