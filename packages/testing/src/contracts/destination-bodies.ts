import { createHash } from 'node:crypto';

/** Bodies of objects for tests: all bytes follow from a seed, so that a mixture of two objects is noticed. */
export function seededBytes(size: number, seed: number): Uint8Array {
  const out = new Uint8Array(size);
  let state = (seed * 2654435761 + 1) >>> 0;
  for (let i = 0; i < size; i += 1) {
    // xorshift32
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    out[i] = state & 0xff;
  }
  return out;
}

export function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** A body that can be read any number of times. */
export function bodyOf(bytes: Uint8Array, blockBytes = 65_536): AsyncIterable<Uint8Array> {
  return {
    async *[Symbol.asyncIterator]() {
      for (let at = 0; at < bytes.length; at += blockBytes) yield bytes.subarray(at, at + blockBytes);
    },
  };
}

export async function collect(blocks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const out: Uint8Array[] = [];
  // A block is only valid until the next.
  for await (const block of blocks) out.push(Uint8Array.from(block));
  return Buffer.concat(out);
}

export interface GatedBody extends AsyncIterable<Uint8Array> {
  /** Resolves when everything before the gate was taken and more was asked for. */
  readonly reached: Promise<void>;
  /** Lets the rest through. */
  open(): void;
  /** Resolves when the reader gave the body up. */
  readonly returned: Promise<void>;
}

/** A body that stops half way, so that a test can look at (or stop) a write in its middle. */
export function gatedBody(before: Uint8Array, after: Uint8Array): GatedBody {
  const reached = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  const returned = Promise.withResolvers<void>();
  let step = 0;
  const iterator: AsyncIterator<Uint8Array> = {
    async next() {
      step += 1;
      if (step === 1) return { done: false, value: before };
      if (step > 2) return { done: true, value: undefined };
      reached.resolve();
      await gate.promise;
      return { done: false, value: after };
    },
    async return() {
      returned.resolve();
      return { done: true, value: undefined };
    },
  };
  return {
    reached: reached.promise,
    returned: returned.promise,
    open: () => gate.resolve(),
    [Symbol.asyncIterator]: () => iterator,
  };
}
