import {
  PutObjectLegalHoldCommand,
  PutObjectRetentionCommand,
  PutObjectTaggingCommand,
} from '@aws-sdk/client-s3';
import type { Sig } from '@holdfast/core';
import type { S3Calls } from './calls.ts';
import { isAmazon } from './client.ts';
import { objectFields } from './object-fields.ts';

/**
 * Gives an object that was put together from parts its lock and its tags once more: Ceph's gateway takes them when an
 * upload begins, and forgets them. An object that is believed to be locked and is not would be the worse surprise.
 */
export async function finishObject(calls: S3Calls, name: string, o: Sig): Promise<void> {
  const { location, clock, bucket: Bucket } = calls;
  if (isAmazon(location.endpoint)) return;
  const fields = objectFields(location, { hot: false, clock });
  const {
    ObjectLockMode: Mode,
    ObjectLockRetainUntilDate: RetainUntilDate,
    ObjectLockLegalHoldStatus: Status,
  } = fields;
  const object = { Bucket, Key: name };
  // The lock last: until then the object can be taken away again if one of these is refused.
  if (fields.Tagging !== undefined) {
    const TagSet = [...new URLSearchParams(fields.Tagging)].map(([Key, Value]) => ({ Key, Value }));
    await calls.send(new PutObjectTaggingCommand({ ...object, Tagging: { TagSet } }), o);
  }
  if (Status) await calls.send(new PutObjectLegalHoldCommand({ ...object, LegalHold: { Status } }), o);
  if (Mode) {
    const command = new PutObjectRetentionCommand({ ...object, Retention: { Mode, RetainUntilDate } });
    await calls.send(command, o);
  }
}
