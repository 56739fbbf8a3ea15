import { type Destination, HoldfastError, RowDigest, type Sig } from '@holdfast/core';
import type { StoredChunkRef } from '../restore/content.ts';
import { Damage } from './chunk-stream.ts';
import { openChunk } from './open-chunk.ts';

/** Failures that say nothing of what was read. */
const ofTheWorld: readonly string[] = ['cancelled', 'unavailable', 'timeout', 'exhausted'];

/**
 * Runs `work` on stored chunks. A chunk is proved at its end, so what is made of its bytes before may stumble over
 * damage first, in words of its own and with the data in them: then the chunks are read once more, to their end.
 * @throws Damage, or what `work` threw when the chunks are what was stored
 */
export async function blamingDamage<T>(
  destination: Destination,
  chunks: readonly StoredChunkRef[],
  o: Sig,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Damage || ofTheWorld.includes(HoldfastError.from(error).code)) throw error;
    throw (await damageOf(destination, chunks, o)) ?? error;
  }
}

async function damageOf(
  destination: Destination,
  chunks: readonly StoredChunkRef[],
  o: Sig,
): Promise<HoldfastError | undefined> {
  const rows = new RowDigest();
  try {
    for (const chunk of chunks) {
      await using open = await openChunk(destination, chunk, rows, o);
      for await (const _ of open.blocks);
    }
    return undefined;
  } catch (error) {
    const failure = HoldfastError.from(error);
    return failure.code === 'corrupt' ? failure : undefined;
  }
}
