import type { Readable } from 'node:stream';
import { GetObjectCommand, type GetObjectCommandOutput, HeadObjectCommand } from '@aws-sdk/client-s3';
import { type ByteRange, HoldfastError, type Sig, throwIfAborted } from '@holdfast/core';
import type { S3Calls } from './calls.ts';
import { s3ErrorName, s3Status } from './errors.ts';

export interface ReadRequest extends Sig {
  readonly key: string;
  /** The object's whole name in the bucket. */
  readonly name: string;
  readonly range?: ByteRange;
}

export async function* readObject(calls: S3Calls, o: ReadRequest): AsyncGenerator<Uint8Array> {
  const { key, range, signal } = o;
  const action = `read ${key}`;
  if (range && (!(range.start >= 0) || !(range.length >= 0))) throw outOfRange(calls, o, undefined);
  if (range?.length === 0) return calls.telling(action, o, () => assertReaches(calls, o));
  const answer = await calls.telling(action, o, () => open(calls, o));
  const body = answer.Body as Readable | undefined;
  if (!body) return;
  try {
    const size = sizeOf(answer);
    if (range && range.start + range.length > size) throw outOfRange(calls, o, size);
    const wanted = range ? range.length : size;
    let got = 0;
    for await (const block of body) {
      throwIfAborted(signal);
      got += (block as Uint8Array).length;
      if (got > wanted) break;
      yield block as Uint8Array;
    }
    throwIfAborted(signal);
    if (got !== wanted) {
      throw new HoldfastError(
        'unavailable',
        `${key} ended after ${got} of ${wanted} bytes in ${calls.place}`,
        {
          hint: 'see whether the network and the server are well',
        },
      );
    }
  } catch (error) {
    throw calls.told(action, o, error);
  } finally {
    // One that is not read to its end keeps its connection, and with it this process.
    body.destroy();
  }
}

async function open(calls: S3Calls, o: ReadRequest): Promise<GetObjectCommandOutput> {
  const { name: Key, range } = o;
  const Range = range && `bytes=${range.start}-${range.start + range.length - 1}`;
  try {
    const command = new GetObjectCommand({
      Bucket: calls.bucket,
      Key,
      ...(Range !== undefined && { Range }),
    });
    return await calls.send(command, o);
  } catch (error) {
    if (s3ErrorName(error) === 'NoSuchKey') throw missing(calls, o, error);
    if (s3Status(error) === 416) throw outOfRange(calls, o, undefined);
    throw error;
  }
}

/** Nothing is read, but the object has to be there, and the range's start in it. */
async function assertReaches(calls: S3Calls, o: ReadRequest): Promise<void> {
  const found = await calls
    .send(new HeadObjectCommand({ Bucket: calls.bucket, Key: o.name }), o)
    .catch((error: unknown) => {
      throw s3Status(error) === 404 ? missing(calls, o, error) : error;
    });
  const size = found.ContentLength ?? 0;
  if ((o.range?.start ?? 0) > size) throw outOfRange(calls, o, size);
}

/** Of the whole object. */
function sizeOf({ ContentRange, ContentLength = 0 }: GetObjectCommandOutput): number {
  const total = /\/(\d+)$/.exec(ContentRange ?? '')?.[1];
  return total === undefined ? ContentLength : Number(total);
}

function missing({ place }: S3Calls, { key }: ReadRequest, cause: unknown): HoldfastError {
  return new HoldfastError('not_found', `no object ${key} in ${place}`, { cause });
}

function outOfRange(
  { place }: S3Calls,
  { key, range }: ReadRequest,
  size: number | undefined,
): HoldfastError {
  const has = size === undefined ? 'is shorter' : `has ${size} bytes`;
  return new HoldfastError(
    'out_of_range',
    `${key} in ${place} ${has}, asked for ${range?.length} from ${range?.start}`,
  );
}
