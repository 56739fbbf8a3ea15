import { HoldfastError } from '@holdfast/core';
import type { CopyToJson } from '../copy/copy-to-json.ts';
import { ConnectionLost } from './errors.ts';
import { type Message, parseCopyTag, parseServerError } from './messages.ts';
import type { Tap } from './wire.ts';

/**
 * The receiving side of one `COPY … TO STDOUT`: bytes from the socket go through the scanner until its block is full;
 * what comes while the reader still holds the block waits, and the socket is paused.
 */
export class CopyOut implements Tap {
  readonly #codec: CopyToJson;
  /** Came and was not scanned. It lies in the scanner's input or in a buffer that is not written before `resume`. */
  #waiting: Uint8Array | undefined;
  #rows: number | undefined;
  #serverError: Error | undefined;
  #failure: unknown;
  #failed = false;
  /** The server is ready for the next command. */
  #done = false;
  #wake: (() => void) | undefined;

  constructor(codec: CopyToJson) {
    this.#codec = codec;
  }

  room(): Uint8Array {
    return this.#codec.input;
  }

  received(bytes: Uint8Array): boolean {
    if (this.#failed) return false;
    try {
      this.#scan(bytes);
    } catch (caught) {
      this.#fail(caught);
    }
    if (this.#done || this.#codec.due) this.#wakeReader();
    return this.#waiting === undefined && !this.#failed;
  }

  ended(error: Error | undefined): void {
    if (this.#done) return;
    // What the server said before it hung up (FATAL: terminating connection …) says more than the hanging up.
    this.#fail(
      this.#serverError ?? error ?? new ConnectionLost('the server vanished in the middle of a COPY'),
    );
  }

  /** Resolves when there is a full block, or when the COPY is over. @throws what ended it */
  async ready(): Promise<'block' | 'done'> {
    for (;;) {
      if (this.#failed) throw this.#failure;
      if (this.#codec.due) return 'block';
      if (this.#done) return 'done';
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** The reader has released the block: true when the socket was waiting for that. */
  proceed(): boolean {
    const bytes = this.#waiting;
    if (bytes === undefined) return false;
    this.#waiting = undefined;
    return this.received(bytes);
  }

  get done(): boolean {
    return this.#done;
  }

  /** The server's own count. @throws the server's error, or that the counts differ. Once done. */
  rows(): number {
    if (this.#serverError) throw this.#serverError;
    if (this.#rows === undefined)
      throw new ConnectionLost('the server ended a COPY without saying how many rows it sent');
    if (this.#rows !== this.#codec.rows) {
      throw new HoldfastError(
        'source_failed',
        `the server says that it sent ${this.#rows} rows, but ${this.#codec.rows} came`,
      );
    }
    return this.#rows;
  }

  #scan(bytes: Uint8Array): void {
    const { input } = this.#codec;
    for (let at = 0; at < bytes.length; ) {
      if (this.#codec.due) {
        this.#waiting = bytes.subarray(at);
        return;
      }
      const piece = bytes.subarray(at, at + input.length);
      // From the second read on the socket writes right where the scanner reads.
      if (piece.buffer !== input.buffer || piece.byteOffset !== input.byteOffset) input.set(piece);
      for (const message of this.#codec.scan(piece.length)) this.#take(message);
      at += piece.length;
    }
  }

  #take(message: Message): void {
    if (message.type === 'C') this.#rows = parseCopyTag(message.body);
    else if (message.type === 'E') this.#serverError ??= parseServerError(message.body);
    else if (message.type === 'Z') this.#done = true;
  }

  #fail(caught: unknown): void {
    if (!this.#failed) {
      this.#failed = true;
      this.#failure = caught;
    }
    this.#wakeReader();
  }

  #wakeReader(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}
