import {
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  UploadPartCommand,
  type UploadPartCommandOutput,
} from '@aws-sdk/client-s3';
import { HoldfastError, type Sig, throwIfAborted } from '@holdfast/core';
import type { BodyReader } from './body-reader.ts';
import type { S3Calls } from './calls.ts';
import {
  algorithmFields,
  type ChecksumKind,
  type Digest,
  Digester,
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
import { discard, type StoredPart, type Unfinished } from './unfinished.ts';

export interface MultipartOptions {
  readonly calls: S3Calls;
  readonly buffers: PartBuffers;
  readonly name: string;
  readonly plan: PartPlan;
  readonly kind: ChecksumKind;
  /** So many bytes that were read were there already. */
  readonly unsent: (bytes: number) => void;
  /** Ends the whole write: called with the error of a part that failed. */
  readonly fail: (error: unknown) => void;
}

interface SentPart {
  readonly tag: string;
  readonly digest: Digest;
}

/** Parts of one object that are on their way together. */
const partsAtOnceMax = 4;
/** Larger parts are not kept in memory, but sent as they come, one after the other. */
export const bufferedPartBytesMax = 32 * 1_048_576;

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

  /**
   * Sends a body of known size in parts that are too large for memory. Their checksums are known only when they are
   * sent, so that they are compared with what the server says afterwards.
   */
  async sendThrough(reader: BodyReader, o: Sig & { readonly sizeBytes: number }): Promise<void> {
    const size = this.#o.plan.sizeOf(1);
    for (let number = 1; (number - 1) * size < o.sizeBytes; number += 1) {
      const length = Math.min(size, o.sizeBytes - (number - 1) * size);
      const digester = new Digester('md5');
      async function* pieces(): AsyncGenerator<Buffer> {
        for await (const piece of reader.pieces(length)) {
          digester.update(piece);
          yield piece;
        }
      }
      const there = this.#there.get(number);
      if (there?.bytes === length && there.ETag !== undefined) {
        for await (const _ of pieces()) throwIfAborted(o.signal);
        const digest = digester.digest();
        // It has been read, and cannot be sent any more: the next attempt begins anew.
        if (isSame(digest, there) !== true) throw await this.#otherLeftovers();
        this.#o.unsent(length);
        this.#sent.set(number, { tag: there.ETag, digest });
      } else {
        const stored = await this.#upload(number, { ...o, length, pieces: pieces(), fields: {} });
        const digest = digester.digest();
        if (isSame(digest, stored) === false) throw this.#otherBytes(number);
        this.#sent.set(number, { tag: stored.ETag ?? '', digest });
      }
      this.#bytes += length;
    }
    // Past its last byte a body says whether it was the right one.
    await reader.isAtEnd();
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
        const digester = new Digester(kind);
        const see = (taken: Buffer): void => digester.update(taken);
        if (number === 1 && o.first) see(buffer.bytes);
        const length =
          number === 1 && o.first ? size : await reader.fill(buffer.bytes.subarray(0, size), see);
        if (length === 0) break;
        const bytes = buffer.bytes.subarray(0, length);
        const digest = digester.digest();
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
    const numbers = [...this.#sent.keys()].sort((a, b) => a - b);
    const digests = numbers.map((number) => this.#sent.get(number)?.digest);
    if (digests.some((digest) => digest?.kind !== 'md5')) return undefined;
    return tagOfParts(digests.map((digest) => digest?.value ?? ''));
  }

  /** Whether an earlier write has sent this very part. */
  #isThere(number: number, bytes: Buffer, digest: Digest): boolean {
    const there = this.#there.get(number);
    if (!there?.ETag || there.bytes !== bytes.length) return false;
    // A server that keeps no checksum of this kind has the entity tag.
    const same = isSame(digest, there) ?? isSame(digestOf('md5', bytes), there);
    if (!same) return false;
    this.#o.unsent(bytes.length);
    this.#sent.set(number, { tag: there.ETag, digest });
    return true;
  }

  async #sendPart(number: number, o: Sig & { bytes: Buffer; digest: Digest }): Promise<void> {
    const { bytes, digest, signal } = o;
    const stored = await this.#upload(number, {
      signal,
      length: bytes.length,
      pieces: piecesOf(bytes),
      fields: digestFields(digest),
      digest,
    });
    if (isSame(digest, stored) === false) throw this.#otherBytes(number);
    this.#sent.set(number, { tag: stored.ETag ?? '', digest });
  }

  #upload(
    number: number,
    o: Sig & { length: number; pieces: AsyncIterable<Buffer>; fields: object; digest?: Digest },
  ): Promise<UploadPartCommandOutput> {
    const { calls, name: Key } = this.#o;
    const { signal, pieces, length, fields, digest } = o;
    return sendOutgoing({
      signal,
      clock: calls.clock,
      pieces,
      send: (Body, s) => {
        const command = new UploadPartCommand({
          Bucket: calls.bucket,
          Key,
          UploadId: this.uploadId,
          PartNumber: number,
          ContentLength: length,
          Body,
          ...fields,
        });
        return calls.send(digest ? payloadHash(command, digest) : command, s);
      },
    });
  }

  async #otherLeftovers(): Promise<HoldfastError> {
    const { calls, name } = this.#o;
    await discard(calls, name, { signal: new AbortController().signal, uploadId: this.uploadId });
    return new HoldfastError(
      'unavailable',
      `what was left of ${name} in ${calls.place} is of another content`,
      {
        hint: 'it was removed: the next attempt begins anew',
      },
    );
  }

  #otherBytes(number: number): HoldfastError {
    return storedOtherBytes(`part ${number} of ${this.#o.name}`, this.#o.calls.place);
  }
}
