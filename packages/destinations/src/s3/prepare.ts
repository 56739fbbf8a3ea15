import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { HoldfastError, type Sig } from '@holdfast/core';
import { identifyRepository, markerBytesMax, markerName, reservedPrefix } from '../repository.ts';
import type { S3Calls } from './calls.ts';
import { checksumKind, digestFields, digestOf } from './checksums.ts';
import { s3ErrorName, s3Status } from './errors.ts';
import { objectFields } from './object-fields.ts';
import { payloadHash } from './payload-hash.ts';

export interface Prepared {
  /** Undefined when the marker cannot be read. */
  readonly repositoryId: string | undefined;
  readonly writeOnly: boolean;
  /** Whether the server decides `ifAbsent`. */
  readonly conditional: boolean;
  readonly warnings: readonly string[];
}

/** Written again and again by those who may not read the marker, to see whether they may write. */
const probeName = `${reservedPrefix}probe`;
const probeText = 'Holdfast was here to see whether it can write.\n';

/** Finds out which repository this is, that it takes writes, and what the credentials and the server can do. */
export async function prepareS3(
  calls: S3Calls,
  o: Sig & { readonly expectedId: string | undefined; readonly conditional: boolean | undefined },
): Promise<Prepared> {
  let text: string | undefined;
  const read = async (s: Sig): Promise<string | undefined> => {
    text = await readMarker(calls, s);
    return text;
  };
  const create = async (made: string, s: Sig): Promise<boolean> => {
    const stored = await put(calls, { ...s, name: markerName, text: made, ifAbsent: true });
    if (stored === 'refused') await put(calls, { ...s, name: markerName, text: made, ifAbsent: false });
    if (stored !== 'there') text = made;
    return stored !== 'there';
  };
  let repositoryId: string;
  try {
    const { expectedId } = o;
    repositoryId = await identifyRepository(
      { description: calls.place, read, create },
      { ...o, expectedId, clock: calls.clock },
    );
  } catch (error) {
    if (s3Status(error) !== 403 || s3ErrorName(error) !== 'AccessDenied' || text !== undefined) throw error;
    return prepareWriteOnly(calls, o);
  }
  const conditional = await proveWrites(calls, { ...o, name: markerName, text: text ?? '' });
  return { repositoryId, writeOnly: false, conditional, warnings: [] };
}

/** The marker is not touched: on a server without conditions it would become that of another repository. */
async function prepareWriteOnly(calls: S3Calls, o: Sig): Promise<Prepared> {
  const conditional = await proveWrites(calls, { ...o, name: probeName, text: probeText });
  return {
    repositoryId: undefined,
    writeOnly: true,
    conditional,
    warnings: [
      `${calls.place}: these credentials may write, but not read: what is stored cannot be read back or listed, so that every backup is a full one, nothing is checked afterwards, and retention has to be done with other credentials`,
    ],
  };
}

/** Writes what is there already. A server that honours the condition refuses it, and has then checked our rights. */
async function proveWrites(calls: S3Calls, o: Sig & { name: string; text: string }): Promise<boolean> {
  const first = await put(calls, { ...o, ifAbsent: true });
  if (first === 'there') return true;
  if (first === 'refused') {
    await put(calls, { ...o, ifAbsent: false });
    return false;
  }
  // It was stored: either it was not there, or the condition was ignored. A second time it is there.
  return (await put(calls, { ...o, ifAbsent: true })) === 'there';
}

/** `there`: and so nothing was stored; `refused`: the server does not know the condition. */
async function put(
  calls: S3Calls,
  o: Sig & { readonly name: string; readonly text: string; readonly ifAbsent: boolean },
): Promise<'stored' | 'there' | 'refused'> {
  const { location, clock, bucket: Bucket } = calls;
  const Body = Buffer.from(o.text);
  const digest = digestOf(checksumKind(location), Body);
  const command = new PutObjectCommand({
    Bucket,
    Key: location.prefix + o.name,
    Body,
    ...objectFields(location, { hot: true, clock }),
    ...digestFields(digest),
    ...(o.ifAbsent && { IfNoneMatch: '*' }),
  });
  try {
    await calls.send(payloadHash(command, digest), o);
    return 'stored';
  } catch (error) {
    const status = s3Status(error);
    if (o.ifAbsent && status === 412) return 'there';
    if (o.ifAbsent && (status === 501 || s3ErrorName(error) === 'NotImplemented')) return 'refused';
    if (
      status === 400 &&
      s3ErrorName(error) === 'InvalidRequest' &&
      (location.lockMode || location.legalHold)
    ) {
      throw new HoldfastError('precondition_failed', `${calls.place}: the bucket takes no locked objects`, {
        cause: error,
        hint: 'make a bucket with object lock, which can rarely be added later, or leave out lockMode and legalHold',
      });
    }
    throw error;
  }
}

async function readMarker(calls: S3Calls, o: Sig): Promise<string | undefined> {
  const Key = calls.location.prefix + markerName;
  const command = new GetObjectCommand({ Bucket: calls.bucket, Key });
  try {
    const { Body, ContentLength = 0 } = await calls.send(command, o);
    if (ContentLength > markerBytesMax) {
      (Body as { destroy?: () => void } | undefined)?.destroy?.();
      throw new HoldfastError('corrupt', `${calls.place}: ${markerName} is too large to be one`, {
        hint: 'if the place is the right one, delete this object; it is made anew (the backups are not touched)',
      });
    }
    return (await Body?.transformToString()) ?? '';
  } catch (error) {
    if (s3ErrorName(error) === 'NoSuchKey') return undefined;
    throw error;
  }
}
