import { HoldfastError } from '@holdfast/core';
import { jsonToCopyWasm } from './assembly/json-to-copy.wasm.generated.ts';

/** What `assembly/json-to-copy.as` exports. */
interface Converter {
  init(inputAt: number, outputAt: number): void;
  reset(columns: number): void;
  convert(bytes: number): void;
  getFault(): number;
  getFaultAt(): number;
  getOutputBytes(): number;
  getRows(): number;
  isBetweenLines(): number;
  clearOutput(): void;
}

/** By the fault codes of `assembly/json-to-copy.as`. */
const faults: readonly string[] = [
  'none',
  'a line is not one JSON array',
  'a value is neither a string nor null',
  'a control character stands unescaped in a string',
  'an escape is none of JSON',
  'a value contains U+0000, which PostgreSQL cannot store',
  'half of a surrogate pair stands alone',
  'a row has another number of values than the table has columns',
];

const pageBytes = 65536;
/** Vectors are read and written whole, up to this far behind an end. */
const slackBytes = 128;
/** Type and length of the CopyData message that a block is. */
const frameBytes = 5;

let compiled: WebAssembly.Module | undefined;

/**
 * Turns lines of JSON arrays of strings and nulls back into what `COPY … FROM STDIN` reads: each block is one CopyData
 * message, ready for the socket, and may end in the middle of a row. The caller writes lines, cut anywhere, into
 * `input`, and calls `convert`; takes the block when `due`; and, before the last block, calls `end`.
 *
 * What is not such a line is an error, for good, and never a wrong row: other values than strings and null, raw control
 * characters, bad escapes, a row with more or fewer values than the others. UTF-8 is passed on; the server checks it.
 */
export class JsonToCopy {
  readonly input: Uint8Array<ArrayBuffer>;
  readonly #memory: ArrayBuffer;
  readonly #converter: Converter;
  readonly #outputAt: number;
  readonly #blockBytes: number;
  #convertedBytes = 0;
  #failure: HoldfastError | undefined;

  constructor(options: { readonly inputBytes?: number; readonly blockBytes?: number } = {}) {
    const inputBytes = options.inputBytes ?? 256 * 1024;
    this.#blockBytes = options.blockBytes ?? 1024 * 1024;
    this.#outputAt = Math.ceil((pageBytes + inputBytes + slackBytes) / 64) * 64 + 64;
    // COPY text is never longer than the JSON it stands for, but for an escape's first half in an earlier input.
    const end = this.#outputAt + this.#blockBytes + inputBytes + slackBytes;
    const memory = new WebAssembly.Memory({ initial: Math.ceil(end / pageBytes) });
    compiled ??= new WebAssembly.Module(Uint8Array.fromBase64(jsonToCopyWasm));
    this.#converter = new WebAssembly.Instance(compiled, { env: { memory } }).exports as unknown as Converter;
    this.#converter.init(pageBytes, this.#outputAt);
    this.#memory = memory.buffer;
    this.input = new Uint8Array(memory.buffer, pageBytes, inputBytes);
  }

  /**
   * Forgets everything and begins anew, for a table of this many columns; without a number, the first row's counts.
   * Give it where it is known: to a table of one column, the row `[]` would else be an empty string.
   */
  reset(options: { readonly columns?: number } = {}): void {
    this.#converter.reset(options.columns ?? -1);
    this.#convertedBytes = 0;
    this.#failure = undefined;
  }

  /**
   * Takes the first n bytes of `input`.
   * @throws HoldfastError corrupt at the first byte that no such line can have there; until `reset` always
   */
  convert(n: number): void {
    if (this.#failure) throw this.#failure;
    if (this.due) throw new HoldfastError('internal', 'convert was called before the full block was taken');
    this.#converter.convert(n);
    const fault = this.#converter.getFault();
    if (fault !== 0) this.#fail(faults[fault] ?? '', this.#convertedBytes + this.#converter.getFaultAt());
    this.#convertedBytes += n;
  }

  /** Says that no more input comes. @throws HoldfastError corrupt if it ended in the middle of a line */
  end(): void {
    if (this.#failure) throw this.#failure;
    if (!this.#converter.isBetweenLines()) {
      this.#fail('the rows end in the middle of a line', this.#convertedBytes);
    }
  }

  /** The block holds at least `blockBytes`: it must be taken and released before the next `convert`. */
  get due(): boolean {
    return this.#converter.getOutputBytes() >= this.#blockBytes;
  }

  /** One CopyData message, or nothing at all if there is no data for one: a view, valid until `release`. */
  take(): Uint8Array<ArrayBuffer> {
    if (this.#failure) throw this.#failure;
    const bytes = this.#converter.getOutputBytes();
    if (bytes === 0) return new Uint8Array(this.#memory, this.#outputAt, 0);
    const message = new DataView(this.#memory, this.#outputAt - frameBytes, frameBytes);
    message.setUint8(0, 'd'.charCodeAt(0));
    message.setInt32(1, bytes + 4);
    return new Uint8Array(this.#memory, this.#outputAt - frameBytes, frameBytes + bytes);
  }

  /** Empties the block. */
  release(): void {
    this.#converter.clearOutput();
  }

  /** Rows whose line has ended. */
  get rows(): number {
    return this.#converter.getRows();
  }

  #fail(what: string, at: number): never {
    this.#failure = new HoldfastError(
      'corrupt',
      `cannot read rows: ${what} (row ${this.rows + 1}, byte ${at})`,
    );
    throw this.#failure;
  }
}
