import { createHash } from 'node:crypto';
import { type ByteRange, type Destination, HoldfastError, type SegmentEntry, type Sig } from '@holdfast/core';
import type { SegmentContent } from './segment-content.ts';

/** How what a destination holds is compared with what was sent, where it has no checksum that can be trusted. */
export type Verify = 'sample' | 'full';

const sampleBytes = 65_536;

export interface ConfirmOptions extends Sig {
  readonly destination: Destination;
  readonly key: string;
  readonly segment: SegmentEntry;
  readonly content: SegmentContent;
  readonly verify: Verify;
  /** It was there before: what the place compared when it was written, nobody knows. */
  readonly found?: boolean;
}

/**
 * Compares a segment that was just written with what the destination gives back: all of it with `full`; else nothing
 * more where the place itself compared a checksum, and its beginning, middle and end where it did not.
 * @throws HoldfastError corrupt when it is not the same
 */
export async function confirmSegment(o: ConfirmOptions): Promise<void> {
  const { destination, key, segment, verify, found } = o;
  const { storedChecksum, rangedRead, writeOnly } = destination.features;
  if (writeOnly || segment.bytes === 0) return;
  if (verify === 'full' || (!storedChecksum && !rangedRead)) {
    if (!(await holdsExactly(destination, key, segment, o))) throw differs(o);
  } else if (!storedChecksum || found) {
    await compareSample(o);
  }
}

async function compareSample(o: ConfirmOptions): Promise<void> {
  const { destination, key, segment, content, signal } = o;
  const { part } = content;
  if (!part) return;
  const length = Math.min(sampleBytes, segment.bytes);
  const last = segment.bytes - length;
  for (const start of new Set([0, Math.floor(last / 2), last])) {
    const wanted = await content.part?.(segment, start, length);
    // What passed through here before is at hand no more.
    if (!wanted) return;
    const found = await readPart(destination, key, { signal, range: { start, length } });
    if (!found?.equals(wanted)) throw differs(o);
  }
}

/** Undefined when the object ends before. */
export async function readPart(
  destination: Destination,
  key: string,
  o: Sig & { readonly range: ByteRange },
): Promise<Buffer | undefined> {
  const blocks: Uint8Array[] = [];
  try {
    for await (const block of destination.read(key, o)) blocks.push(Uint8Array.from(block));
  } catch (error) {
    if (HoldfastError.from(error).code === 'out_of_range') return undefined;
    throw error;
  }
  return Buffer.concat(blocks);
}

/** Whether the destination holds exactly these bytes: reads all of them. */
export async function holdsExactly(
  destination: Destination,
  key: string,
  expected: { readonly bytes: number; readonly sha256: string },
  o: Sig & { readonly taken?: (bytes: number) => void },
): Promise<boolean> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const block of destination.read(key, { signal: o.signal })) {
    bytes += block.length;
    if (bytes > expected.bytes) return false;
    hash.update(block);
    o.taken?.(bytes);
  }
  return bytes === expected.bytes && hash.digest('hex') === expected.sha256;
}

function differs({ destination, key }: ConfirmOptions): HoldfastError {
  return new HoldfastError('corrupt', `${destination.description} gives back another ${key} than was sent`, {
    hint: 'check that destination: holdfast doctor; its disk or what stands before it may damage data',
  });
}
