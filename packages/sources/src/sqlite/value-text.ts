import { isUtf8 } from 'node:buffer';

/**
 * Values as they stand in a backup (`docs/format.md`). SQLite types each value, not each column, so the text says
 * which storage class it is: INTEGER has neither `.` nor `e`, REAL has one of them, TEXT is a string, BLOB is
 * `{"x":"<HEX>"}`, and TEXT whose bytes are not well-formed is `{"t":"<HEX>"}`.
 *
 * The fast path (`assembly/page-rows.as`) writes exactly the same bytes, so that digests agree.
 */
export type SqliteValue = null | bigint | number | string | Uint8Array | RawText;

/** TEXT that no JavaScript string can hold: bytes in the database's own encoding. */
export class RawText {
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
}

/** The shortest text that reads back to the same double, and that no one takes for an integer. */
export function realText(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '1e999';
  if (value === Number.NEGATIVE_INFINITY) return '-1e999';
  if (Object.is(value, -0)) return '-0.0';
  const text = String(value);
  return /[.e]/.test(text) ? text : `${text}.0`;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex').toUpperCase();
}

export function valueText(value: SqliteValue): string {
  if (value === null) return 'null';
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value);
    case 'bigint':
      return value.toString();
    case 'number':
      return Number.isNaN(value) ? 'null' : realText(value);
    default:
      return value instanceof RawText ? `{"t":"${hex(value.bytes)}"}` : `{"x":"${hex(value)}"}`;
  }
}

export function rowLine(values: readonly SqliteValue[]): string {
  return `[${values.map(valueText).join(',')}]\n`;
}

export type TextEncoding = 'utf8' | 'utf16le' | 'utf16be';

/** TEXT from its bytes: a string where one can hold it, exactly; else the bytes. */
export function textOf(bytes: Uint8Array, encoding: TextEncoding): string | RawText {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (encoding === 'utf8')
    return isUtf8(buffer) ? buffer.toString('utf8') : new RawText(Uint8Array.from(bytes));
  if (buffer.length % 2 !== 0) return new RawText(Uint8Array.from(bytes));
  const little = encoding === 'utf16le' ? buffer : Buffer.from(buffer).swap16();
  const text = little.toString('utf16le');
  return text.isWellFormed() ? text : new RawText(Uint8Array.from(bytes));
}
