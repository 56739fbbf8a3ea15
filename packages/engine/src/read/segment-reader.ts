import { type Destination, HoldfastError, type Sig } from '@holdfast/core';

const pieceBytes = 1024 * 1024;

/** Reads a stretch of a stored segment in order, in pieces of the sizes asked for. */
export class SegmentReader implements AsyncDisposable {
  readonly #key: string;
  readonly #length: number;
  readonly #blocks: AsyncIterator<Uint8Array>;
  #block: Uint8Array = new Uint8Array();
  #piece = new Uint8Array();

  constructor(
    destination: Destination,
    key: string,
    o: Sig & { readonly start: number; readonly length: number },
  ) {
    this.#key = key;
    this.#length = o.length;
    const range = { start: o.start, length: o.length };
    this.#blocks = destination.read(key, { signal: o.signal, range })[Symbol.asyncIterator]();
  }

  /**
   * The next `bytes` bytes: a view, valid until the next call.
   * @throws HoldfastError out_of_range when the object ends before them, and what the destination meets
   */
  async take(bytes: number): Promise<Uint8Array> {
    if (this.#block.length >= bytes) return this.#cut(bytes);
    if (this.#piece.length < bytes)
      this.#piece = new Uint8Array(Math.max(bytes, Math.min(this.#length, pieceBytes)));
    let filled = 0;
    while (filled < bytes) {
      if (this.#block.length === 0) await this.#fetch();
      const part = this.#cut(Math.min(bytes - filled, this.#block.length));
      this.#piece.set(part, filled);
      filled += part.length;
    }
    return this.#piece.subarray(0, bytes);
  }

  #cut(bytes: number): Uint8Array {
    const part = this.#block.subarray(0, bytes);
    this.#block = this.#block.subarray(bytes);
    return part;
  }

  async #fetch(): Promise<void> {
    const next = await this.#blocks.next();
    if (next.done)
      throw new HoldfastError('out_of_range', `object ${this.#key} ends before the bytes asked for`);
    this.#block = next.value;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#blocks.return?.();
  }
}
