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
  readonly #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

  /** A line whose values may be arrays themselves: one of `changes`. */
  parseNested(line: Uint8Array): readonly ParsedValue[] {
    this.#bytes = line;
    this.#at = 0;
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
    this.#bytes = bytes;
    this.#at = start;
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
    let at = from;
    let plain = true;
    let ascii = true;
    for (; ; at++) {
      const byte = bytes[at];
      if (byte === 0x22) break;
      if (byte === 0x5c) {
        plain = false;
        at++;
      } else if (byte === undefined || byte > 0x7f) ascii = false;
      if (at >= end) throw this.#wrong(start, end);
    }
    this.#at = at + 1;
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (!plain) return JSON.parse(this.#decoder.decode(bytes.subarray(from - 1, at + 1))) as string;
    if (ascii) return buffer.toString('latin1', from, at);
    return this.#decoder.decode(bytes.subarray(from, at));
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
