export interface SkippedBody {
  /** What comes after the start. */
  readonly rest: AsyncIterable<Uint8Array>;
  /** False: before the start the body says otherwise than what is there. */
  readonly same: boolean;
  /** Tells the body that no more will be asked of it, also when `rest` was never begun. */
  readonly close: () => Promise<void>;
}

/**
 * Reads a body up to where sending begins, and compares the last bytes before that with the end of what is there
 * already. @param tail Those bytes; not longer than `bytes`. `unsent` is told what was only read
 */
export async function skipTo(
  body: AsyncIterable<Uint8Array>,
  { bytes: start, unsent }: { readonly bytes: number; readonly unsent: (bytes: number) => void },
  tail: Uint8Array,
): Promise<SkippedBody> {
  const iterator = body[Symbol.asyncIterator]();
  const close = async (): Promise<void> => {
    await iterator.return?.();
  };
  const tailStart = start - tail.length;
  let at = 0;
  let left: Uint8Array = new Uint8Array();
  while (at < start) {
    const step = await iterator.next();
    // Its checks say what is wrong with a body that ends here.
    if (step.done) return { rest: nothing(), same: false, close };
    const block = step.value;
    unsent(Math.min(block.length, start - at));
    const from = Math.max(at, tailStart);
    const to = Math.min(at + block.length, start);
    if (from < to) {
      const said = block.subarray(from - at, to - at);
      if (Buffer.compare(said, tail.subarray(from - tailStart, to - tailStart)) !== 0) {
        return { rest: nothing(), same: false, close };
      }
    }
    // Copied: the block is only valid until the next one is asked for, and that may be asked for first.
    if (at + block.length > start) left = Uint8Array.from(block.subarray(start - at));
    at += block.length;
  }
  return { rest: restOf(left, iterator), same: true, close };
}

async function* restOf(left: Uint8Array, iterator: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  let ended = false;
  try {
    if (left.length > 0) yield left;
    for (;;) {
      const step = await iterator.next();
      if (step.done) {
        ended = true;
        return;
      }
      yield step.value;
    }
  } finally {
    if (!ended) await iterator.return?.();
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}
