/** Reads a body into buffers of any size, whatever blocks it comes in. Copies, because its blocks are reused. */
export class BodyReader {
  readonly #iterator: AsyncIterator<Uint8Array>;
  readonly #pending: Uint8Array[] = [];
  #ended = false;

  constructor(body: AsyncIterable<Uint8Array>) {
    this.#iterator = body[Symbol.asyncIterator]();
  }

  /**
   * Fills the buffer; with fewer bytes only where the body ends. Rejects as the body does.
   * @param see gets all bytes in their order: to digest them block by block keeps other requests going meanwhile
   */
  async fill(into: Buffer, see?: (bytes: Buffer) => void): Promise<number> {
    let at = 0;
    while (at < into.length) {
      const block = await this.#block();
      if (!block) break;
      const taken = block.subarray(0, into.length - at);
      into.set(taken, at);
      see?.(into.subarray(at, at + taken.length));
      at += taken.length;
      this.#consume(taken.length);
    }
    return at;
  }

  /** The next `length` bytes, in pieces that stay valid. */
  async *pieces(length: number): AsyncGenerator<Buffer> {
    for (let left = length; left > 0; ) {
      const block = await this.#block();
      if (!block) return;
      const piece = Buffer.from(block.subarray(0, left));
      left -= piece.length;
      this.#consume(piece.length);
      yield piece;
    }
  }

  /** Whether nothing is left; asks the body for its next block if that is not known. */
  async isAtEnd(): Promise<boolean> {
    return (await this.#block()) === undefined;
  }

  /** Puts back what was just taken. The bytes must stay as they are until they were taken again. */
  unread(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#pending.unshift(bytes);
  }

  /** Tells the body that no more will be asked of it. */
  async close(): Promise<void> {
    if (!this.#ended) await this.#iterator.return?.();
  }

  async #block(): Promise<Uint8Array | undefined> {
    for (;;) {
      const first = this.#pending[0];
      if (first) return first;
      if (this.#ended) return undefined;
      const step = await this.#iterator.next();
      if (step.done) this.#ended = true;
      else if (step.value.length > 0) this.#pending.push(step.value);
    }
  }

  #consume(length: number): void {
    const first = this.#pending.shift() as Uint8Array;
    if (length < first.length) this.#pending.unshift(first.subarray(length));
  }
}
