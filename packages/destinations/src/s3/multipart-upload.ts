import {
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { type Sig, throwIfAborted } from '@holdfast/core';
import type { BodyReader } from './body-reader.ts';
import type { S3Calls } from './calls.ts';
import {
  algorithmFields,
  type ChecksumKind,
  type Digest,
  digestFields,
  digestOf,
  isSame,
  storedOtherBytes,
  tagOfParts,
} from './checksums.ts';
import { piecesOf, sendOutgoing } from './outgoing.ts';
import type { PartBuffer, PartBuffers } from './part-buffers.ts';
import type { PartPlan } from './part-plan.ts';
import { payloadHash } from './payload-hash.ts';
import type { StoredPart, Unfinished } from './unfinished.ts';

export interface MultipartOptions {
  readonly calls: S3Calls;
  readonly buffers: PartBuffers;
  readonly name: string;
  readonly plan: PartPlan;
  readonly kind: ChecksumKind;
  /** Ends the whole write: called with the error of a part that failed. */
  readonly fail: (error: unknown) => void;
}

interface SentPart {
  readonly tag: string;
  readonly digest: Digest;
}

/** Parts of one object that are on their way together. */
const partsAtOnceMax = 4;

/** One object in parts: nobody sees it before it is completed. */
export class MultipartUpload {
  readonly uploadId: string;
  readonly #o: MultipartOptions;
  /** What an earlier write left; each is looked at when its turn comes. */
  readonly #there: ReadonlyMap<number, StoredPart>;
  readonly #sent = new Map<number, SentPart>();
  #bytes = 0;

  constructor(options: MultipartOptions, begun: Unfinished) {
    this.#o = options;
    this.uploadId = begun.uploadId;
    this.#there = begun.parts;
  }

  static async begin(o: MultipartOptions & Sig & { readonly fields: object }): Promise<MultipartUpload> {
    const { calls, name: Key, kind, fields } = o;
    const command = new CreateMultipartUploadCommand({
      Bucket: calls.bucket,
      Key,
      ...fields,
      ...algorithmFields(kind),
    });
    const { UploadId } = await calls.send(command, o);
    if (!UploadId) throw new Error('the server gave the upload no name');
    return new MultipartUpload(o, { uploadId: UploadId, parts: new Map() });
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Sends the body to its end. @param first the beginning of the body, filled already */
  async send(reader: BodyReader, o: Sig & { readonly first?: PartBuffer | undefined }): Promise<void> {
    const { plan, buffers, kind } = this.#o;
    const onTheWay = new Set<Promise<void>>();
    let filled = o.first;
    try {
      for (let number = 1; ; number += 1) {
        const size = plan.sizeOf(number);
        const buffer = filled ?? (await buffers.acquire(size, o));
        filled = buffer;
        const length = number === 1 && o.first ? size : await reader.fill(buffer.bytes.subarray(0, size));
        if (length === 0) break;
        const bytes = buffer.bytes.subarray(0, length);
        const digest = digestOf(kind, bytes);
        this.#bytes += length;
        if (this.#isThere(number, bytes, digest)) continue;
        filled = undefined;
        const sending = this.#sendPart(number, { bytes, digest, signal: o.signal })
          .catch((error: unknown) => this.#o.fail(error))
          .finally(() => {
            buffer.release();
            onTheWay.delete(sending);
          });
        onTheWay.add(sending);
        if (onTheWay.size >= partsAtOnceMax) await Promise.race(onTheWay);
        throwIfAborted(o.signal);
      }
    } finally {
      filled?.release();
      // Also of a write that failed: none may arrive after the upload is given up.
      await Promise.all(onTheWay);
    }
    throwIfAborted(o.signal);
  }

  /** Makes the object visible. Rejects with the client's errors. */
  async complete(o: Sig & { readonly ifAbsent: boolean }): Promise<{ readonly verified: boolean }> {
    const { calls, name: Key } = this.#o;
    const numbers = [...this.#sent.keys()].sort((a, b) => a - b);
    const parts = numbers.map((PartNumber): CompletedPart => {
      const { tag, digest } = this.#sent.get(PartNumber) as SentPart;
      const { ContentMD5: _, ...sums } = digestFields(digest) as { ContentMD5?: string };
      return { PartNumber, ETag: tag, ...sums };
    });
    const command = new CompleteMultipartUploadCommand({
      Bucket: calls.bucket,
      Key,
      UploadId: this.uploadId,
      MultipartUpload: { Parts: parts },
      ...(o.ifAbsent && { IfNoneMatch: '*' }),
    });
    const { ETag } = await calls.send(command, o);
    return { verified: this.expectedTag !== undefined && ETag === this.expectedTag };
  }

  /** What the whole object's entity tag should be; undefined when the parts' are not known to be MD5. */
  get expectedTag(): string | undefined {
    if (this.#o.kind !== 'md5') return undefined;
    const numbers = [...this.#sent.keys()].sort((a, b) => a - b);
    return tagOfParts(numbers.map((number) => this.#sent.get(number)?.digest.value ?? ''));
  }

  /** Whether an earlier write has sent this very part. */
  #isThere(number: number, bytes: Buffer, digest: Digest): boolean {
    const there = this.#there.get(number);
    if (!there?.ETag || there.bytes !== bytes.length) return false;
    // A server that keeps no checksum of this kind has the entity tag.
    const same = isSame(digest, there) ?? isSame(digestOf('md5', bytes), there);
    if (same) this.#sent.set(number, { tag: there.ETag, digest });
    return same ?? false;
  }

  async #sendPart(number: number, o: Sig & { bytes: Buffer; digest: Digest }): Promise<void> {
    const { calls, name: Key } = this.#o;
    const { bytes, digest, signal } = o;
    const stored = await sendOutgoing({
      signal,
      clock: calls.clock,
      pieces: piecesOf(bytes),
      send: (Body, s) => {
        const command = new UploadPartCommand({
          Bucket: calls.bucket,
          Key,
          UploadId: this.uploadId,
          PartNumber: number,
          ContentLength: bytes.length,
          Body,
          ...digestFields(digest),
        });
        return calls.send(payloadHash(command, digest), s);
      },
    });
    if (isSame(digest, stored) === false) throw storedOtherBytes(`part ${number} of ${Key}`, calls.place);
    this.#sent.set(number, { tag: stored.ETag ?? '', digest });
  }
}
