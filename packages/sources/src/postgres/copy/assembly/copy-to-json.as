// AssemblyScript. COPY OUT messages -> JSON array lines: see ../copy-to-json.ts, which owns the memory.
//
// Two ways through a row. `fast` takes 64 bytes at a time and needs to look ahead; it is used for rows that lie whole
// in the input, and for the inside of long ones. `step` takes one byte and keeps all it knows in `state`, so it can
// be interrupted anywhere: it does the ends of a piece that was cut.

import { copy64, copyShort, initNeedles, needles, specials, without } from './lib/bytes';

// What the next byte of row data is. Nothing is written ahead: in FIELD the opening quote is still to come.
const ROW: u32 = 0;
const FIELD: u32 = 1;
const TEXT: u32 = 2;
const ESCAPE: u32 = 3; // behind a backslash inside a field
const FIELD_ESCAPE: u32 = 4; // behind a backslash that began a field
const FIELD_N: u32 = 5; // behind a field's leading `\N`: null, if the field ends here

// Faults; ../copy-to-json.ts has the words.
const BAD_LENGTH: u32 = 1;
const NOT_TEXT: u32 = 2;
const NOT_COPYING: u32 = 3;
const CUT_ROW: u32 = 4;
const FIELDS: u32 = 5;

const TAB: u32 = 9;
const NEWLINE: u32 = 10;
const BACKSLASH: u32 = 0x5c;
const CAPITAL_N: u32 = 0x4e;

// What a byte becomes inside a JSON string: up to 6 bytes, and their number in the topmost byte. One table for bytes
// as they are (a tab ends a field), one for bytes behind a backslash.
const plain: usize = memory.data(2048, 16);
const escaped: usize = memory.data(2048, 16);

let input: usize = 0;
let control: usize = 0, controlEnd: usize = 0;
let output: usize = 0, outputEnd: usize = 0;

let fault: u32 = 0;
let faultAt: usize = 0;

let headerBytes: u32 = 0; // of a message header that was cut
let type: u32 = 0;
let left: u32 = 0; // payload bytes to come of the current message
let index: u32 = 0; // payload bytes seen, of a control message
let inside: bool = false; // in a message's payload

let copying: bool = false;
let columns: u32 = 0;
let state: u32 = ROW;
let fields: u32 = 0; // begun in the current row
let rows: f64 = 0;

export function init(inputAt: usize, controlAt: usize, outputAt: usize): void {
  initNeedles();
  input = inputAt;
  control = controlAt; controlEnd = controlAt;
  output = outputAt; outputEnd = outputAt;
  for (let c: u32 = 0; c < 256; c++) {
    store<u64>(plain + (c << 3), c == TAB ? text3(0x22, 0x2c, 0x22) : jsonOf(c));
    let meant = c;
    if (c == 0x62) meant = 8;
    else if (c == 0x66) meant = 12;
    else if (c == 0x6e) meant = 10;
    else if (c == 0x72) meant = 13;
    else if (c == 0x74) meant = 9;
    else if (c == 0x76) meant = 11;
    store<u64>(escaped + (c << 3), jsonOf(meant));
  }
}

function text3(a: u64, b: u64, c: u64): u64 { return a | (b << 8) | (c << 16) | ((<u64>3) << 56); }
function text2(a: u64, b: u64): u64 { return a | (b << 8) | ((<u64>2) << 56); }
function hexDigit(n: u64): u64 { return n < 10 ? 0x30 + n : 0x57 + n; }

function jsonOf(c: u64): u64 {
  if (c == 0x22 || c == 0x5c) return text2(0x5c, c);
  if (c >= 0x20) return c | ((<u64>1) << 56);
  if (c == 8) return text2(0x5c, 0x62);
  if (c == 9) return text2(0x5c, 0x74);
  if (c == 10) return text2(0x5c, 0x6e);
  if (c == 12) return text2(0x5c, 0x66);
  if (c == 13) return text2(0x5c, 0x72);
  // \u00XX: 5c 75 30 30 X X
  return 0x3030755c | (hexDigit(c >> 4) << 32) | (hexDigit(c & 15) << 40) | ((<u64>6) << 56);
}

export function getFault(): u32 { return fault; }
export function getFaultAt(): u32 { return <u32>(faultAt - input); }
export function getOutputBytes(): u32 { return <u32>(outputEnd - output); }
export function getControlBytes(): u32 { return <u32>(controlEnd - control); }
export function getRows(): f64 { return rows; }
export function getColumns(): u32 { return columns; }
export function isCopying(): bool { return copying; }
export function clearOutput(): void { outputEnd = output; }
export function clearControl(): void { controlEnd = control; }

/** Takes n bytes of input. Stops at the first fault, for good. */
export function scan(n: u32): void {
  let p = input;
  const end = p + n;
  while (p < end && fault == 0) {
    if (!inside) {
      p = header(p, end);
      continue;
    }
    const take = min<usize>(left, end - p);
    left -= <u32>take;
    inside = left > 0;
    if (type == 0x64) data(p, p + take);
    else payload(p, take);
    p += take;
  }
}

function fail(code: u32, p: usize): void { fault = code; faultAt = p; }

/** Reads a message's type and length, whole or one byte of them; returns the place behind. */
function header(at: usize, end: usize): usize {
  let p = at;
  if (headerBytes == 0 && end - p >= 5) {
    type = load<u8>(p);
    left = bswap<u32>(load<u32>(p, 1));
    p += 5;
  } else {
    const b: u32 = load<u8>(p++);
    if (headerBytes == 0) { type = b; left = 0; }
    else left = (left << 8) | b;
    if (++headerBytes < 5) return p;
    headerBytes = 0;
  }
  // The length is signed and counts itself.
  if (left < 4 || left > 0x7fffffff) { fail(BAD_LENGTH, at); return p; }
  left -= 4;
  inside = left > 0;
  if (type == 0x64) {
    if (!copying) fail(NOT_COPYING, at);
    return p;
  }
  store<u8>(controlEnd, type);
  store<u32>(controlEnd, bswap<u32>(left + 4), 1);
  controlEnd += 5;
  index = 0;
  if (type == 0x63 || type == 0x43) { // CopyDone, CommandComplete
    if (state != ROW) fail(CUT_ROW, at);
    copying = false;
  } else if (type == 0x45) { // ErrorResponse: what was begun of a row is the caller's to throw away, as is the rest
    copying = false;
    state = ROW;
  }
  return p;
}

/** Payload of a message that is not row data: handed out as it is. */
function payload(p: usize, length: usize): void {
  memory.copy(controlEnd, p, length);
  controlEnd += length;
  if (type != 0x48) return;
  for (let i: usize = 0; i < length && index < 3; i++, index++) { // CopyOutResponse: format, int16 columns
    const b: u32 = load<u8>(p + i);
    if (index == 0) {
      if (b != 0) { fail(NOT_TEXT, p + i); return; }
      rows = 0; columns = 0;
      state = ROW;
    } else {
      columns = (columns << 8) | b;
      copying = index == 2;
    }
  }
}

function data(from: usize, stop: usize): void {
  if (columns == 0) { emptyRows(from, stop); return; }
  let p = from;
  while (state >= ESCAPE && p < stop && fault == 0) step(p++);
  // A piece that ends a row, by a newline that no backslash can have escaped, needs no look at its length.
  const whole = stop - p >= 1 && load<u8>(stop - 1) == NEWLINE && (stop - p < 2 || load<u8>(stop - 2) != BACKSLASH);
  if (fault == 0 && (whole || stop - p >= 80)) p = fast(p, stop, whole);
  while (p < stop && fault == 0) step(p++);
}

/** A table without columns prints nothing but newlines. */
function emptyRows(from: usize, stop: usize): void {
  for (let p = from; p < stop; p++) {
    if (load<u8>(p) != NEWLINE) { fail(FIELDS, p); return; }
    put2(0x5d5b); // []
    put1(NEWLINE);
    rows += 1;
  }
}

// @ts-ignore: decorator
@inline
function put1(c: u32): void { store<u8>(outputEnd, c); outputEnd += 1; }
// @ts-ignore: decorator
@inline
function put2(c: u32): void { store<u16>(outputEnd, c); outputEnd += 2; }
function putEntry(entry: u64): void { store<u64>(outputEnd, entry); outputEnd += <usize>(entry >> 56); }

function endRow(p: usize): void {
  if (fields != columns) { fail(FIELDS, p); return; }
  put2(0x0a5d);
  rows += 1;
  state = ROW;
}

/** One byte of row data. */
function step(p: usize): void {
  const c: u32 = load<u8>(p);
  if (state == ESCAPE) {
    putEntry(load<u64>(escaped + (c << 3)));
    state = TEXT;
    return;
  }
  if (state == FIELD_ESCAPE) {
    if (c == CAPITAL_N) { state = FIELD_N; return; }
    put1(0x22);
    putEntry(load<u64>(escaped + (c << 3)));
    state = TEXT;
    return;
  }
  if (state == FIELD_N) {
    if (c == TAB || c == NEWLINE) {
      store<u32>(outputEnd, 0x6c6c756e);
      outputEnd += 4;
      if (c == NEWLINE) { endRow(p); return; }
      put1(0x2c);
      fields++;
      state = FIELD;
      return;
    }
    put2(0x4e22); // it was a backslash before an N that means itself
    state = TEXT;
  }
  if (state == ROW) { put1(0x5b); fields = 1; state = FIELD; }
  if (state == FIELD) {
    if (c == BACKSLASH) { state = FIELD_ESCAPE; return; }
    put1(0x22);
    state = TEXT;
  }
  if (c == TAB) { put2(0x2c22); fields++; state = FIELD; }
  else if (c == NEWLINE) { put1(0x22); endRow(p); }
  else if (c == BACKSLASH) state = ESCAPE;
  else putEntry(load<u64>(plain + (c << 3)));
}

/**
 * Row data from p on: all of it if it is `whole` (its last byte is a newline, not escaped, which ends every search),
 * else up to 66 bytes before `stop`, so that a look two bytes beyond a window sees data. Returns the place behind.
 *
 * The opening quote of the next field is written ahead, and taken back for a null: so a tab is one table entry like
 * any other byte. `fieldAt` is the output behind that quote: nothing of the field is written while the output is there.
 */
function fast(from: usize, stop: usize, whole: bool): usize {
  let p = from, o = outputEnd, count = fields;
  let fieldAt: usize = 0;
  const two = v128.load(needles), blank = v128.load(needles, 16), backslash = v128.load(needles, 32);
  if (state == ROW) { store<u16>(o, 0x225b); o += 2; fieldAt = o; count = 1; }
  else if (state == FIELD) { store<u8>(o, 0x22); o += 1; fieldAt = o; }

  while (whole || p + 66 <= stop) {
    let mask = specials(p, two, blank, backslash);
    let done = p; // input up to here is written
    while (mask != 0) {
      const bit = ctz<u64>(mask);
      const q = p + <usize>bit;
      mask &= mask - 1;
      copyShort(o, done, q - done);
      o += q - done;
      const c: u32 = load<u8>(q);
      let ends = c == NEWLINE;
      if (c == BACKSLASH) {
        const d: u32 = load<u8>(q, 1);
        const after: u32 = load<u8>(q, 2);
        if (d == CAPITAL_N && o == fieldAt && (after == TAB || after == NEWLINE)) {
          store<u32>(o - 1, 0x6c6c756e); // null, in place of the quote
          store<u16>(o + 3, 0x222c); // ,"
          o += 3;
          mask = without(mask, bit + 2);
          done = q + 3;
          if (after == TAB) { o += 2; fieldAt = o; count++; continue; }
          ends = true;
        } else {
          const entry = load<u64>(escaped + (d << 3));
          store<u64>(o, entry);
          o += <usize>(entry >> 56);
          mask = without(mask, bit + 1);
          done = q + 2;
          continue;
        }
      } else if (ends) {
        store<u8>(o, 0x22);
        o += 1;
        done = q + 1;
      }
      if (ends) {
        if (count != columns) { fail(FIELDS, q); return q; }
        store<u32>(o, 0x5b0a5d); // ]\n[
        o += 2;
        rows += 1;
        if (done == stop) { outputEnd = o; state = ROW; return stop; }
        store<u16>(o, 0x225b);
        o += 2; fieldAt = o; count = 1;
        continue;
      }
      const entry = load<u64>(plain + (c << 3));
      store<u64>(o, entry);
      o += <usize>(entry >> 56);
      done = q + 1;
      if (c == TAB) { fieldAt = o; count++; }
    }
    p += 64;
    if (done < p) { copy64(o, done); o += p - done; }
    else p = done; // what was looked at beyond the window is done
  }
  // The pieces from here on go byte by byte: the quote that was written ahead is taken back.
  fields = count;
  if (o == fieldAt) { o -= 1; state = FIELD; }
  else state = TEXT;
  outputEnd = o;
  return p;
}
