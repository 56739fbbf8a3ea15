import { HoldfastError } from '@holdfast/core';
import { RawText, type SqliteValue } from './value-text.ts';

export type ParsedValue = SqliteValue | readonly ParsedValue[];

/**
 * Reads the lines that `value-text.ts` and the fast path write. JSON.parse would lose what matters: digits of 64-bit
 * integers, and whether a number was `1` or `1.0`. Integers come as bigint, reals as number.
 */
export class RowParser {
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #buffer: Buffer = Buffer.alloc(0);
  /** Where the next backslash is, if it is known. */
  #escape = -1;
  #last = 0;

  /** The bytes that come next may be others in the same memory. */
  forget(): void {
    this.#escape = -1;
  }

  /** A line whose values may be arrays themselves: one of `changes`. */
  parseNested(line: Uint8Array): readonly ParsedValue[] {
    this.#begin(line, 0);
    this.#escape = -1;
    const value = this.#nested(0, line.length);
    if (!Array.isArray(value) || this.#at !== line.length) throw this.#wrong(0, line.length);
    return value;
  }

  #nested(start: number, end: number): ParsedValue {
    if (this.#bytes[this.#at] !== 0x5b) return this.#value(start, end);
    this.#at++;
    const values: ParsedValue[] = [];
    if (this.#bytes[this.#at] === 0x5d) {
      this.#at++;
      return values;
    }
    for (;;) {
      values.push(this.#nested(start, end));
      const next = this.#bytes[this.#at++];
      if (next === 0x5d) return values;
      if (next !== 0x2c) throw this.#wrong(start, end);
    }
  }

  /** One line, without its newline. `row` is filled and returned, so that nothing is allocated per row. */
  parse(bytes: Uint8Array, start: number, end: number, row: SqliteValue[]): SqliteValue[] {
    this.#begin(bytes, start);
    if (bytes[this.#at++] !== 0x5b) throw this.#wrong(start, end);
    let count = 0;
    if (bytes[this.#at] === 0x5d) this.#at++;
    else {
      for (;;) {
        row[count++] = this.#value(start, end);
        const next = bytes[this.#at++];
        if (next === 0x2c) continue;
        if (next === 0x5d) break;
        throw this.#wrong(start, end);
      }
    }
    if (this.#at !== end) throw this.#wrong(start, end);
    row.length = count;
    return row;
  }

  #value(start: number, end: number): SqliteValue {
    const bytes = this.#bytes;
    const first = bytes[this.#at] ?? 0;
    if (first === 0x22) return this.#text(start, end);
    if (first === 0x2d || (first >= 0x30 && first <= 0x39)) return this.#number(end);
    if (first === 0x6e && bytes[this.#at + 1] === 0x75 && bytes[this.#at + 3] === 0x6c) {
      this.#at += 4;
      return null;
    }
    if (first === 0x7b) return this.#wrapped(start, end);
    throw this.#wrong(start, end);
  }

  #text(start: number, end: number): string {
    const bytes = this.#bytes;
    const from = this.#at + 1;
    // Escapes are rare, so that the next one is looked for once, not once per text.
    if (this.#escape < from) {
      const found = bytes.indexOf(0x5c, from);
      this.#escape = found < 0 ? bytes.length : found;
    }
    let at = bytes.indexOf(0x22, from);
    const plain = at < this.#escape;
    if (!plain) {
      at = from;
      while (at < end && bytes[at] !== 0x22) at += bytes[at] === 0x5c ? 2 : 1;
    }
    if (at < 0 || at >= end) throw this.#wrong(start, end);
    this.#at = at + 1;
    if (plain) return this.#buffer.toString('utf8', from, at);
    return JSON.parse(this.#buffer.toString('utf8', from - 1, at + 1)) as string;
  }

  /** Bytes were told to be whole by their checksum before they came here; their UTF-8 is not checked once more. */
  #begin(bytes: Uint8Array, start: number): void {
    this.#at = start;
    if (bytes !== this.#bytes || start <= this.#last) this.#escape = -1;
    if (bytes !== this.#bytes) {
      this.#bytes = bytes;
      this.#buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }
    this.#last = start;
  }

  #number(end: number): bigint | number {
    const bytes = this.#bytes;
    const from = this.#at;
    let at = from;
    const negative = bytes[at] === 0x2d;
    if (negative) at++;
    const digits = at;
    let small = 0;
    let real = false;
    for (; at < end; at++) {
      const byte = bytes[at] ?? 0;
      if (byte >= 0x30 && byte <= 0x39) small = small * 10 + (byte - 0x30);
      else if (byte === 0x2e || byte === 0x65 || byte === 0x45 || byte === 0x2b || byte === 0x2d) real = true;
      else break;
    }
    this.#at = at;
    if (!real && at - digits <= 15) return BigInt(negative ? -small : small);
    let text = '';
    for (let i = from; i < at; i++) text += String.fromCharCode(bytes[i] ?? 0);
    return real ? Number(text) : BigInt(text);
  }

  #wrapped(start: number, end: number): SqliteValue {
    const bytes = this.#bytes;
    const kind = bytes[this.#at + 2];
    const from = this.#at + 6;
    const close = bytes.indexOf(0x22, from);
    const shaped =
      bytes[this.#at + 1] === 0x22 && bytes[this.#at + 3] === 0x22 && bytes[this.#at + 5] === 0x22;
    if (!shaped || close < 0 || close >= end || bytes[close + 1] !== 0x7d) throw this.#wrong(start, end);
    const text = Buffer.from(bytes.buffer, bytes.byteOffset + from, close - from).toString('latin1');
    const value = Buffer.from(text, 'hex');
    if (value.length * 2 !== text.length) throw this.#wrong(start, end);
    this.#at = close + 2;
    if (kind === 0x78) return value;
    if (kind === 0x74) return new RawText(value);
    throw this.#wrong(start, end);
  }

  #wrong(start: number, end: number): HoldfastError {
    const line = Buffer.from(this.#bytes.subarray(start, Math.min(end, start + 60))).toString('latin1');
    return new HoldfastError('corrupt', `a row is not as SQLite values are written: \`${line}\``, {
      hint: 'check the backup: `holdfast check`',
    });
  }
}
