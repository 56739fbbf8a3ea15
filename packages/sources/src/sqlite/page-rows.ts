import { HoldfastError } from '@holdfast/core';
import { pageRowsWasm } from './assembly/page-rows.wasm.generated.ts';
import { PageFile, type PageImage } from './page-file.ts';
import { recordBlocks } from './record-text.ts';
import type { TableLayout } from './table-layout.ts';
import { realText } from './value-text.ts';

/** What `assembly/page-rows.as` exports. */
interface Converter {
  configure(
    plan: number,
    columns: number,
    stored: number,
    fields: number,
    extra: number,
    usable: number,
    foreign: boolean,
  ): void;
  setOutput(begin: number, end: number): void;
  getOut(): number;
  getRows(): number;
  getCell(): number;
  getPayloadLength(): number;
  getPayloadLocal(): number;
  getPayloadAt(): number;
  getRowid(): bigint;
  leaf(page: number, header: number, first: number, low: bigint, high: bigint, isIndex: boolean): number;
  interior(page: number, header: number, index: number): number;
  record(payload: number, length: number, rowid: bigint): number;
}

const done = 0;
const full = 1;
const overflow = 2;

const wasmPageBytes = 65_536;
/** The module's own data is in the first page of its memory. */
const planAt = wasmPageBytes;
const planBytes = 512 * 1024;
/** Payloads up to this size are converted by WebAssembly, larger ones by `record-text.ts`. */
const payloadMaxBytes = 256 * 1024;
const outputBytes = 1024 * 1024;
/** Room for the largest payload in its longest text, and for the largest row of defaults. */
const outputSlackBytes = 6 * payloadMaxBytes + 256 * 1024;
/** Deeper than any b-tree of 2^32 pages can be: only a page that is its own ancestor gets there. */
const depthMax = 40;
/** Leaves that are looked into to learn how large rows are. */
const sampleMax = 24;

let compiled: WebAssembly.Module | undefined;

export interface RowidRange {
  readonly low: bigint;
  readonly high: bigint;
}

export const allRowids: RowidRange = { low: -(2n ** 63n), high: 2n ** 63n - 1n };

/** A module and its memory. Making one takes milliseconds, so that a thread keeps those that are free. */
interface Bench {
  readonly memory: WebAssembly.Memory;
  readonly converter: Converter;
}

const spare: Bench[] = [];
const spareMax = 2;

const pagesAt = planAt + planBytes;
const payloadAt = pagesAt + PageFile.roomBytes;
const outputAt = payloadAt + payloadMaxBytes + 64;

function makeBench(): Bench {
  const total = Math.ceil((outputAt + outputBytes + outputSlackBytes + 64) / wasmPageBytes);
  const memory = new WebAssembly.Memory({ initial: total, maximum: total });
  const bytes = new Uint8Array(memory.buffer);
  const real = (value: number, to: number): number => {
    const text = realText(value);
    for (let i = 0; i < text.length; i++) bytes[to + i] = text.charCodeAt(i);
    return text.length;
  };
  compiled ??= new WebAssembly.Module(Uint8Array.fromBase64(pageRowsWasm));
  const { exports } = new WebAssembly.Instance(compiled, { env: { memory, real } });
  return { memory, converter: exports as unknown as Converter };
}

/** The rows of a frozen database, as lines, from its pages. One per thread and database. */
export class PageRows implements Disposable {
  readonly #file: PageFile;
  readonly #bench: Bench;
  readonly #converter: Converter;
  #rowsOfLarge = 0;

  constructor(image: PageImage) {
    this.#bench = spare.pop() ?? makeBench();
    this.#converter = this.#bench.converter;
    this.#file = new PageFile(image, this.#bench.memory.buffer, pagesAt);
  }

  [Symbol.dispose](): void {
    if (spare.length < spareMax && !spare.includes(this.#bench)) spare.push(this.#bench);
  }

  /** How many rows the last `read` has given so far. */
  get rows(): number {
    return this.#converter.getRows() + this.#rowsOfLarge;
  }

  /** Blocks of whole lines, each valid until the next is asked for. */
  *read(layout: TableLayout, range: RowidRange): Generator<Uint8Array, void, void> {
    this.#configure(layout);
    this.#setOutput();
    for (const at of this.#leaves(layout, range)) yield* this.#page(layout, range, at);
    yield* this.#flush();
  }

  /** The page at `at` and, for a WITHOUT ROWID table, which cells of it are meant. */
  *#page(layout: TableLayout, range: RowidRange, what: PageVisit): Generator<Uint8Array, void, void> {
    const header = what.number === 1 ? 100 : 0;
    let first = 0;
    for (;;) {
      const at = this.#file.page(what.number);
      const status =
        what.cell === undefined
          ? this.#converter.leaf(at, header, first, range.low, range.high, layout.withoutRowid)
          : this.#converter.interior(at, header, what.cell);
      if (status === done) {
        if (this.#converter.getOut() - outputAt >= outputBytes) yield* this.#flush();
        return;
      }
      if (status === full) {
        if (this.#converter.getOut() === outputAt) throw this.#file.corrupt(`page ${what.number}`);
        yield* this.#flush();
      } else if (status === overflow) {
        yield* this.#long(layout);
      } else {
        throw this.#file.corrupt(`page ${what.number}, cell ${this.#converter.getCell()}`);
      }
      if (what.cell !== undefined && status === overflow) return;
      first = this.#converter.getCell() + (status === overflow ? 1 : 0);
    }
  }

  /** A row that does not fit in its page. */
  *#long(layout: TableLayout): Generator<Uint8Array, void, void> {
    const length = this.#converter.getPayloadLength();
    const local = this.#converter.getPayloadLocal();
    const from = this.#converter.getPayloadAt();
    const rowid = this.#converter.getRowid();
    const bytes = this.#file.bytes;
    const { pageCount, usable } = this.#file.image;
    if (length > pageCount * usable) throw this.#file.corrupt(`a row of ${length} bytes`);
    const small = length <= payloadMaxBytes && this.#file.image.encoding === 'utf8';
    const payload = small ? bytes.subarray(payloadAt, payloadAt + length) : new Uint8Array(length);
    payload.set(bytes.subarray(from, from + local));
    if (local < length) {
      // Read before the pages of the chain overwrite the window.
      const next = this.#file.view.getUint32(from + local);
      this.#file.overflow(next, payload, local);
    }
    if (small) {
      let status = this.#converter.record(payloadAt, length, rowid);
      if (status === full) {
        yield* this.#flush();
        status = this.#converter.record(payloadAt, length, rowid);
      }
      if (status !== done) throw this.#file.corrupt(`the row with rowid ${rowid}`);
      return;
    }
    yield* this.#flush();
    yield* recordBlocks(payload, layout, rowid, this.#file);
    this.#rowsOfLarge += 1;
  }

  *#flush(): Generator<Uint8Array, void, void> {
    const end = this.#converter.getOut();
    if (end > outputAt) yield this.#file.bytes.subarray(outputAt, end);
    this.#setOutput();
  }

  #setOutput(): void {
    this.#converter.setOutput(outputAt, outputAt + outputBytes + outputSlackBytes);
  }

  /** In order: leaves that can hold rowids of the range, and, for an index, interior cells between them. */
  *#leaves(layout: TableLayout, range: RowidRange): Generator<PageVisit, void, void> {
    const leafType = layout.withoutRowid ? 10 : 13;
    const interiorType = layout.withoutRowid ? 2 : 5;
    const stack: Visit[] = [{ number: layout.rootPage, depth: 0 }];
    let visited = 0;
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      if (next.cell !== undefined) {
        yield next;
        continue;
      }
      visited += 1;
      if (visited > this.#file.image.pageCount)
        throw this.#file.corrupt('its pages refer to one another in a circle');
      const at = this.#file.page(next.number);
      const header = at + (next.number === 1 ? 100 : 0);
      const type = this.#file.bytes[header];
      if (type === leafType) {
        yield next;
      } else if (type === interiorType && next.depth < depthMax) {
        const children = this.#children(layout, range, next, header);
        for (const child of children.reverse()) stack.push(child);
      } else {
        throw this.#file.corrupt(`page ${next.number} is no page of this table (type ${type})`);
      }
    }
  }

  #children(layout: TableLayout, range: RowidRange, parent: Visit, header: number): Visit[] {
    const { view, bytes } = this.#file;
    const count = view.getUint16(header + 3);
    const base = header - (parent.number === 1 ? 100 : 0);
    const depth = parent.depth + 1;
    const visits: Visit[] = [];
    if (12 + 2 * count > this.#file.image.usable) throw this.#file.corrupt(`page ${parent.number}`);
    let below = allRowids.low;
    for (let i = 0; i < count; i++) {
      const cell = base + view.getUint16(header + 12 + 2 * i);
      const number = view.getUint32(cell);
      if (layout.withoutRowid) {
        visits.push({ number, depth }, { number: parent.number, depth, cell: i });
        continue;
      }
      const key = varintAt(bytes, cell + 4);
      if (key >= range.low && below <= range.high) visits.push({ number, depth });
      below = key;
    }
    if (layout.withoutRowid || below < range.high) visits.push({ number: view.getUint32(header + 8), depth });
    return visits;
  }

  /** Where the table's leaves end, and how much they hold: what ranges of like size are cut by. */
  measure(rootPage: number): TableMeasure {
    const leaves: number[] = [];
    const ends: bigint[] = [];
    const { view, bytes } = this.#file;
    let visited = 0;
    const walk = (number: number, depth: number): void => {
      visited += 1;
      if (visited > this.#file.image.pageCount)
        throw this.#file.corrupt('its pages refer to one another in a circle');
      const at = this.#file.page(number);
      const header = at + (number === 1 ? 100 : 0);
      const type = bytes[header];
      if ((type !== 5 && type !== 2) || depth > depthMax) {
        leaves.push(number);
        return;
      }
      const count = Math.min(view.getUint16(header + 3), this.#file.image.usable);
      const children: number[] = [];
      const keys: bigint[] = [];
      for (let i = 0; i < count; i++) {
        const cell = at + view.getUint16(header + 12 + 2 * i);
        children.push(view.getUint32(cell));
        keys.push(type === 5 ? varintAt(bytes, cell + 4) : 0n);
      }
      const last = view.getUint32(header + 8);
      const first = children[0] ?? last;
      const firstType = bytes[this.#file.page(first) + (first === 1 ? 100 : 0)];
      if (firstType === 5 || firstType === 2) {
        for (const child of [...children, last]) walk(child, depth + 1);
        return;
      }
      for (const [index, child] of children.entries()) {
        leaves.push(child);
        ends.push(keys[index] ?? 0n);
      }
      leaves.push(last);
      // The last leaf of this page ends where the next page's first leaf begins, which its parent knows.
      ends.push(allRowids.high);
    };
    walk(rootPage, 0);
    return { leaves: leaves.length, ends, leafBytes: this.#leafBytes(leaves) };
  }

  /** Bytes of rows that a leaf holds or refers to, on average, from a sample. */
  #leafBytes(leaves: readonly number[]): number {
    const step = Math.max(1, Math.floor(leaves.length / sampleMax));
    const { view, bytes, image } = this.#file;
    let sum = 0;
    let seen = 0;
    for (let i = 0; i < leaves.length; i += step) {
      const number = leaves[i] ?? 1;
      const at = this.#file.page(number);
      const header = at + (number === 1 ? 100 : 0);
      const count = Math.min(view.getUint16(header + 3), image.usable / 4);
      for (let cell = 0; cell < count; cell++) {
        sum += Number(varintAt(bytes, at + view.getUint16(header + 8 + 2 * cell)));
      }
      seen += 1;
    }
    return seen === 0 ? 0 : sum / seen;
  }

  #configure(layout: TableLayout): void {
    const { view, bytes } = this.#file;
    const count = layout.outputs.length;
    const fieldsAt = planAt + 16 * count;
    let textAt = fieldsAt + 8 * layout.storedCount;
    let extra = 0;
    const utf8 = new TextEncoder();
    layout.outputs.forEach((output, index) => {
      const entry = planAt + 16 * index;
      const missing = utf8.encode(output.missing);
      if (textAt + missing.length > planAt + planBytes || extra + missing.length > 128 * 1024) {
        throw new HoldfastError('unsupported', 'the default values of a table are larger than 128 KiB');
      }
      bytes.set(missing, textAt);
      view.setInt32(entry, output.stored, true);
      view.setInt32(entry + 4, (output.real ? 1 : 0) | (output.rowidAlias ? 2 : 0), true);
      view.setUint32(entry + 8, textAt, true);
      view.setUint32(entry + 12, missing.length, true);
      textAt += missing.length;
      extra += missing.length;
    });
    this.#rowsOfLarge = 0;
    const { usable, encoding } = this.#file.image;
    const foreign = encoding !== 'utf8';
    this.#converter.configure(planAt, count, layout.storedCount, fieldsAt, extra, usable, foreign);
  }
}

export interface TableMeasure {
  readonly leaves: number;
  /** The last rowid of each leaf; the highest there can be where it is not known. */
  readonly ends: readonly bigint[];
  readonly leafBytes: number;
}

/** A leaf, or one cell of an index's interior page. */
interface PageVisit {
  readonly number: number;
  readonly cell?: number;
}

interface Visit extends PageVisit {
  readonly depth: number;
}

export function varintAt(bytes: Uint8Array, at: number): bigint {
  let value = 0n;
  for (let i = 0; i < 8; i++) {
    const byte = bytes[at + i] ?? 0;
    value = (value << 7n) | BigInt(byte & 0x7f);
    if (byte < 0x80) return BigInt.asIntN(64, value);
  }
  return BigInt.asIntN(64, (value << 8n) | BigInt(bytes[at + 8] ?? 0));
}
