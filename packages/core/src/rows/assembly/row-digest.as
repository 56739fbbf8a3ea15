// AssemblyScript. Digests the lines of a chunk: see docs/format.md and ../row-digest.ts, which owns the memory.
//
// Lines that lie whole in the buffer are hashed where they are; a line cut by a buffer's end goes through the
// streaming form of XXH64 (`feed`), whose state lives in globals and so survives any number of buffers.

const P1: u64 = 0x9e3779b185ebca87;
const P2: u64 = 0xc2b2ae3d27d4eb4f;
const P3: u64 = 0x165667b19e3779f9;
const P4: u64 = 0x85ebca77c2b2ae63;
const P5: u64 = 0x27d4eb2f165667c5;

const NONE: i32 = -1;
const ROW: i32 = 0;
const HEADER: i32 = 1;
const TRAILER: i32 = 2;

let base: usize = 0; // where the buffer begins
let at: usize = 0; // up to where it is absorbed

let rows: f64 = 0;
let markers: f64 = 0; // lines that begin with `{`
let sumLow: u64 = 0;
let sumHigh: u64 = 0;

let open: i32 = NONE; // kind of the line that is begun and not ended
let last: i32 = NONE; // kind of the last line that ended
let first: i32 = NONE; // kind of the chunk's first line
let headerEnd: i32 = 0;
let trailerStart: i32 = -1;

let a1: u64 = 0, a2: u64 = 0, a3: u64 = 0, a4: u64 = 0;
let total: u64 = 0; // bytes of the open line so far
let stashed: usize = 0; // of which this many wait in `stash` for a whole stripe
const stash: usize = memory.data(64, 16);

export function init(buffer: usize): void { base = buffer; }

export function reset(): void {
  at = base; rows = 0; markers = 0; sumLow = 0; sumHigh = 0;
  open = NONE; last = NONE; first = NONE; headerEnd = 0; trailerStart = -1;
}

/** The buffer is empty again; the line that is open stays open. */
export function clear(): void {
  at = base; headerEnd = 0; trailerStart = open == TRAILER ? 0 : -1;
}

export function getRows(): f64 { return rows; }
export function getMarkers(): f64 { return markers; }
export function getSumLow(): u64 { return sumLow; }
export function getSumHigh(): u64 { return sumHigh; }
export function getOpen(): i32 { return open; }
export function getLast(): i32 { return last; }
export function getFirst(): i32 { return first; }
export function getHeaderEnd(): i32 { return headerEnd; }
export function getTrailerStart(): i32 { return trailerStart; }

// @ts-ignore: decorator
@inline
function round(acc: u64, lane: u64): u64 { return rotl<u64>(acc + lane * P2, 31) * P1; }

// @ts-ignore: decorator
@inline
function merge(h: u64, acc: u64): u64 { return (h ^ round(0, acc)) * P1 + P4; }

/** What follows the stripes: up to 31 bytes at p, then the avalanche. */
// @ts-ignore: decorator
@inline
function finish(hash: u64, p: usize, length: u64): u64 {
  let h = hash + length;
  // Selects instead of branches: the tail's length is as good as random, and a mispredicted branch costs more than
  // computing what is thrown away. Reading beyond the line is safe: the buffer has slack behind it.
  const left = <usize>(length & 31);
  const words = left >> 3;
  h = words > 0 ? rotl<u64>(h ^ round(0, load<u64>(p)), 27) * P1 + P4 : h;
  h = words > 1 ? rotl<u64>(h ^ round(0, load<u64>(p, 8)), 27) * P1 + P4 : h;
  h = words > 2 ? rotl<u64>(h ^ round(0, load<u64>(p, 16)), 27) * P1 + P4 : h;
  let q = p + (words << 3);
  h = (left & 4) != 0 ? rotl<u64>(h ^ (<u64>load<u32>(q) * P1), 23) * P2 + P3 : h;
  q += left & 4;
  const bytes = left & 3;
  h = bytes > 0 ? rotl<u64>(h ^ (<u64>load<u8>(q) * P5), 11) * P1 : h;
  h = bytes > 1 ? rotl<u64>(h ^ (<u64>load<u8>(q, 1) * P5), 11) * P1 : h;
  h = bytes > 2 ? rotl<u64>(h ^ (<u64>load<u8>(q, 2) * P5), 11) * P1 : h;
  h = (h ^ (h >> 33)) * P2;
  h = (h ^ (h >> 29)) * P3;
  return h ^ (h >> 32);
}

// @ts-ignore: decorator
@inline
function combine(v1: u64, v2: u64, v3: u64, v4: u64): u64 {
  const h = rotl<u64>(v1, 1) + rotl<u64>(v2, 7) + rotl<u64>(v3, 12) + rotl<u64>(v4, 18);
  return merge(merge(merge(merge(h, v1), v2), v3), v4);
}

// @ts-ignore: decorator
@inline
function hashLine(start: usize, length: usize): u64 {
  let p = start;
  let h: u64 = P5;
  if (length >= 32) {
    let v1: u64 = P1 + P2, v2: u64 = P2, v3: u64 = 0, v4: u64 = 0 - P1;
    const stop = start + (length & ~31);
    do {
      v1 = round(v1, load<u64>(p));
      v2 = round(v2, load<u64>(p, 8));
      v3 = round(v3, load<u64>(p, 16));
      v4 = round(v4, load<u64>(p, 24));
      p += 32;
    } while (p < stop);
    h = combine(v1, v2, v3, v4);
  }
  return finish(h, p, length);
}

/** More bytes of the open line. */
function feed(from: usize, to: usize): void {
  let p = from;
  total += to - from;
  if (stashed > 0) {
    const take = min<usize>(32 - stashed, to - p);
    memory.copy(stash + stashed, p, take);
    stashed += take; p += take;
    if (stashed < 32) return;
    stripe(stash);
    stashed = 0;
  }
  let v1 = a1, v2 = a2, v3 = a3, v4 = a4;
  while (p + 32 <= to) {
    v1 = round(v1, load<u64>(p));
    v2 = round(v2, load<u64>(p, 8));
    v3 = round(v3, load<u64>(p, 16));
    v4 = round(v4, load<u64>(p, 24));
    p += 32;
  }
  a1 = v1; a2 = v2; a3 = v3; a4 = v4;
  stashed = to - p;
  memory.copy(stash, p, stashed);
}

function stripe(p: usize): void {
  a1 = round(a1, load<u64>(p));
  a2 = round(a2, load<u64>(p, 8));
  a3 = round(a3, load<u64>(p, 16));
  a4 = round(a4, load<u64>(p, 24));
}

function begin(p: usize): void {
  const marker = load<u8>(p) == 0x7b;
  open = !marker ? ROW : first == NONE ? HEADER : TRAILER;
  if (first == NONE) first = open;
  if (open == TRAILER) trailerStart = <i32>(p - base);
  a1 = P1 + P2; a2 = P2; a3 = 0; a4 = 0 - P1;
  total = 0; stashed = 0;
}

function add(hash: u64): void {
  sumLow += hash;
  sumHigh += u64(sumLow < hash);
  rows += 1;
}

/** The open line ends before p. */
function end(p: usize): void {
  if (open == ROW) add(finish(total >= 32 ? combine(a1, a2, a3, a4) : P5, stash, total));
  else markers += 1;
  if (open == HEADER) headerEnd = <i32>(p + 1 - base);
  last = open;
  open = NONE;
}

// @ts-ignore: decorator
@inline
function newlines(p: usize): u64 {
  const n = i8x16.splat(10);
  return u64(i8x16.bitmask(i8x16.eq(v128.load(p), n)))
    | (u64(i8x16.bitmask(i8x16.eq(v128.load(p, 16), n))) << 16)
    | (u64(i8x16.bitmask(i8x16.eq(v128.load(p, 32), n))) << 32)
    | (u64(i8x16.bitmask(i8x16.eq(v128.load(p, 48), n))) << 48);
}

/** Absorbs what the buffer holds from the last call's end up to `filled` bytes. */
export function absorb(filled: usize): void {
  const limit = base + filled;
  let start = at;
  let low = sumLow, high = sumHigh, count: u32 = 0;
  let kind = last;
  let whole = open == NONE && first != NONE; // the next line lies whole in this buffer and is not the first
  for (let window = start; window < limit; window += 64) {
    let mask = newlines(window);
    const rest = limit - window;
    if (rest < 64) mask &= ((<u64>1) << rest) - 1;
    while (mask != 0) {
      const p = window + <usize>ctz<u64>(mask);
      mask &= mask - 1;
      if (whole && load<u8>(start) != 0x7b) {
        const hash = hashLine(start, p - start);
        low += hash;
        high += u64(low < hash);
        count += 1;
        kind = ROW;
      } else {
        sumLow = low; sumHigh = high;
        if (open == NONE) begin(start);
        if (open == ROW) feed(start, p);
        end(p);
        kind = last;
        low = sumLow; high = sumHigh;
        whole = true;
      }
      start = p + 1;
    }
  }
  sumLow = low; sumHigh = high; rows += count; last = kind;
  if (start < limit) {
    if (open == NONE) begin(start);
    if (open == ROW) feed(start, limit);
  }
  at = limit;
}
