import { HoldfastError } from '@holdfast/core';

const newline = 0x0a;

/** Finds whole lines in blocks that are cut at any byte. */
export class RowStream {
  #rest: Uint8Array[] = [];

  /** Calls `take` for each line that ends in this block. What it is given is valid only during the call. */
  push(block: Uint8Array, take: (bytes: Uint8Array, start: number, end: number) => void): void {
    let from = 0;
    if (this.#rest.length > 0) {
      const at = block.indexOf(newline);
      const piece = Uint8Array.from(at < 0 ? block : block.subarray(0, at));
      this.#rest.push(piece);
      if (at < 0) return;
      const line = Buffer.concat(this.#rest);
      this.#rest = [];
      take(line, 0, line.length);
      from = at + 1;
    }
    for (;;) {
      const at = block.indexOf(newline, from);
      if (at < 0) break;
      take(block, from, at);
      from = at + 1;
    }
    if (from < block.length) this.#rest.push(Uint8Array.from(block.subarray(from)));
  }

  /** @throws HoldfastError corrupt when the last line has no end */
  end(): void {
    if (this.#rest.length > 0) throw new HoldfastError('corrupt', 'the rows end in the middle of a line');
  }
}
