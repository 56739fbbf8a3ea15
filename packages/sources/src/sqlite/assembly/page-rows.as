// AssemblyScript. Turns the cells of SQLite's b-tree pages into lines of JSON: see ../page-rows.ts, which owns the
// memory, and https://sqlite.org/fileformat2.html, sections 1.6 and 2, for the bytes.
//
// Whatever the page says is checked against the page's own bounds before it is read: a damaged file ends in
// `CORRUPT`, never in a read beyond what was given.

/** Writes the shortest text of a double at `to`, returns how many bytes. */
// @ts-ignore: decorator
@external("env", "real")
declare function realText(value: f64, to: usize): usize;

const DONE: i32 = 0;
const FULL: i32 = 1;
const OVERFLOW: i32 = 2;
const CORRUPT: i32 = 3;

/** Per output column, 16 bytes: stored index (-1: the rowid), kind, default's offset, default's length. */
let plan: usize = 0;
let columns: i32 = 0;
let stored: i32 = 0;
/** Bytes that the defaults of a short record may add. */
let extra: usize = 0;
const NUMBER_AS_REAL: i32 = 1;
const ROWID_ALIAS: i32 = 2;

/** Per stored column, 8 bytes: serial type (clamped), offset from the payload's begin. */
let fields: usize = 0;

let usable: i32 = 4096;
let outBegin: usize = 0;
let out: usize = 0;
let outEnd: usize = 0;
let rows: f64 = 0;

/** Every row goes to JavaScript, as if it overflowed: its text is in another encoding. */
let foreign: bool = false;

let cellIndex: i32 = 0;
let payloadLength: i64 = 0;
let payloadLocal: i32 = 0;
let payloadAt: usize = 0;
let cellRowid: i64 = 0;

export function configure(planAt: usize, count: i32, storedCount: i32, fieldsAt: usize, extraBytes: usize, usableSize: i32, isForeign: bool): void {
  plan = planAt; columns = count; stored = storedCount; fields = fieldsAt; extra = extraBytes; usable = usableSize;
  foreign = isForeign;
  rows = 0;
}
export function setOutput(begin: usize, end: usize): void { outBegin = begin; out = begin; outEnd = end; }
export function getOut(): usize { return out; }
export function getRows(): f64 { return rows; }
export function getCell(): i32 { return cellIndex; }
export function getPayloadLength(): f64 { return <f64>payloadLength; }
export function getPayloadLocal(): i32 { return payloadLocal; }
export function getPayloadAt(): usize { return payloadAt; }
export function getRowid(): i64 { return cellRowid; }

let varintEnd: usize = 0;

// @ts-ignore: decorator
@inline
function u16be(p: usize): i32 { return <i32>bswap<u16>(load<u16>(p)); }

function longVarint(p: usize): i64 {
  let value: u64 = 0;
  for (let i = 0; i < 8; i++) {
    const byte = load<u8>(p + i);
    value = (value << 7) | <u64>(byte & 0x7f);
    if (byte < 0x80) { varintEnd = p + i + 1; return <i64>value; }
  }
  varintEnd = p + 9;
  return <i64>((value << 8) | <u64>load<u8>(p + 8));
}

// @ts-ignore: decorator
@inline
function varint(p: usize): i64 {
  const byte = load<u8>(p);
  if (byte < 0x80) { varintEnd = p + 1; return <i64>byte; }
  return longVarint(p);
}

/**
 * The cells of a leaf page from `first` on whose rowid is in [low, high]. `page` has slack behind it, so that a
 * varint cut by the page's end reads no foreign memory. Index leaves (`isIndex`) have no rowid.
 */
export function leaf(page: usize, header: i32, first: i32, low: i64, high: i64, isIndex: bool): i32 {
  const base = page + header;
  const count = u16be(base + 3);
  if (header + 8 + 2 * count > usable) return CORRUPT;
  for (let i = first; i < count; i++) {
    cellIndex = i;
    const at = u16be(base + 8 + 2 * i);
    if (at < header + 8 + 2 * count || at > usable - 3) return CORRUPT;
    const status = cell(page, page + at, low, high, isIndex);
    if (status != DONE) return status;
  }
  return DONE;
}

/** The cell of an index's interior page, its child pointer skipped: in a WITHOUT ROWID table it is a row as well. */
export function interior(page: usize, header: i32, index: i32): i32 {
  const base = page + header;
  cellIndex = index;
  const at = u16be(base + 12 + 2 * index);
  if (at < header + 12 || at > usable - 7) return CORRUPT;
  return cell(page, page + at + 4, 0, 0, true);
}

function cell(page: usize, at: usize, low: i64, high: i64, isIndex: bool): i32 {
  const length = varint(at);
  let p = varintEnd;
  let rowid: i64 = 0;
  if (!isIndex) {
    rowid = varint(p);
    p = varintEnd;
    if (rowid < low || rowid > high) return DONE;
  }
  if (length < 0 || length > 0x7fffffff) return CORRUPT;
  const max = isIndex ? (usable - 12) * 64 / 255 - 23 : usable - 35;
  let local = <i32>length;
  if (local > max) {
    const min = (usable - 12) * 32 / 255 - 23;
    const k = min + (local - min) % (usable - 4);
    local = k <= max ? k : min;
    if (p + local + 4 > page + usable) return CORRUPT;
    payloadLength = length; payloadLocal = local; payloadAt = p; cellRowid = rowid;
    return OVERFLOW;
  }
  if (p + local > page + usable) return CORRUPT;
  if (foreign) {
    payloadLength = length; payloadLocal = local; payloadAt = p; cellRowid = rowid;
    return OVERFLOW;
  }
  return record(p, local, rowid);
}

/** One record whose payload is whole. FULL: nothing was written, ask again with an empty output. */
export function record(payload: usize, length: i32, rowid: i64): i32 {
  // The worst of all texts is control characters: six bytes each.
  if (out + 6 * <usize>length + <usize>columns * 32 + extra + 64 > outEnd) return FULL;
  const end = payload + length;
  const headerLength = varint(payload);
  if (headerLength < 1 || headerLength > <i64>length) return CORRUPT;
  const headerEnd = payload + <usize>headerLength;
  let p = varintEnd;
  let body = headerEnd;
  let known = 0;
  while (p < headerEnd && known < stored) {
    const type = varint(p);
    p = varintEnd;
    let size: i64 = 0;
    if (type >= 12) size = (type - 12) >> 1;
    else if (type < 5) size = type;
    else if (type == 5) size = 6;
    else if (type < 8) size = 8;
    else if (type > 9) return CORRUPT;
    if (type < 0 || size > <i64>(end - body)) return CORRUPT;
    const field = fields + 8 * <usize>known;
    store<u32>(field, <u32>type);
    store<u32>(field, <u32>(body - payload), 4);
    body += <usize>size;
    known++;
  }
  if (p > headerEnd) return CORRUPT;
  emit(payload, known, rowid);
  return DONE;
}

function emit(payload: usize, known: i32, rowid: i64): void {
  store<u8>(out++, 0x5b);
  for (let c = 0; c < columns; c++) {
    if (c > 0) store<u8>(out++, 0x2c);
    const entry = plan + 16 * <usize>c;
    const index = load<i32>(entry);
    if (index < 0) { integer(rowid); continue; }
    if (index >= known) {
      const size = load<u32>(entry, 12);
      memory.copy(out, load<u32>(entry, 8), size);
      out += size;
      continue;
    }
    const field = fields + 8 * <usize>index;
    value(load<u32>(field), payload + load<u32>(field, 4), load<i32>(entry, 4), rowid);
  }
  store<u16>(out, 0x0a5d);
  out += 2;
  rows += 1;
}

// @ts-ignore: decorator
@inline
function value(type: u32, at: usize, kind: i32, rowid: i64): void {
  if (type >= 12) {
    const size = (type - 12) >> 1;
    if (type & 1) text(at, size); else blob(at, size);
    return;
  }
  let number: i64 = 0;
  switch (type) {
    case 0:
      if (kind & ROWID_ALIAS) integer(rowid); else nothing();
      return;
    case 1: number = <i64>load<i8>(at); break;
    case 2: number = <i64><i16>bswap<u16>(load<u16>(at)); break;
    case 3: number = (<i64>load<i8>(at) << 16) | <i64>bswap<u16>(load<u16>(at, 1)); break;
    case 4: number = <i64><i32>bswap<u32>(load<u32>(at)); break;
    case 5: number = (<i64><i16>bswap<u16>(load<u16>(at)) << 32) | <i64>bswap<u32>(load<u32>(at, 2)); break;
    case 6: number = <i64>bswap<u64>(load<u64>(at)); break;
    case 7: real(reinterpret<f64>(bswap<u64>(load<u64>(at)))); return;
    case 9: number = 1; break;
  }
  // A column of REAL affinity keeps whole numbers as integers, to save room.
  if (kind & NUMBER_AS_REAL) real(<f64>number); else integer(number);
}

// @ts-ignore: decorator
@inline
function nothing(): void {
  store<u32>(out, 0x6c6c756e);
  out += 4;
}

/** `00` to `99`, two bytes each. */
const pairs: usize = memory.data<u8>([
  48,48,48,49,48,50,48,51,48,52,48,53,48,54,48,55,48,56,48,57,49,48,49,49,49,50,49,51,49,52,49,53,49,54,49,55,49,56,49,57,
  50,48,50,49,50,50,50,51,50,52,50,53,50,54,50,55,50,56,50,57,51,48,51,49,51,50,51,51,51,52,51,53,51,54,51,55,51,56,51,57,
  52,48,52,49,52,50,52,51,52,52,52,53,52,54,52,55,52,56,52,57,53,48,53,49,53,50,53,51,53,52,53,53,53,54,53,55,53,56,53,57,
  54,48,54,49,54,50,54,51,54,52,54,53,54,54,54,55,54,56,54,57,55,48,55,49,55,50,55,51,55,52,55,53,55,54,55,55,55,56,55,57,
  56,48,56,49,56,50,56,51,56,52,56,53,56,54,56,55,56,56,56,57,57,48,57,49,57,50,57,51,57,52,57,53,57,54,57,55,57,56,57,57]);
const scratch: usize = memory.data(32);
const HEX: usize = memory.data<u8>([48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 65, 66, 67, 68, 69, 70]);

function integer(signed: i64): void {
  let n = <u64>signed;
  if (signed < 0) { store<u8>(out++, 0x2d); n = 0 - n; }
  digits(n);
}

function digits(unsigned: u64): void {
  let n = unsigned;
  let p = scratch + 24;
  while (n > 0xffffffff) {
    const rest = <usize>(n % 100);
    n /= 100;
    p -= 2;
    store<u16>(p, load<u16>(pairs + 2 * rest));
  }
  let m = <u32>n;
  while (m >= 100) {
    const rest = <usize>(m % 100);
    m /= 100;
    p -= 2;
    store<u16>(p, load<u16>(pairs + 2 * rest));
  }
  if (m >= 10) {
    p -= 2;
    store<u16>(p, load<u16>(pairs + 2 * <usize>m));
  } else {
    store<u8>(--p, <u8>(48 + m));
  }
  const length = scratch + 24 - p;
  // Three whole words instead of a loop: the output has slack.
  store<u64>(out, load<u64>(p));
  store<u64>(out, load<u64>(p, 8), 8);
  store<u64>(out, load<u64>(p, 16), 16);
  out += length;
}

/**
 * A double. Decimal numbers of at most 15 digits with at most four of them behind the point (money, measurements)
 * are found by trial: `n / 10^k`, both exact, is rounded correctly by IEEE 754, so the value is that decimal, and no
 * shorter one reads back to it. The rest is asked of JavaScript.
 */
function real(value: f64): void {
  const size = abs<f64>(value);
  if (size < 1e11 && (value != 0 || reinterpret<u64>(value) == 0) && (size >= 1e-3 || size == 0)) {
    // Two places first, which money has; zeros at the end go again, so that the text is the shortest.
    let places = 2;
    let n = nearest<f64>(size * 100);
    if (n / 100 != size) {
      places = 4;
      n = nearest<f64>(size * 10000);
      if (n / 10000 != size) places = 0;
    }
    if (places > 0) {
      let whole = <u64>n;
      while (places > 0 && whole % 10 == 0) { whole /= 10; places--; }
      if (value < 0) store<u8>(out++, 0x2d);
      if (places == 0) {
        digits(whole);
        store<u16>(out, 0x302e);
        out += 2;
        return;
      }
      const power: u64 = places == 1 ? 10 : places == 2 ? 100 : places == 3 ? 1000 : 10000;
      const front = whole / power;
      let rest = <u32>(whole - front * power);
      digits(front);
      store<u8>(out, 0x2e);
      for (let i = places; i > 0; i--) {
        store<u8>(out + <usize>i, <u8>(48 + rest % 10));
        rest /= 10;
      }
      out += <usize>places + 1;
      return;
    }
  }
  // SQLite reads NaN as NULL.
  if (value != value) { nothing(); return; }
  out += realText(value, out);
}

function hexadecimal(at: usize, size: u32): void {
  for (let i: u32 = 0; i < size; i++) {
    const byte = <usize>load<u8>(at + i);
    store<u8>(out, load<u8>(HEX + (byte >> 4)));
    store<u8>(out, load<u8>(HEX + (byte & 15)), 1);
    out += 2;
  }
}

/** `{"x":"` or `{"t":"`, the bytes in hexadecimal, `"}`. */
function wrapped(at: usize, size: u32, mark: u8): void {
  store<u32>(out, 0x2200227b);
  store<u8>(out, mark, 2);
  store<u16>(out, 0x223a, 4);
  out += 6;
  hexadecimal(at, size);
  store<u16>(out, 0x7d22);
  out += 2;
}

function blob(at: usize, size: u32): void { wrapped(at, size, 0x78); }

function text(at: usize, size: u32): void {
  const begin = out;
  store<u8>(out++, 0x22);
  let p = at;
  const end = at + size;
  let to = out;
  while (p < end) {
    // Sixteen plain ASCII bytes at once; bytes behind the text are read and written over later.
    const block = v128.load(p);
    v128.store(to, block);
    const special = v128.or(
      v128.or(i8x16.lt_s(block, i8x16.splat(32)), i8x16.eq(block, i8x16.splat(34))),
      i8x16.eq(block, i8x16.splat(92)));
    const mask = i8x16.bitmask(special);
    let plain: usize = mask == 0 ? 16 : <usize>ctz<i32>(mask);
    if (plain >= end - p) { to += end - p; p = end; break; }
    p += plain; to += plain;
    if (mask == 0) continue;
    const byte = load<u8>(p);
    if (byte >= 0x80) {
      const length = character(p, end);
      if (length == 0) { out = begin; wrapped(at, size, 0x74); return; }
      store<u32>(to, load<u32>(p));
      p += length; to += length;
      continue;
    }
    p++;
    store<u8>(to, 0x5c);
    let short: u8 = 0;
    switch (byte) {
      case 8: short = 0x62; break;
      case 9: short = 0x74; break;
      case 10: short = 0x6e; break;
      case 12: short = 0x66; break;
      case 13: short = 0x72; break;
      case 34: short = 0x22; break;
      case 92: short = 0x5c; break;
    }
    if (short != 0) {
      store<u8>(to, short, 1);
      to += 2;
    } else {
      store<u32>(to, 0x30303075, 1);
      store<u8>(to, 48 + (byte >> 4), 4);
      const low = byte & 15;
      store<u8>(to, low < 10 ? 48 + low : 87 + low, 5);
      to += 6;
    }
  }
  store<u8>(to, 0x22);
  out = to + 1;
}

// @ts-ignore: decorator
@inline
function follows(p: usize): bool { return (load<u8>(p) & 0xc0) == 0x80; }

/** Bytes of the well-formed UTF-8 character at p (Unicode 15, table 3-7), or 0. */
function character(p: usize, end: usize): usize {
  const left = end - p;
  const first = load<u8>(p);
  const second = load<u8>(p, 1);
  if (first < 0xc2) return 0;
  if (first < 0xe0) return left >= 2 && follows(p + 1) ? 2 : 0;
  if (first < 0xf0) {
    if (left < 3 || !follows(p + 1) || !follows(p + 2)) return 0;
    if (first == 0xe0 && second < 0xa0) return 0;
    if (first == 0xed && second > 0x9f) return 0;
    return 3;
  }
  if (first > 0xf4 || left < 4 || !follows(p + 1) || !follows(p + 2) || !follows(p + 3)) return 0;
  if (first == 0xf0 && second < 0x90) return 0;
  if (first == 0xf4 && second > 0x8f) return 0;
  return 4;
}
