import { createHash } from 'node:crypto';
import { HoldfastError, type Sig } from '@holdfast/core';
import { blocksOf } from './abort.ts';
import { tellUnsent } from './body.ts';

export interface CheckedBodyOptions extends Sig {
  readonly key: string;
  readonly sizeBytes?: number | undefined;
  readonly sha256?: string | undefined;
  /** See `WriteOptions.checked`. */
  readonly checked?: boolean | undefined;
}

/**
 * A body as a driver reads it: it ends with the signal, whatever it waits for, and what it yields is what was said. The
 * driver makes an object visible only after it has come to the end of this: a body that is shorter, longer or other than
 * was said rejects with `corrupt` there, at the latest.
 */
export class CheckedBody implements AsyncIterable<Uint8Array> {
  readonly #body: AsyncIterable<Uint8Array>;
  readonly #o: CheckedBodyOptions;
  #bytes = 0;

  constructor(body: AsyncIterable<Uint8Array>, options: CheckedBodyOptions) {
    this.#body = body;
    this.#o = options;
  }

  /** What was yielded so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** So many of the bytes that were read last are stored already, and were not sent. */
  unsent(bytes: number): void {
    tellUnsent(this.#body, bytes);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    const { key, sizeBytes, sha256, checked, signal } = this.#o;
    const hash = sha256 === undefined || checked ? undefined : createHash('sha256');
    for await (const block of blocksOf(this.#body, signal)) {
      this.#bytes += block.length;
      if (sizeBytes !== undefined && this.#bytes > sizeBytes) throw wrongSize(key, sizeBytes, 'more came');
      hash?.update(block);
      yield block;
    }
    if (sizeBytes !== undefined && this.#bytes !== sizeBytes)
      throw wrongSize(key, sizeBytes, `${this.#bytes} came`);
    if (hash && hash.digest('hex') !== sha256) {
      throw new HoldfastError('corrupt', `${key}: the bytes to store are not those that were announced`, {
        hint: 'the file in staging was changed or damaged: check its disk',
      });
    }
  }
}

function wrongSize(key: string, sizeBytes: number, what: string): HoldfastError {
  return new HoldfastError('corrupt', `${key}: ${sizeBytes} bytes were announced, ${what}`, {
    hint: 'the file in staging was changed or damaged: check its disk',
  });
}
