import type { StorageClass } from '@aws-sdk/client-s3';
import type { Clock } from '@holdfast/core';
import type { S3Location } from './url.ts';

const dayMs = 86_400_000;

/** What every object that is written is given: class, encryption, lock and tags. */
export function objectFields(location: S3Location, o: { readonly hot: boolean; readonly clock: Clock }) {
  const { sse, kmsKeyId, lockMode, lockDays, legalHold, tagging } = location;
  const storageClass = o.hot ? location.manifestStorageClass : location.storageClass;
  return {
    // What is not said is STANDARD, also to servers that know no classes.
    ...(storageClass !== undefined &&
      storageClass !== 'STANDARD' && { StorageClass: storageClass as StorageClass }),
    ...(sse !== undefined && { ServerSideEncryption: sse }),
    ...(kmsKeyId !== undefined && { SSEKMSKeyId: kmsKeyId }),
    ...(lockMode !== undefined &&
      lockDays !== undefined && {
        ObjectLockMode: lockMode,
        ObjectLockRetainUntilDate: new Date(o.clock.now() + lockDays * dayMs),
      }),
    ...(legalHold && { ObjectLockLegalHoldStatus: 'ON' as const }),
    ...(tagging !== undefined && { Tagging: tagging }),
  };
}
