import { createHash, randomBytes, randomUUID } from 'node:crypto';
import {
  type Clock,
  type Destination,
  deadline,
  HoldfastError,
  type Sig,
  type WriteOptions,
} from '@holdfast/core';

const folder = 'holdfast-doctor';
const blockBytes = 1024 * 1024;
const cleanUpMaxMs = 30_000;

/** What a body that ends before its time ends with. */
export const brokenOff = new HoldfastError(
  'source_failed',
  'this write was broken off to see what stays of it',
);

/** Bytes to store, which can be told from all others. */
export class ScratchBody {
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly #block: Uint8Array;

  constructor(sizeBytes: number) {
    this.sizeBytes = sizeBytes;
    this.#block = randomBytes(Math.min(sizeBytes, blockBytes));
    const hash = createHash('sha256');
    for (const block of this.#blocks()) hash.update(block);
    this.sha256 = hash.digest('hex');
  }

  async *whole(): AsyncGenerator<Uint8Array> {
    yield* this.#blocks();
  }

  /** The first half, and then an end that no writer takes for one. */
  async *half(): AsyncGenerator<Uint8Array> {
    yield this.#block.subarray(0, this.#block.length / 2);
    throw brokenOff;
  }

  *#blocks(): Generator<Uint8Array> {
    for (let left = this.sizeBytes; left > 0; left -= this.#block.length)
      yield this.#block.subarray(0, Math.min(left, this.#block.length));
  }

  async matches(
    read: AsyncIterable<Uint8Array>,
    range = { start: 0, length: this.sizeBytes },
  ): Promise<boolean> {
    const all = Buffer.concat([...this.#blocks()]);
    const parts: Uint8Array[] = [];
    let bytes = 0;
    for await (const part of read) {
      bytes += part.length;
      if (bytes > range.length) return false;
      parts.push(Uint8Array.from(part));
    }
    return Buffer.concat(parts).equals(all.subarray(range.start, range.start + range.length));
  }
}

/** Objects below a prefix of their own; whatever happens, they are removed, or named when they cannot be. */
export class Scratch {
  readonly prefix = `${folder}/${randomUUID()}`;
  readonly destination: Destination;
  readonly #written = new Set<string>();

  constructor(destination: Destination) {
    this.destination = destination;
  }

  keyOf(name: string): string {
    return `${this.prefix}/${name}`;
  }

  async write(name: string, body: ScratchBody, o: Omit<WriteOptions, 'sizeBytes' | 'sha256'>): Promise<void> {
    const { sizeBytes, sha256 } = body;
    this.#written.add(name);
    await this.destination.write(this.keyOf(name), body.whole(), { ...o, sizeBytes, sha256 });
  }

  /** Begins to write and breaks off. @returns whether that was refused, as it has to be */
  async breakOff(
    name: string,
    body: ScratchBody,
    o: Sig & { readonly resumable: boolean },
  ): Promise<boolean> {
    const { sizeBytes, sha256 } = body;
    this.#written.add(name);
    try {
      await this.destination.write(this.keyOf(name), body.half(), { ...o, sizeBytes, sha256 });
      return false;
    } catch (caught) {
      o.signal.throwIfAborted();
      if (!comesOf(caught, brokenOff)) throw caught;
      return true;
    }
  }

  async deleteAll(o: Sig): Promise<void> {
    for (const name of [...this.#written]) {
      await this.destination.delete(this.keyOf(name), o);
      this.#written.delete(name);
    }
  }

  /** Removes what is there, also when the one who asked has gone; answers with the keys that stay. */
  async cleanUp(clock: Clock): Promise<readonly string[]> {
    using limit = deadline(clock, cleanUpMaxMs, 'cleaning up');
    for (const name of [...this.#written]) {
      await this.destination
        .delete(this.keyOf(name), { signal: limit.signal })
        .then(() => this.#written.delete(name))
        .catch(() => undefined);
    }
    return [...this.#written].map((name) => this.keyOf(name));
  }
}

function comesOf(caught: unknown, cause: Error): boolean {
  for (let error = caught; error instanceof Error; error = error.cause) {
    if (error === cause || error.message.includes(cause.message)) return true;
    if (error instanceof HoldfastError && error.reason.includes('broken off')) return true;
  }
  return false;
}
