import { createHash, type Hash } from 'node:crypto';
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { HoldfastError, type SegmentEntry } from '@holdfast/core';

/**
 * Writes one segment into staging: frame after frame, hashed as it is stored. Synchronous on purpose: it runs in a
 * worker thread whose only business is this, between two blocks of rows.
 */
export class SegmentWriter {
  readonly name: string;
  readonly #path: string;
  readonly #descriptor: number;
  readonly #hash: Hash = createHash('sha256');
  #bytes = 0;

  constructor(directory: string, name: string) {
    this.name = name;
    this.#path = join(directory, name);
    // `wx`: a name is used once; whatever has it already is not ours to overwrite.
    this.#descriptor = attempt(this.#path, () => openSync(this.#path, 'wx', 0o640));
  }

  get bytes(): number {
    return this.#bytes;
  }

  append(frame: Uint8Array): void {
    for (let written = 0; written < frame.length; ) {
      written += attempt(this.#path, () => writeSync(this.#descriptor, frame, written));
    }
    this.#hash.update(frame);
    this.#bytes += frame.length;
  }

  /** Synced: what `push` sends is what a crash would leave. */
  close(): SegmentEntry {
    attempt(this.#path, () => fsyncSync(this.#descriptor));
    closeSync(this.#descriptor);
    return { name: this.name, bytes: this.#bytes, sha256: this.#hash.digest('hex') };
  }

  /** After a failure: only the handle; the file goes with its folder. */
  abandon(): void {
    closeSync(this.#descriptor);
  }
}

function attempt<T>(path: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG')
      throw new HoldfastError('exhausted', `staging is full: ${path} could not be written (${code})`, {
        cause: error,
        hint: 'make room on its disk, or choose another staging folder with --staging',
      });
    if (code === 'EIO' || code === 'EROFS' || code === 'EACCES')
      throw new HoldfastError('unavailable', `staging does not take ${path} (${code})`, {
        cause: error,
        hint: 'look at the disk that holds the staging folder, or choose another one with --staging',
      });
    throw error;
  }
}
