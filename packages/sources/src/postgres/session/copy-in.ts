import { HoldfastError } from '@holdfast/core';
import type { JsonToCopy } from '../copy/json-to-copy.ts';
import { ConnectionLost } from './errors.ts';
import {
  copyDoneMessage,
  copyFailMessage,
  MessageReader,
  parseCopyTag,
  parseServerError,
  queryMessage,
} from './messages.ts';
import type { Tap, Wire } from './wire.ts';

/** Blocks on their way to the socket at once: one is being written while the next is converted. */
const slots = 2;

/** The sending side of one `COPY … FROM STDIN`. */
export class CopyIn implements Tap {
  readonly #wire: Wire;
  readonly #codec: JsonToCopy;
  readonly #reader = new MessageReader();
  readonly #room = new Uint8Array(16_384);
  readonly #buffers: (Buffer | undefined)[] = [];
  #inFlight = 0;
  #sent = 0;
  #accepting = false;
  #rows: number | undefined;
  /** What the server or the socket said; sending has no point any more. */
  #error: unknown;
  #done = false;
  #ended = false;
  #wake: (() => void) | undefined;

  constructor(wire: Wire, codec: JsonToCopy) {
    this.#wire = wire;
    this.#codec = codec;
  }

  room(): Uint8Array {
    return this.#room;
  }

  received(bytes: Uint8Array): boolean {
    for (const { type, body } of this.#reader.push(bytes)) {
      if (type === 'G') this.#accepting = true;
      else if (type === 'C') this.#rows = parseCopyTag(body);
      else if (type === 'E') this.#error ??= parseServerError(body);
      else if (type === 'Z') this.#done = true;
    }
    this.#wakeWaiter();
    return true;
  }

  ended(error: Error | undefined): void {
    this.#ended = true;
    this.#error ??= error ?? new ConnectionLost('the server vanished in the middle of a COPY');
    this.#wakeWaiter();
  }

  get done(): boolean {
    return this.#done;
  }

  /** @throws what the server, the socket, the lines or their source had to say */
  async run(sql: string, blocks: AsyncIterable<Uint8Array>): Promise<number> {
    this.#wire.write(queryMessage(sql));
    await this.#until(() => this.#accepting);
    const iterator = blocks[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await this.#orError(iterator.next());
        if (next.done) break;
        await this.#send(next.value);
      }
      this.#codec.end();
      await this.#flush();
    } catch (caught) {
      // Whoever makes the blocks holds something open until it is told; its own failure is the one that counts.
      void Promise.resolve(iterator.return?.()).catch(() => {});
      if (!this.#done && !this.#ended && this.#error === undefined) {
        this.#wire.write(copyFailMessage('stopped by holdfast'));
      }
      // Without its ReadyForQuery the session could not be used again.
      await this.#settled(() => this.#done);
      throw caught;
    }
    this.#wire.write(copyDoneMessage());
    await this.#settled(() => this.#done);
    if (this.#error !== undefined) throw this.#error;
    if (this.#rows === undefined)
      throw new ConnectionLost('the server ended a COPY without saying how many rows it took');
    if (this.#rows !== this.#codec.rows) {
      throw new HoldfastError('source_failed', `the server took ${this.#rows} rows of ${this.#codec.rows}`);
    }
    return this.#rows;
  }

  async #send(block: Uint8Array): Promise<void> {
    const { input } = this.#codec;
    for (let at = 0; at < block.length; at += input.length) {
      const piece = block.subarray(at, at + input.length);
      input.set(piece);
      this.#codec.convert(piece.length);
      if (this.#codec.due) await this.#flush();
    }
  }

  /** Writes what the codec holds. Its memory is used again at once, so the bytes are copied to where the socket reads. */
  async #flush(): Promise<void> {
    await this.#until(() => this.#inFlight < slots);
    const message = this.#codec.take();
    if (message.length > 0) {
      const slot = this.#sent++ % slots;
      let buffer = this.#buffers[slot];
      if (buffer === undefined || buffer.length < message.length) {
        buffer = Buffer.allocUnsafeSlow(message.length);
        this.#buffers[slot] = buffer;
      }
      buffer.set(message);
      this.#inFlight++;
      this.#wire.write(buffer.subarray(0, message.length), () => {
        this.#inFlight--;
        this.#wakeWaiter();
      });
    }
    this.#codec.release();
  }

  /** Waits for `condition`. @throws the server's or the socket's error as soon as there is one */
  async #until(condition: () => boolean): Promise<void> {
    await this.#settled(() => this.#error !== undefined || condition());
    if (this.#error === undefined) return;
    await this.#settled(() => this.#done);
    throw this.#error;
  }

  /** Waits for `condition`, or for the end of the connection. */
  async #settled(condition: () => boolean): Promise<void> {
    while (!condition() && !this.#ended) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** The answer of whoever makes the blocks, unless the server refuses them first. */
  async #orError<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const mark = (): void => {
      settled = true;
      this.#wakeWaiter();
    };
    promise.then(mark, mark);
    await this.#until(() => settled);
    return promise;
  }

  #wakeWaiter(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}
