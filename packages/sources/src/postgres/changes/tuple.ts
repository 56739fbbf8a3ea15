/**
 * Tuples as test_decoding prints them, ` id[integer]:1 name[text]:'it''s'`, inside a line of JSON (the form that the
 * COPY scanner makes of the server's answer). What JSON escaped is escaped in the output too, so bytes are compared
 * and copied as they stand: a value comes out as COPY's text of it would, without being decoded on the way.
 */

/** What stands at a value's place. `quoted`: text with `''` for each quote; `plain`: text as it is. */
export const valueKind = { plain: 0, quoted: 1, null: 2, true: 3, false: 4, unchanged: 5 } as const;

const quote = 0x27;
const doubleQuote = 0x22;
const backslash = 0x5c;
const space = 0x20;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const colon = 0x3a;
const newline = 0x0a;

/** ` name[type]:` of one column, as bytes of the line. */
interface ColumnMark {
  readonly bytes: Uint8Array;
  readonly name: string;
}

/** The columns of a tuple in the order in which they were last printed. */
export type Layout = ColumnMark[];

/** Values by the order of a layout. Reused from tuple to tuple. */
export class Spans {
  starts: Int32Array = new Int32Array(64);
  ends: Int32Array = new Int32Array(64);
  kinds = new Uint8Array(64);
  count = 0;

  add(start: number, end: number, kind: number): void {
    if (this.count === this.starts.length) this.#grow();
    this.starts[this.count] = start;
    this.ends[this.count] = end;
    this.kinds[this.count++] = kind;
  }

  #grow(): void {
    const larger = (from: Int32Array): Int32Array => {
      const to = new Int32Array(from.length * 2);
      to.set(from);
      return to;
    };
    this.starts = larger(this.starts);
    this.ends = larger(this.ends);
    const kinds = new Uint8Array(this.starts.length);
    kinds.set(this.kinds);
    this.kinds = kinds;
  }
}

/**
 * Reads a tuple that begins at `from`, at the blank before its first column. It ends with the line's text (at the
 * quote that closes the JSON string), or before ` new-tuple:`. Returns where it ended, or -1 when a column is not
 * where `layout` says: then it has to be learnt. The line must be whole: nothing looks further than its newline.
 */
export function readTuple(line: Uint8Array, from: number, layout: Layout, spans: Spans): number {
  spans.count = 0;
  let at = from;
  for (let i = 0; i < layout.length; i++) {
    const mark = (layout[i] as ColumnMark).bytes;
    const length = mark.length;
    for (let k = 0; k < length; k++) if (line[at + k] !== mark[k]) return -1;
    at = readValue(line, at + length, spans);
    if (at < 0) return -1;
  }
  return line[at] === doubleQuote || startsWith(line, at, newTuple) ? at : -1;
}

/** Adds the value that begins at `at` to the spans; returns where it ends, or -1 if nothing like a value is there. */
function readValue(line: Uint8Array, at: number, spans: Spans): number {
  const first = line[at];
  if (first === quote) return readQuoted(line, at + 1, spans);
  if (first === 0x42 && line[at + 1] === quote) return readQuoted(line, at + 2, spans);
  let end = at;
  let byte = first;
  while (byte !== space && byte !== doubleQuote && byte !== newline) byte = line[++end];
  if (end === at) return -1;
  spans.add(at, end, first !== undefined && first >= 0x61 ? wordKind(first) : valueKind.plain);
  return end;
}

/** Numbers never begin with a small letter (NaN and Infinity have capitals): these are test_decoding's own words. */
function wordKind(first: number): number {
  if (first === 0x6e) return valueKind.null;
  if (first === 0x74) return valueKind.true;
  if (first === 0x66) return valueKind.false;
  return valueKind.unchanged;
}

function readQuoted(line: Uint8Array, start: number, spans: Spans): number {
  let at = start;
  let kind: number = valueKind.plain;
  for (;;) {
    let byte = line[at];
    while (byte !== quote && byte !== newline) byte = line[++at];
    if (byte === newline) return -1;
    if (line[at + 1] !== quote) break;
    kind = valueKind.quoted;
    at += 2;
  }
  spans.add(start, at, kind);
  return at + 1;
}

/** A column of that name would be printed in quotes, because of its hyphen. */
const newTuple = new TextEncoder().encode(' new-tuple:');

export function startsWith(line: Uint8Array, at: number, mark: Uint8Array): boolean {
  for (let k = 0; k < mark.length; k++) if (line[at + k] !== mark[k]) return false;
  return true;
}

/** The layout of the tuple that begins at `from`: the slow way, once per relation and shape. */
export function learnLayout(line: Uint8Array, from: number): Layout | undefined {
  const layout: Layout = [];
  const scratch = new Spans();
  let at = from;
  while (line[at] !== doubleQuote && !startsWith(line, at, newTuple)) {
    if (line[at] !== space) return undefined;
    const nameEnd = skipIdentifier(line, at + 1);
    const end = skipType(line, nameEnd);
    if (end < 0) return undefined;
    const name = unquoteIdentifier(jsonText(line, at + 1, nameEnd));
    layout.push({ bytes: line.slice(at, end), name });
    at = readValue(line, end, scratch);
    if (at < 0) return undefined;
  }
  return layout;
}

/** From the bracket that opens a column's type to behind the colon that ends it; -1 if there is none. */
function skipType(line: Uint8Array, from: number): number {
  if (line[from] !== openBracket) return -1;
  let at = from + 1;
  while (line[at] !== newline) {
    if (line[at] === backslash && line[at + 1] === doubleQuote) at = skipIdentifier(line, at);
    else if (line[at] === closeBracket && line[at + 1] === colon) return at + 2;
    else at++;
  }
  return -1;
}

/** Behind an identifier, plain or in quotes (which JSON writes as `\"`, and one inside of it as `\"\"`). */
export function skipIdentifier(line: Uint8Array, from: number): number {
  let at = from;
  if (line[at] !== backslash || line[at + 1] !== doubleQuote) {
    while (isPlain(line[at] as number)) at++;
    return at;
  }
  at += 2;
  while (line[at] !== newline) {
    if (line[at] !== backslash) at++;
    else if (line[at + 1] !== doubleQuote) at += 2;
    else if (line[at + 2] === backslash && line[at + 3] === doubleQuote) at += 4;
    else return at + 2;
  }
  return at;
}

/** What an identifier without quotes is made of; anything else PostgreSQL quotes. */
function isPlain(byte: number): boolean {
  return (byte >= 0x61 && byte <= 0x7a) || (byte >= 0x30 && byte <= 0x39) || byte === 0x5f || byte === 0x24;
}

const utf8 = new TextDecoder();

/** The text that bytes inside a JSON string stand for. */
export function jsonText(line: Uint8Array, from: number, to: number): string {
  return JSON.parse(`"${utf8.decode(line.subarray(from, to))}"`) as string;
}

export function unquoteIdentifier(text: string): string {
  return text.startsWith('"') ? text.slice(1, -1).replaceAll('""', '"') : text;
}
