// AssemblyScript. JSON array lines -> COPY text: see ../json-to-copy.ts, which owns the memory.
//
// As in copy-to-json.ts there are two ways: `fast` takes 64 bytes at a time inside of strings and over the usual
// places between them, `step` takes one byte, can be interrupted anywhere, and knows the whole grammar:
//
//     line = "[" [ value { "," value } ] "]" newline        value = "null" | string

import { copy64, copyShort, initNeedles, needles, specials, without } from './lib/bytes';

// What the next byte is.
const LINE: u32 = 0; // `[`
const FIRST: u32 = 1; // a value, or `]`
const VALUE: u32 = 2; // a value
const NULL_U: u32 = 3;
const NULL_L: u32 = 4;
const NULL_LL: u32 = 5;
const AFTER: u32 = 6; // behind a value: `,` or `]`
const END: u32 = 7; // the newline
const TEXT: u32 = 8;
const ESCAPE: u32 = 9;
const HEX: u32 = 10; // one of `hexLeft` digits
const LOW_ESCAPE: u32 = 11; // behind a high surrogate: the backslash of the low one
const LOW_U: u32 = 12; // its `u`

// Faults; ../json-to-copy.ts has the words.
const NOT_A_LINE: u32 = 1;
const NOT_A_VALUE: u32 = 2;
const CONTROL: u32 = 3;
const BAD_ESCAPE: u32 = 4;
const ZERO: u32 = 5;
const SURROGATE: u32 = 6;
const FIELDS: u32 = 7;

const QUOTE: u32 = 0x22;
const COMMA: u32 = 0x2c;
const CLOSE: u32 = 0x5d;
const BACKSLASH: u32 = 0x5c;

/** What a byte behind a backslash becomes in COPY text: up to two bytes, their number in bits 16-17; 0: none. */
const escapes: usize = memory.data(1024, 16);

let input: usize = 0;
let output: usize = 0, outputEnd: usize = 0;
let fault: u32 = 0;
let faultAt: usize = 0;

let state: u32 = LINE;
let fields: i32 = 0; // begun in the current row
let columns: i32 = -1; // of every row; -1: the first row says
let rows: f64 = 0;
let hexLeft: u32 = 0;
let code: u32 = 0; // UTF-16 unit being read
let high: u32 = 0; // high surrogate that waits for its low one

export function init(inputAt: usize, outputAt: usize): void {
  input = inputAt;
  output = outputAt; outputEnd = outputAt;
  initNeedles();
  escape(0x22, 0x22 | 0x10000);
  escape(0x2f, 0x2f | 0x10000);
  escape(0x5c, 0x5c5c | 0x20000);
  escape(0x62, 0x625c | 0x20000); // \b, and so on: COPY writes them as JSON does
  escape(0x66, 0x665c | 0x20000);
  escape(0x6e, 0x6e5c | 0x20000);
  escape(0x72, 0x725c | 0x20000);
  escape(0x74, 0x745c | 0x20000);
}

function escape(c: u32, becomes: u32): void { store<u32>(escapes + (c << 2), becomes); }

export function reset(columnsOfAll: i32): void {
  outputEnd = output;
  fault = 0;
  state = LINE; fields = 0; rows = 0; high = 0;
  columns = columnsOfAll;
}

export function getFault(): u32 { return fault; }
export function getFaultAt(): u32 { return <u32>(faultAt - input); }
export function getOutputBytes(): u32 { return <u32>(outputEnd - output); }
export function getRows(): f64 { return rows; }
export function isBetweenLines(): bool { return state == LINE; }
export function clearOutput(): void { outputEnd = output; }

/** Takes n bytes of input. Stops at the first fault, for good. */
export function convert(n: u32): void {
  let p = input;
  const end = p + n;
  while (p < end && fault == 0) {
    if (state == TEXT && end - p >= 80) p = fast(p, end);
    else step(p++);
  }
}

function fail(why: u32, p: usize): void { fault = why; faultAt = p; }

// @ts-ignore: decorator
@inline
function put(c: u32): void { store<u8>(outputEnd, c); outputEnd += 1; }

function putEntry(entry: u32): void {
  store<u16>(outputEnd, entry);
  outputEnd += <usize>(entry >> 16);
}

function endRow(p: usize): void {
  if (columns < 0) columns = fields;
  if (fields != columns) { fail(FIELDS, p); return; }
  put(10);
  rows += 1;
  state = LINE;
}

/** One byte. */
function step(p: usize): void {
  const c: u32 = load<u8>(p);
  if (state == TEXT) {
    if (c == QUOTE) state = AFTER;
    else if (c == BACKSLASH) state = ESCAPE;
    else if (c < 0x20) fail(CONTROL, p);
    else put(c);
    return;
  }
  if (state >= ESCAPE) { stepEscape(c, p); return; }
  if (state == AFTER) {
    if (c == COMMA) { put(9); state = VALUE; }
    else if (c == CLOSE) state = END;
    else fail(NOT_A_VALUE, p);
    return;
  }
  if (state == LINE) {
    if (c != 0x5b) { fail(NOT_A_LINE, p); return; }
    state = FIRST;
    fields = 0;
  } else if (state <= VALUE) {
    if (c == CLOSE && state == FIRST) { state = END; return; }
    fields++;
    if (c == QUOTE) state = TEXT;
    else if (c == 0x6e) state = NULL_U;
    else fail(NOT_A_VALUE, p);
  } else if (state == END) {
    if (c == 10) endRow(p);
    else fail(NOT_A_LINE, p);
  } else { // the rest of null
    if (c != (state == NULL_U ? <u32>0x75 : <u32>0x6c)) { fail(NOT_A_VALUE, p); return; }
    if (state == NULL_LL) { put(BACKSLASH); put(0x4e); }
    state++;
  }
}

/** One byte of an escape. */
function stepEscape(c: u32, p: usize): void {
  if (state == ESCAPE) {
    if (c == 0x75) { state = HEX; hexLeft = 4; code = 0; return; }
    const entry = load<u32>(escapes + (c << 2));
    if (entry == 0) { fail(BAD_ESCAPE, p); return; }
    putEntry(entry);
    state = TEXT;
  } else if (state == HEX) {
    const lower = c | 0x20;
    const digit = c >= 0x30 && c <= 0x39 ? c - 0x30 : lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : <u32>16;
    if (digit > 15) { fail(BAD_ESCAPE, p); return; }
    code = (code << 4) | digit;
    if (--hexLeft == 0) unit(p);
  } else if (state == LOW_ESCAPE) {
    if (c == BACKSLASH) state = LOW_U;
    else fail(SURROGATE, p);
  } else if (c == 0x75) { state = HEX; hexLeft = 4; code = 0; }
  else fail(SURROGATE, p);
}

/** A UTF-16 unit is complete: `code`. */
function unit(p: usize): void {
  const isLow = code >= 0xdc00 && code < 0xe000;
  if (isLow != (high != 0)) { fail(SURROGATE, p); return; }
  if (code >= 0xd800 && code < 0xdc00) { high = code; state = LOW_ESCAPE; return; }
  if (code == 0) { fail(ZERO, p); return; }
  state = TEXT;
  if (isLow) {
    const point = 0x10000 + ((high - 0xd800) << 10) + (code - 0xdc00);
    high = 0;
    put(0xf0 | (point >> 18)); put(0x80 | ((point >> 12) & 63)); put(0x80 | ((point >> 6) & 63)); put(0x80 | (point & 63));
  } else if (code >= 0x800) {
    put(0xe0 | (code >> 12)); put(0x80 | ((code >> 6) & 63)); put(0x80 | (code & 63));
  } else if (code >= 0x80) {
    put(0xc0 | (code >> 6)); put(0x80 | (code & 63));
  } else if (code == BACKSLASH) putEntry(0x25c5c);
  else if (code == 8) putEntry(0x2625c);
  else if (code == 9) putEntry(0x2745c);
  else if (code == 10) putEntry(0x26e5c);
  else if (code == 11) putEntry(0x2765c);
  else if (code == 12) putEntry(0x2665c);
  else if (code == 13) putEntry(0x2725c);
  else put(code);
}

/**
 * From inside of a string on, up to 80 bytes before the end, so that a look behind a window sees input; or to the first
 * thing that is rare. Leaves `state` for `step`, and returns the place behind.
 */
function fast(from: usize, end: usize): usize {
  let p = from, o = outputEnd;
  let count = fields;
  const two = v128.load(needles), blank = v128.load(needles, 16), backslash = v128.load(needles, 32);
  while (p + 80 <= end) {
    let mask = specials(p, two, blank, backslash);
    let done = p; // input up to here is written
    let restart = false;
    while (mask != 0) {
      const bit = ctz<u64>(mask);
      const q = p + <usize>bit;
      mask &= mask - 1;
      copyShort(o, done, q - done);
      o += q - done;
      const c: u32 = load<u8>(q);
      if (c == QUOTE) {
        const next: u32 = load<u32>(q, 1);
        if ((next & 0xffff) == 0x222c) { // ,"
          store<u8>(o, 9);
          o += 1;
          count++;
          mask = without(mask, bit + 2);
          done = q + 3;
          continue;
        }
        if (next == 0x225b0a5d && count == columns) { // ]\n["
          store<u8>(o, 10);
          o += 1;
          rows += 1;
          count = 1;
          mask = without(without(mask, bit + 2), bit + 4);
          done = q + 5;
          continue;
        }
        done = q + 1;
        if (next == 0x6c756e2c && load<u8>(q, 5) == 0x6c) { // ,null
          let r = q + 6;
          store<u32>(o, 0x4e5c09); // a tab and \N
          o += 3;
          count++;
          while (r + 16 <= end && load<u32>(r) == 0x6c756e2c && load<u8>(r, 4) == 0x6c) {
            store<u32>(o, 0x4e5c09);
            o += 3;
            count++;
            r += 5;
          }
          done = r;
          if (r + 16 <= end && load<u16>(r) == 0x222c) {
            store<u8>(o, 9);
            o += 1;
            count++;
            done = r + 2;
            restart = true; // nulls may reach far beyond the window: begin a new one
            break;
          }
        }
        state = AFTER;
        fields = count; outputEnd = o;
        return done;
      }
      if (c != BACKSLASH) {
        fail(CONTROL, q);
        return q;
      }
      const d: u32 = load<u8>(q, 1);
      const entry = load<u32>(escapes + (d << 2));
      if (entry == 0) { // \u, or nothing that JSON knows
        state = ESCAPE;
        fields = count; outputEnd = o;
        return q + 1;
      }
      store<u16>(o, entry);
      o += <usize>(entry >> 16);
      mask = without(mask, bit + 1);
      done = q + 2;
    }
    p += 64;
    if (!restart && done < p) { copy64(o, done); o += p - done; }
    else p = done;
  }
  fields = count; outputEnd = o;
  return p;
}
