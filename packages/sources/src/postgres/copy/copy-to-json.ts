import { HoldfastError } from '@holdfast/core';
import { copyToJsonWasm } from './assembly/copy-to-json.wasm.generated.ts';

/** What `assembly/copy-to-json.as` exports. */
interface Scanner {
  init(inputAt: number, controlAt: number, outputAt: number): void;
  scan(bytes: number): void;
  getFault(): number;
  getFaultAt(): number;
  getOutputBytes(): number;
  getControlBytes(): number;
  getRows(): number;
  getColumns(): number;
  isCopying(): number;
  clearOutput(): void;
  clearControl(): void;
}

/** A message of the server that is not row data. */
export interface BackendMessage {
  /** One letter, as the protocol names it: `C` CommandComplete, `E` ErrorResponse, `Z` ReadyForQuery … */
  readonly type: string;
  /** The payload, without type and length. A copy. */
  readonly body: Uint8Array;
}

/** By the fault codes of `assembly/copy-to-json.as`. */
const faults: readonly string[] = [
  'none',
  'a message has an impossible length',
  'the server copies in binary format, not as text',
  'row data came outside of a COPY',
  'the COPY ended in the middle of a row',
  'a row has another number of columns than the COPY announced',
];

const pageBytes = 65536;
/** A control character becomes `\u00xx`. Nothing else grows as much. */
const growthMax = 6;
/** Vectors are read and written whole, up to this far behind an end. */
const slackBytes = 128;
/** Messages other than row data are a few hundred bytes; a detail of an error may quote a value. */
const messageBytesMax = 64 * 1024 * 1024;

let compiled: WebAssembly.Module | undefined;

/**
 * Turns what a PostgreSQL server sends during `COPY … TO STDOUT` into lines of JSON arrays: every value the text that
 * COPY prints, NULL `null`, a row without columns `[]`. The socket writes into `input`, which is WebAssembly memory;
 * `scan` strips the protocol and adds to a block, which is taken when `due` and once more when the COPY is over.
 * Messages that are not row data are handed out as they are. One COPY at a time: rows of two would share a block.
 */
export class CopyToJson {
  /** For the socket to write into: `net.connect({ onread: { buffer: input, callback: (n) => … scan(n) … } })`. */
  readonly input: Uint8Array<ArrayBuffer>;
  readonly #memory: ArrayBuffer;
  readonly #scanner: Scanner;
  readonly #controlAt: number;
  readonly #outputAt: number;
  readonly #blockBytes: number;
  #control: Uint8Array = new Uint8Array(0);
  #scannedBytes = 0;
  #failure: HoldfastError | undefined;

  constructor(options: { readonly inputBytes?: number; readonly blockBytes?: number } = {}) {
    const inputBytes = options.inputBytes ?? 256 * 1024;
    this.#blockBytes = options.blockBytes ?? 4 * 1024 * 1024;
    this.#controlAt = align(pageBytes + inputBytes + slackBytes);
    this.#outputAt = align(this.#controlAt + inputBytes + slackBytes);
    // `scan` refuses to begin with a full block, so that the input's growth comes on top of less than a block.
    const end = this.#outputAt + this.#blockBytes + growthMax * inputBytes + slackBytes;
    const memory = new WebAssembly.Memory({ initial: Math.ceil(end / pageBytes) });
    compiled ??= new WebAssembly.Module(Uint8Array.fromBase64(copyToJsonWasm));
    this.#scanner = new WebAssembly.Instance(compiled, { env: { memory } }).exports as unknown as Scanner;
    this.#scanner.init(pageBytes, this.#controlAt, this.#outputAt);
    this.#memory = memory.buffer;
    this.input = new Uint8Array(memory.buffer, pageBytes, inputBytes);
  }

  /**
   * Takes the first n bytes of `input`, and returns the messages among them that are not row data, in their order.
   * @throws HoldfastError source_failed when the stream is not what a COPY sends; from then on always
   */
  scan(n: number): readonly BackendMessage[] {
    if (this.#failure) throw this.#failure;
    if (this.due) throw new HoldfastError('internal', 'scan was called before the full block was taken');
    this.#scanner.scan(n);
    const fault = this.#scanner.getFault();
    if (fault !== 0) {
      const at = this.#scannedBytes + this.#scanner.getFaultAt();
      this.#fail(`${faults[fault]} (row ${this.rows + 1}, byte ${at} of the stream)`);
    }
    this.#scannedBytes += n;
    return this.#scanner.getControlBytes() === 0 ? [] : this.#messages();
  }

  /** The block holds at least `blockBytes`: it must be taken and released before the next `scan`. */
  get due(): boolean {
    return this.#scanner.getOutputBytes() >= this.#blockBytes;
  }

  /** What the block holds, possibly ending in the middle of a row: a view, valid until `release`. */
  take(): Uint8Array<ArrayBuffer> {
    if (this.#failure) throw this.#failure;
    return new Uint8Array(this.#memory, this.#outputAt, this.#scanner.getOutputBytes());
  }

  /** Empties the block. */
  release(): void {
    this.#scanner.clearOutput();
  }

  /** Rows of the current or last COPY so far: to be compared with the server's `COPY n`. */
  get rows(): number {
    return this.#scanner.getRows();
  }

  /** Columns of the current or last COPY. */
  get columns(): number {
    return this.#scanner.getColumns();
  }

  /** A COPY has begun and neither ended nor failed. */
  get copying(): boolean {
    return this.#scanner.isCopying() !== 0;
  }

  /** Whole messages out of what `scan` set aside; the rest waits for the next one. */
  #messages(): readonly BackendMessage[] {
    const fresh = new Uint8Array(this.#memory, this.#controlAt, this.#scanner.getControlBytes());
    const bytes = new Uint8Array(this.#control.length + fresh.length);
    bytes.set(this.#control);
    bytes.set(fresh, this.#control.length);
    this.#scanner.clearControl();
    const view = new DataView(bytes.buffer);
    const messages: BackendMessage[] = [];
    let at = 0;
    while (at + 5 <= bytes.length) {
      const end = at + 1 + view.getInt32(at + 1);
      if (end - at > messageBytesMax)
        this.#fail(`a message of ${end - at} bytes is longer than any expected`);
      if (end > bytes.length) break;
      messages.push({ type: String.fromCharCode(view.getUint8(at)), body: bytes.slice(at + 5, end) });
      at = end;
    }
    this.#control = bytes.subarray(at);
    return messages;
  }

  #fail(what: string): never {
    this.#failure = new HoldfastError('source_failed', `cannot read the server's COPY: ${what}`);
    throw this.#failure;
  }
}

function align(bytes: number): number {
  return Math.ceil(bytes / 64) * 64;
}
