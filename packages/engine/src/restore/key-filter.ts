/** FNV-1a, whose steps can be taken byte by byte as a key is found in a row (isthe.com/chongo/tech/comp/fnv). */
export const hashBegin = 0x811c9dc5;
const prime = 0x01000193;

export function hashStep(hash: number, byte: number): number {
  return Math.imul(hash ^ byte, prime);
}

/** Spreads what the last bytes changed over all bits, of which a filter takes the lowest (MurmurHash3's finalizer). */
function spread(hash: number): number {
  let mixed = hash;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

const utf8 = new TextEncoder();

/** Of a key's text; the same as by steps over its bytes. */
export function hashOf(text: string): number {
  let hash = hashBegin;
  for (const byte of utf8.encode(text)) hash = hashStep(hash, byte);
  return hash;
}

/**
 * Tells most keys that are not among some from those that are, in 8 to 16 bytes a key: their 32-bit hashes. It never
 * misses one that was added, and takes one stranger in a thousand for one of four million.
 */
export class KeyFilter {
  readonly #slots: Uint32Array;

  constructor(keys: number) {
    // Half empty at least, so that a search soon ends.
    this.#slots = new Uint32Array(2 ** Math.ceil(Math.log2(Math.max(keys, 1) * 2)));
  }

  add(hash: number): void {
    this.#slots[this.#find(hash)] = slotValue(hash);
  }

  mayHold(hash: number): boolean {
    return this.#slots[this.#find(hash)] !== 0;
  }

  /** Where it is, or where it would be. */
  #find(hash: number): number {
    const wanted = slotValue(hash);
    const mask = this.#slots.length - 1;
    let at = wanted & mask;
    for (let found = this.#slots[at]; found !== wanted && found !== 0; found = this.#slots[at])
      at = (at + 1) & mask;
    return at;
  }
}

/** 0 is an empty slot. */
function slotValue(hash: number): number {
  return spread(hash) || 1;
}
