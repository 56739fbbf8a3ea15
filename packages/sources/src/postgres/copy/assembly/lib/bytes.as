// Shared by both directions: finding the bytes that are not simply copied.

// Three vectors to compare with. They are in memory because the engine keeps a value that it loaded in a register, but
// builds a constant anew at every use: 5-10 % of the whole.
export const needles: usize = memory.data(48, 16);

export function initNeedles(): void {
  memory.fill(needles, 2, 16);
  memory.fill(needles + 16, 0x20, 16);
  memory.fill(needles + 32, 0x5c, 16);
}

/**
 * Of the 64 bytes at p, a bit for each that is a control character, `"` or `\`. The first two are one comparison:
 * flipping bit 1 swaps `"` with the blank and leaves the control characters among themselves.
 */
// @ts-ignore: decorator
@inline
export function specials(p: usize, two: v128, blank: v128, backslash: v128): u64 {
  return mask16(v128.load(p), two, blank, backslash) | (mask16(v128.load(p, 16), two, blank, backslash) << 16)
    | (mask16(v128.load(p, 32), two, blank, backslash) << 32) | (mask16(v128.load(p, 48), two, blank, backslash) << 48);
}

// @ts-ignore: decorator
@inline
function mask16(v: v128, two: v128, blank: v128, backslash: v128): u64 {
  const low = i8x16.le_u(v128.xor(v, two), blank);
  return u64(u32(i8x16.bitmask(v128.or(low, i8x16.eq(v, backslash)))));
}

/** Copies whole vectors: up to 63 bytes more than asked for are written behind the end. */
// @ts-ignore: decorator
@inline
export function copyShort(to: usize, from: usize, length: usize): void {
  v128.store(to, v128.load(from));
  if (length > 16) {
    v128.store(to, v128.load(from, 16), 16);
    v128.store(to, v128.load(from, 32), 32);
    v128.store(to, v128.load(from, 48), 48);
  }
}

/** As `copyShort`, without a branch: for what remains of a window of 64 bytes. */
// @ts-ignore: decorator
@inline
export function copy64(to: usize, from: usize): void {
  v128.store(to, v128.load(from));
  v128.store(to, v128.load(from, 16), 16);
  v128.store(to, v128.load(from, 32), 32);
  v128.store(to, v128.load(from, 48), 48);
}

/** Clears a bit of a window's mask. One beyond the window clears a bit already done, which does nothing. */
// @ts-ignore: decorator
@inline
export function without(mask: u64, bit: u64): u64 { return mask & ~((<u64>1) << bit); }
