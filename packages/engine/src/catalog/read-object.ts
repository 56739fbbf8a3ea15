import { type ByteRange, type Destination, HoldfastError, type Sig } from '@holdfast/core';

/** A small object, whole. */
export async function readObject(
  destination: Destination,
  key: string,
  o: Sig & { readonly range?: ByteRange; readonly bytesMax?: number },
): Promise<Uint8Array> {
  const blocks: Uint8Array[] = [];
  let bytes = 0;
  for await (const block of destination.read(key, o)) {
    bytes += block.length;
    if (o.bytesMax !== undefined && bytes > o.bytesMax)
      throw new HoldfastError('corrupt', `object ${key} is larger than the ${o.bytesMax} bytes it may have`);
    // A driver may use its buffer again for the next block. (Buffer's own `slice` would not copy.)
    blocks.push(new Uint8Array(block));
  }
  return blocks.length === 1 && blocks[0] ? blocks[0] : Buffer.concat(blocks, bytes);
}
