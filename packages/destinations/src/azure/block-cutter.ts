import type { BlockPlan } from './block-plan.ts';

export interface CutBlock {
  readonly index: number;
  /** Whoever has it keeps it until `release`. */
  readonly bytes: Buffer;
  readonly isLast: boolean;
  /** Its memory may be used for a later block. */
  release(): void;
}

const firstBytes = 65_536;

/**
 * A body in blocks of the plan's sizes, copied: what the body yields may be used anew by then. The last block is only
 * known when the body has ended, so each is held back until more comes. An empty body is one empty block.
 */
export async function* cutBlocks(
  body: AsyncIterable<Uint8Array>,
  plan: BlockPlan,
  sizeBytes?: number,
): AsyncGenerator<CutBlock, void, void> {
  const spare: Buffer[] = [];
  let index = 0;
  let bytes: Buffer = Buffer.allocUnsafeSlow(Math.min(plan.bytesOf(0), sizeBytes ?? firstBytes));
  let used = 0;
  const cut = (isLast: boolean): CutBlock => {
    const whole = bytes;
    return { index, isLast, bytes: whole.subarray(0, used), release: () => void spare.push(whole) };
  };
  for await (const piece of body) {
    for (let at = 0; at < piece.length; ) {
      const wanted = plan.bytesOf(index);
      if (used === wanted) {
        yield cut(false);
        index += 1;
        used = 0;
        bytes = bufferOf(plan.bytesOf(index), spare);
        continue;
      }
      if (used === bytes.length) bytes = grown(bytes, Math.min(wanted, used * 2, sizeBytes ?? wanted) || 1);
      const taken = Math.min(piece.length - at, bytes.length - used);
      bytes.set(piece.subarray(at, at + taken), used);
      used += taken;
      at += taken;
    }
  }
  yield cut(true);
}

function bufferOf(bytes: number, spare: Buffer[]): Buffer {
  const found = spare.pop();
  // Others are of a size that will not come again.
  return found?.length === bytes ? found : Buffer.allocUnsafeSlow(bytes);
}

function grown(bytes: Buffer, length: number): Buffer {
  const larger = Buffer.allocUnsafeSlow(Math.max(length, bytes.length + 1));
  larger.set(bytes);
  return larger;
}
