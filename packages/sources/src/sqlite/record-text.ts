import { isUtf8 } from 'node:buffer';
import type { HoldfastError } from '@holdfast/core';
import type { OutputColumn, TableLayout } from './table-layout.ts';
import { RawText, realText, type TextEncoding, textOf, valueText } from './value-text.ts';

const sliceBytes = 256 * 1024;
const ascii = (text: string): Uint8Array => Buffer.from(text, 'latin1');

interface Field {
  readonly type: number;
  readonly at: number;
  readonly size: number;
}

export interface RecordContext {
  readonly image: { readonly encoding: TextEncoding };
  corrupt(what: string): HoldfastError;
}

/**
 * One record as a line, in blocks: what `assembly/page-rows.as` does, for rows that are too large for its memory and
 * for databases in UTF-16. A value may be a gigabyte, more than a JavaScript string holds, so it goes in slices.
 */
export function* recordBlocks(
  payload: Uint8Array,
  layout: TableLayout,
  rowid: bigint,
  context: RecordContext,
): Generator<Uint8Array, void, void> {
  const fields = readHeader(payload, layout.storedCount, context);
  let pending = '[';
  for (const [index, output] of layout.outputs.entries()) {
    if (index > 0) pending += ',';
    const field = fields[output.stored];
    if (
      field !== undefined &&
      field.type >= 12 &&
      field.size > sliceBytes &&
      context.image.encoding === 'utf8'
    ) {
      yield Buffer.from(pending, 'utf8');
      pending = '';
      yield* longValue(field, payload);
    } else {
      pending += fieldText(field, output, rowid, payload, context.image.encoding);
    }
  }
  yield Buffer.from(`${pending}]\n`, 'utf8');
}

function readHeader(payload: Uint8Array, storedCount: number, context: RecordContext): Field[] {
  const [headerLength, start] = varint(payload, 0);
  let p = start;
  let at = headerLength;
  const fields: Field[] = [];
  while (p < headerLength && fields.length < storedCount) {
    const [type, next] = varint(payload, p);
    p = next;
    const size = type >= 12 ? Math.floor((type - 12) / 2) : ([0, 1, 2, 3, 4, 6, 8, 8, 0, 0][type] ?? -1);
    if (size < 0 || at + size > payload.length)
      throw context.corrupt(`the record of ${payload.length} bytes`);
    fields.push({ type, at, size });
    at += size;
  }
  return fields;
}

/** Serial types of values up to a gigabyte fit in a double with room to spare. */
function varint(bytes: Uint8Array, from: number): [value: number, next: number] {
  let value = 0;
  for (let i = 0; i < 8; i++) {
    const byte = bytes[from + i] ?? 0;
    value = value * 128 + (byte & 0x7f);
    if (byte < 0x80) return [value, from + i + 1];
  }
  return [value * 256 + (bytes[from + 8] ?? 0), from + 9];
}

function fieldText(
  field: Field | undefined,
  output: OutputColumn,
  rowid: bigint,
  payload: Uint8Array,
  encoding: TextEncoding,
): string {
  if (output.stored < 0) return rowid.toString();
  if (field === undefined) return output.missing;
  const { type, at, size } = field;
  if (type === 0) return output.rowidAlias ? rowid.toString() : 'null';
  if (type >= 12) {
    const bytes = payload.subarray(at, at + size);
    return valueText(type % 2 === 1 ? textOf(bytes, encoding) : bytes);
  }
  const view = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  if (type === 7) return valueText(view.readDoubleBE(at));
  const value =
    type === 8
      ? 0n
      : type === 9
        ? 1n
        : type === 6
          ? view.readBigInt64BE(at)
          : BigInt(view.readIntBE(at, size));
  return output.real ? realText(Number(value)) : value.toString();
}

function* longValue(field: Field, payload: Uint8Array): Generator<Uint8Array, void, void> {
  const bytes = payload.subarray(field.at, field.at + field.size);
  const isText = field.type % 2 === 1;
  if (isText && isUtf8(bytes)) {
    yield ascii('"');
    for (let from = 0; from < bytes.length; ) {
      let to = Math.min(from + sliceBytes, bytes.length);
      // Not inside a character.
      while (to < bytes.length && ((bytes[to] ?? 0) & 0xc0) === 0x80) to -= 1;
      const text = Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString('utf8');
      yield Buffer.from(JSON.stringify(text).slice(1, -1), 'utf8');
      from = to;
    }
    yield ascii('"');
    return;
  }
  yield ascii(valueText(isText ? new RawText(new Uint8Array(0)) : new Uint8Array(0)).slice(0, -2));
  for (let from = 0; from < bytes.length; from += sliceBytes) {
    const slice = Buffer.from(
      bytes.buffer,
      bytes.byteOffset + from,
      Math.min(sliceBytes, bytes.length - from),
    );
    yield ascii(slice.toString('hex').toUpperCase());
  }
  yield ascii('"}');
}
