const decoder = new TextDecoder();

/** The lines of blocks that are cut at any byte, without their newlines. */
export async function* linesOf(blocks: AsyncIterable<Uint8Array>): AsyncGenerator<string, void, void> {
  let rest: Uint8Array[] = [];
  for await (const block of blocks) {
    if (block.length === 0) continue;
    const end = block.lastIndexOf(10);
    if (end < 0) {
      // Kept beyond the block's life, so it needs a place of its own. (Buffer's `slice` would not give it one.)
      rest.push(new Uint8Array(block));
      continue;
    }
    const whole =
      rest.length === 0 ? block.subarray(0, end) : Buffer.concat([...rest, block.subarray(0, end)]);
    rest = end + 1 < block.length ? [new Uint8Array(block.subarray(end + 1))] : [];
    yield* decoder.decode(whole).split('\n');
  }
  if (rest.length > 0) yield decoder.decode(Buffer.concat(rest));
}
