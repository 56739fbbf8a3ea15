/**
 * The row digest as slow, plain JavaScript, written from `docs/format.md` alone: tests compare the fast one with it,
 * and it shows how to check a backup with nothing of Holdfast's.
 */
export class RowDigestReference {
  rows = 0;
  #sum = 0n;
  #line: number[] = [];

  append(bytes: Uint8Array): void {
    for (const byte of bytes) {
      if (byte !== 0x0a) {
        this.#line.push(byte);
        continue;
      }
      if (this.#line[0] !== 0x7b) {
        this.rows += 1;
        this.#sum = BigInt.asUintN(128, this.#sum + xxh64Reference(Uint8Array.from(this.#line)));
      }
      this.#line = [];
    }
  }

  get digest(): string {
    return this.#sum.toString(16).padStart(32, '0');
  }

  get midLine(): boolean {
    return this.#line.length > 0;
  }
}

const p1 = 0x9e3779b185ebca87n;
const p2 = 0xc2b2ae3d27d4eb4fn;
const p3 = 0x165667b19e3779f9n;
const p4 = 0x85ebca77c2b2ae63n;
const p5 = 0x27d4eb2f165667c5n;

const u64 = (value: bigint): bigint => BigInt.asUintN(64, value);
const rotate = (value: bigint, bits: bigint): bigint => u64((value << bits) | (value >> (64n - bits)));
const round = (acc: bigint, lane: bigint): bigint => u64(rotate(u64(acc + lane * p2), 31n) * p1);

/** XXH64 with seed 0, after https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md */
export function xxh64Reference(bytes: Uint8Array): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let p = 0;
  let hash = p5;
  if (bytes.length >= 32) {
    const lanes = [u64(p1 + p2), p2, 0n, u64(-p1)];
    for (; p + 32 <= bytes.length; p += 32) {
      for (let i = 0; i < 4; i++) lanes[i] = round(lanes[i] ?? 0n, view.getBigUint64(p + 8 * i, true));
    }
    const [v1 = 0n, v2 = 0n, v3 = 0n, v4 = 0n] = lanes;
    hash = u64(rotate(v1, 1n) + rotate(v2, 7n) + rotate(v3, 12n) + rotate(v4, 18n));
    for (const lane of lanes) hash = u64((hash ^ round(0n, lane)) * p1 + p4);
  }
  hash = u64(hash + BigInt(bytes.length));
  for (; p + 8 <= bytes.length; p += 8) {
    hash = u64(rotate(hash ^ round(0n, view.getBigUint64(p, true)), 27n) * p1 + p4);
  }
  if (p + 4 <= bytes.length) {
    hash = u64(rotate(hash ^ u64(BigInt(view.getUint32(p, true)) * p1), 23n) * p2 + p3);
    p += 4;
  }
  for (; p < bytes.length; p++) {
    hash = u64(rotate(hash ^ u64(BigInt(view.getUint8(p)) * p5), 11n) * p1);
  }
  hash = u64((hash ^ (hash >> 33n)) * p2);
  hash = u64((hash ^ (hash >> 29n)) * p3);
  return hash ^ (hash >> 32n);
}
