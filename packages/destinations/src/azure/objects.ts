import type { BlobClient, BlobItem } from '@azure/storage-blob';
import { type ByteRange, HoldfastError, type ObjectAccess, type ObjectInfo, type Sig } from '@holdfast/core';
import { reservedPrefix } from '../repository.ts';
import { isCode } from './errors.ts';
import { isNoObject } from './leftovers.ts';

/** What the service says of a blob, in a list or by itself. */
interface BlobFacts {
  readonly contentLength?: number | undefined;
  readonly lastModified?: Date | undefined;
  readonly accessTier?: string | undefined;
  readonly archiveStatus?: string | undefined;
}

export function infoOf(key: string, facts: BlobFacts): ObjectInfo {
  const { contentLength, lastModified, accessTier } = facts;
  const access = accessTo(facts);
  return {
    key,
    bytes: contentLength ?? 0,
    ...(lastModified && { modifiedAtMs: lastModified.getTime() }),
    ...(accessTier !== undefined && { storageClass: accessTier }),
    ...(access && { access }),
  };
}

/** A thawed blob is in another tier, and like any other there. */
export function accessTo({ accessTier, archiveStatus }: BlobFacts): ObjectAccess | undefined {
  if (archiveStatus?.startsWith('rehydrate-pending')) return 'thawing';
  return accessTier === 'Archive' ? 'cold' : undefined;
}

/** What a list of blobs has as an object; Holdfast's own ones are none. */
export function listedObject(item: BlobItem, prefix: string): ObjectInfo | undefined {
  const key = item.name.slice(prefix.length);
  const own = key === '' || key.split('/').some((part) => part.startsWith(reservedPrefix));
  if (own || isNoObject(item.metadata)) return undefined;
  return infoOf(key, item.properties);
}

/**
 * The blocks of a blob, or of a range of it, in one request; undefined when there is none of it.
 * @throws HoldfastError out_of_range
 */
export async function download(
  blob: BlobClient,
  o: Sig & { readonly range?: ByteRange | undefined },
): Promise<AsyncIterable<Uint8Array> | undefined> {
  const { range, signal: abortSignal } = o;
  if (range) assertRange(range);
  if (range?.length === 0) return nothingOf(blob, range.start, o);
  try {
    const answer = await blob.download(range?.start, range?.length, { abortSignal, maxRetryRequests: 0 });
    const body = answer.readableStreamBody;
    if (isNoObject(answer.metadata)) {
      // Its error, if it has one, is nobody's concern any more.
      (body as NodeJS.ReadableStream & { destroy?: () => void })?.destroy?.();
      return undefined;
    }
    const whole = Number(/\/([0-9]+)$/.exec(answer.contentRange ?? '')?.[1] ?? answer.contentLength ?? 0);
    if (range && range.start + range.length > whole) {
      (body as NodeJS.ReadableStream & { destroy?: () => void })?.destroy?.();
      throw outOfRange(whole, range);
    }
    return (body ?? []) as AsyncIterable<Uint8Array>;
  } catch (error) {
    if (!range || !isCode(error, 'InvalidRange')) throw error;
    const { contentLength = 0 } = await blob.getProperties({ abortSignal });
    throw outOfRange(contentLength, range);
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

async function nothingOf(
  blob: BlobClient,
  start: number,
  o: Sig,
): Promise<AsyncIterable<Uint8Array> | undefined> {
  const { contentLength = 0, metadata } = await blob.getProperties({ abortSignal: o.signal });
  if (isNoObject(metadata)) return undefined;
  if (start > contentLength) throw outOfRange(contentLength, { start, length: 0 });
  return nothing();
}

function assertRange({ start, length }: ByteRange): void {
  if (Number.isSafeInteger(start) && Number.isSafeInteger(length) && start >= 0 && length >= 0) return;
  throw new HoldfastError('out_of_range', `not a range: ${length} bytes from ${start}`);
}

function outOfRange(bytes: number, { start, length }: ByteRange): HoldfastError {
  return new HoldfastError(
    'out_of_range',
    `the object has ${bytes} bytes, asked for ${length} from ${start}`,
  );
}
