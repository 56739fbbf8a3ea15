import { ListObjectsV2Command, type ListObjectsV2CommandOutput } from '@aws-sdk/client-s3';
import { HoldfastError, type ObjectInfo, type Sig, throwIfAborted } from '@holdfast/core';
import { reservedPrefix } from '../repository.ts';
import type { S3Calls } from './calls.ts';
import { isColdClass } from './storage-classes.ts';

const pageKeysMax = 1000;

/** All objects below a prefix, page by page. */
export async function* listObjects(calls: S3Calls, prefix: string, o: Sig): AsyncGenerator<ObjectInfo> {
  const start = calls.location.prefix;
  let from: string | undefined;
  do {
    const command = new ListObjectsV2Command({
      Bucket: calls.bucket,
      Prefix: start + prefix,
      MaxKeys: pageKeysMax,
      ...(from !== undefined && { ContinuationToken: from }),
    });
    const page = await calls.telling(`list ${prefix}`, o, () => calls.send(command, o));
    for (const found of page.Contents ?? []) {
      throwIfAborted(o.signal);
      const key = (found.Key ?? '').slice(start.length);
      if (!isObject(key)) continue;
      yield {
        key,
        bytes: found.Size ?? 0,
        ...(found.LastModified && { modifiedAtMs: found.LastModified.getTime() }),
        ...(found.StorageClass !== undefined && { storageClass: found.StorageClass }),
        ...(isColdClass(found.StorageClass) && { access: 'cold' as const }),
      };
    }
    from = nextOf(page, from, calls.place);
  } while (from !== undefined);
}

/** @throws HoldfastError unavailable for a list that neither ends nor goes on: it would be taken for complete */
function nextOf(
  page: ListObjectsV2CommandOutput,
  before: string | undefined,
  place: string,
): string | undefined {
  if (page.IsTruncated === false) return undefined;
  const next = page.NextContinuationToken;
  if (next !== undefined && next !== before) return next;
  throw new HoldfastError(
    'unavailable',
    `the list of ${place} breaks off: it does not say that it ends, nor where it goes on`,
  );
}

/** Neither one of ours that is no object, nor what a console makes to show an empty folder. */
function isObject(key: string): boolean {
  const parts = key.split('/');
  return parts.every(
    (part) => part !== '' && part !== '.' && part !== '..' && !part.startsWith(reservedPrefix),
  );
}
