import { HoldfastError } from '@holdfast/core';
import { type Spans, valueKind } from './tuple.ts';

const quote = 0x27;
const doubleQuote = 0x22;
/** From here on the native copy is cheaper than a loop. */
const copyBytesMin = 200;

/** Builds lines of JSON in one growing buffer. Room is asked for once per line, so that a byte costs a store. */
export class LineWriter {
  #bytes = Buffer.allocUnsafe(2 * 1024 * 1024);
  #at = 0;
  #reserved = 0;

  get length(): number {
    return this.#at;
  }

  /** What is written: a view, valid until `clear`. */
  written(): Uint8Array {
    if (this.#at > this.#bytes.length)
      throw new HoldfastError('internal', 'more was written than there was room for');
    return this.#bytes.subarray(0, this.#at);
  }

  clear(): void {
    this.#at = 0;
  }

  /** Back to an earlier length: a line that turned out not to be wanted. */
  truncate(length: number): void {
    this.#at = length;
  }

  /** Writes these, whatever room is left, and leaves as much room as there was. */
  insert(source: Uint8Array): void {
    const room = this.#reserved - this.#at;
    this.reserve(source.length + room);
    this.bytes(source);
  }

  /** Must cover all that is written until the next call: what goes beyond the buffer would vanish without an error. */
  reserve(bytes: number): void {
    this.#reserved = this.#at + bytes;
    if (this.#reserved <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(2 * this.#bytes.length, this.#at + bytes));
    this.#bytes.copy(larger, 0, 0, this.#at);
    this.#bytes = larger;
  }

  /** Text of ASCII characters. */
  ascii(text: string): void {
    const target = this.#bytes;
    let at = this.#at;
    for (let i = 0; i < text.length; i++) target[at++] = text.charCodeAt(i);
    this.#at = at;
  }

  bytes(source: Uint8Array): void {
    const target = this.#bytes;
    let at = this.#at;
    for (let i = 0; i < source.length; i++) target[at++] = source[i] as number;
    this.#at = at;
  }

  /** Bytes of a line as they stand there. */
  slice(source: Uint8Array, from: number, to: number): void {
    const target = this.#bytes;
    let at = this.#at;
    for (let i = from; i < to; i++) target[at++] = source[i] as number;
    this.#at = at;
  }

  byte(byte: number): void {
    this.#bytes[this.#at++] = byte;
  }

  /** The value at `index` of the spans, as a JSON value. `unchanged` is written as `{}`. */
  value(line: Buffer, spans: Spans, index: number): void {
    const target = this.#bytes;
    let at = this.#at;
    const kind = spans.kinds[index];
    if (kind === valueKind.null) {
      target[at++] = 0x6e;
      target[at++] = 0x75;
      target[at++] = 0x6c;
      target[at++] = 0x6c;
    } else if (kind === valueKind.unchanged) {
      target[at++] = 0x7b;
      target[at++] = 0x7d;
    } else {
      target[at++] = doubleQuote;
      if (kind === valueKind.true) target[at++] = 0x74;
      else if (kind === valueKind.false) target[at++] = 0x66;
      else at = this.#copy(line, spans.starts[index] as number, spans.ends[index] as number, kind, at);
      target[at++] = doubleQuote;
    }
    this.#at = at;
  }

  #copy(line: Buffer, from: number, to: number, kind: number | undefined, start: number): number {
    const target = this.#bytes;
    let at = start;
    if (kind === valueKind.quoted) {
      for (let i = from; i < to; i++) {
        const byte = line[i] as number;
        target[at++] = byte;
        if (byte === quote) i++;
      }
      return at;
    }
    if (to - from >= copyBytesMin) return at + line.copy(target, at, from, to);
    for (let i = from; i < to; i++) target[at++] = line[i] as number;
    return at;
  }
}
