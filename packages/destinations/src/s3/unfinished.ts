import {
  AbortMultipartUploadCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
} from '@aws-sdk/client-s3';
import type { Sig } from '@holdfast/core';
import type { S3Calls } from './calls.ts';
import type { StoredSums } from './checksums.ts';
import { s3ErrorName, s3Status } from './errors.ts';
import type { PartPlan } from './part-plan.ts';

export interface StoredPart extends StoredSums {
  readonly bytes: number;
}

/** An upload that an earlier write of the same object left. */
export interface Unfinished {
  readonly uploadId: string;
  /** By number, from 1. */
  readonly parts: ReadonlyMap<number, StoredPart>;
}

/** More pages of either listing than this are not looked at. */
const pagesMax = 100;

/** The unfinished uploads of exactly this object; none where the server, or our rights, do not let us look. */
export async function unfinishedOf(calls: S3Calls, name: string, o: Sig): Promise<readonly string[]> {
  const found: string[] = [];
  let from = {};
  try {
    for (let page = 0; page < pagesMax; page += 1) {
      const command = new ListMultipartUploadsCommand({ Bucket: calls.bucket, Prefix: name, ...from });
      const listing = await calls.send(command, o);
      for (const { Key, UploadId } of listing.Uploads ?? [])
        if (Key === name && UploadId !== undefined) found.push(UploadId);
      if (!listing.IsTruncated) break;
      from = { KeyMarker: listing.NextKeyMarker, UploadIdMarker: listing.NextUploadIdMarker };
    }
  } catch (error) {
    if (!isRefusal(error)) throw error;
  }
  return found;
}

/** Aborts one; it may be gone already. */
export async function discard(calls: S3Calls, name: string, o: Sig & { uploadId: string }): Promise<void> {
  const command = new AbortMultipartUploadCommand({ Bucket: calls.bucket, Key: name, UploadId: o.uploadId });
  try {
    await calls.send(command, o);
  } catch (error) {
    if (s3ErrorName(error) !== 'NoSuchUpload' && s3Status(error) !== 404) throw error;
  }
}

/**
 * The upload that an earlier write left and that this one can go on with: all of its parts are as long as the plan
 * says. Of several the one with the most. The others are discarded: nobody will go on with them.
 */
export async function takeUnfinished(
  calls: S3Calls,
  name: string,
  o: Sig & { readonly plan: PartPlan; readonly sizeBytes: number; readonly mine: ReadonlySet<string> },
): Promise<Unfinished | undefined> {
  let best: Unfinished | undefined;
  for (const uploadId of await unfinishedOf(calls, name, o)) {
    // Another write of this very process is busy with it.
    if (o.mine.has(uploadId)) continue;
    const parts = await partsOf(calls, name, { ...o, uploadId });
    const fits = parts && [...parts].every(([number, { bytes }]) => bytes === partBytes(number, o));
    let loser: string | undefined = uploadId;
    if (fits && (!best || parts.size > best.parts.size)) {
      loser = best?.uploadId;
      best = { uploadId, parts };
    }
    if (loser !== undefined) {
      await discard(calls, name, { signal: o.signal, uploadId: loser }).catch((error: unknown) => {
        if (!isRefusal(error)) throw error;
      });
    }
  }
  return best;
}

function partBytes(number: number, o: { readonly plan: PartPlan; readonly sizeBytes: number }): number {
  const size = o.plan.sizeOf(number);
  return Math.min(size, o.sizeBytes - (number - 1) * size);
}

async function partsOf(
  calls: S3Calls,
  name: string,
  o: Sig & { readonly uploadId: string },
): Promise<ReadonlyMap<number, StoredPart> | undefined> {
  const parts = new Map<number, StoredPart>();
  let from: string | undefined;
  try {
    for (let page = 0; page < pagesMax; page += 1) {
      const listing = await calls.send(
        new ListPartsCommand({
          Bucket: calls.bucket,
          Key: name,
          UploadId: o.uploadId,
          ...(from !== undefined && { PartNumberMarker: from }),
        }),
        o,
      );
      for (const part of listing.Parts ?? [])
        if (part.PartNumber !== undefined) parts.set(part.PartNumber, { ...part, bytes: part.Size ?? -1 });
      if (!listing.IsTruncated) break;
      from = listing.NextPartNumberMarker;
    }
    return parts;
  } catch (error) {
    if (s3ErrorName(error) === 'NoSuchUpload' || isRefusal(error)) return undefined;
    throw error;
  }
}

/** The server does not let us, or cannot: what would be found is done without. */
function isRefusal(error: unknown): boolean {
  const status = s3Status(error);
  return s3ErrorName(error) === 'AccessDenied' || status === 403 || status === 405 || status === 501;
}
