import {
  DeleteObjectCommand,
  HeadObjectCommand,
  type HeadObjectCommandOutput,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { HoldfastError, type ObjectInfo, type Sig, throwIfAborted, type WriteOptions } from '@holdfast/core';
import { CheckedBody } from '../checked-body.ts';
import { BodyReader } from './body-reader.ts';
import type { S3Calls } from './calls.ts';
import {
  type ChecksumKind,
  checksumKind,
  digestFields,
  digestOf,
  isSame,
  md5OfTag,
  storedOtherBytes,
} from './checksums.ts';
import { s3ErrorName, s3Status } from './errors.ts';
import { finishObject } from './finish-object.ts';
import { KeyLocks } from './key-locks.ts';
import { bufferedPartBytesMax, MultipartUpload } from './multipart-upload.ts';
import { objectFields } from './object-fields.ts';
import { commit, piecesOf, sendOutgoing } from './outgoing.ts';
import { type PartBuffer, PartBuffers } from './part-buffers.ts';
import { type PartPlan, planOf, planOfUnknown } from './part-plan.ts';
import { payloadHash } from './payload-hash.ts';
import { discard, takeUnfinished } from './unfinished.ts';

/** What all writes of a destination keep in memory together. */
const bufferBytesMax = 64 * 1_048_576;
/** What is no larger gets a buffer of its own size, so that many small objects do not wait for one another. */
const smallBytesMax = 1_048_576;

interface Job extends WriteOptions {
  readonly key: string;
  /** The object's whole name in the bucket. */
  readonly name: string;
  readonly reader: BodyReader;
  readonly plan: PartPlan;
  readonly fail: (error: unknown) => void;
  readonly unsent: (bytes: number) => void;
}

/** Stores objects: small ones by one request, others in parts. */
export class S3Writer {
  readonly #calls: S3Calls;
  readonly #kind: ChecksumKind;
  readonly #buffers = new PartBuffers(bufferBytesMax);
  readonly #locks = new KeyLocks();
  /** Uploads that a write of this handle is busy with. */
  readonly #mine = new Set<string>();
  /** Whether the server decides `ifAbsent`; undefined while it was not asked. */
  conditional: boolean | undefined;

  constructor(calls: S3Calls) {
    this.#calls = calls;
    this.#kind = checksumKind(calls.location);
  }

  get kind(): ChecksumKind {
    return this.#kind;
  }

  async write(
    key: string,
    body: AsyncIterable<Uint8Array>,
    o: WriteOptions & { name: string },
  ): Promise<ObjectInfo> {
    const { name, ifAbsent, sizeBytes } = o;
    throwIfAborted(o.signal);
    const { endpoint, partBytes } = this.#calls.location;
    const plan =
      sizeBytes === undefined
        ? planOfUnknown(partBytes, { equal: wantsEqualParts(endpoint) })
        : planOf(sizeBytes, partBytes);
    if (ifAbsent && !this.#isDecidedAtOnce(o, plan) && (await this.#look(name, o))) throw this.#taken(key);
    const broken = new AbortController();
    const signal = AbortSignal.any([o.signal, broken.signal]);
    const fail = (error: unknown): void => broken.abort(this.#calls.told(`write ${key}`, o, error));
    const checked = new CheckedBody(body, { ...o, key, signal });
    const reader = new BodyReader(checked);
    const unsent = (bytes: number): void => checked.unsent(bytes);
    const job: Job = { ...o, signal, key, reader, plan, fail, unsent };
    try {
      return await this.#store(job);
    } finally {
      await reader.close();
    }
  }

  /** One request stores it and says whether the key was free: to ask before would cost another round trip. */
  #isDecidedAtOnce({ sizeBytes }: WriteOptions, plan: PartPlan): boolean {
    return this.conditional === true && sizeBytes !== undefined && isSingle(plan, sizeBytes);
  }

  async #store(job: Job): Promise<ObjectInfo> {
    const { reader, plan, sizeBytes } = job;
    if (sizeBytes === undefined || sizeBytes <= smallBytesMax) {
      const small = Buffer.allocUnsafe(sizeBytes ?? smallBytesMax);
      const length = await reader.fill(small);
      if (await reader.isAtEnd()) return this.#put(job, small.subarray(0, length));
      reader.unread(small);
    }
    if (sizeBytes !== undefined && !isSingle(plan, sizeBytes)) return this.#putParts(job, undefined);
    // What an unfinished write of another size has left stays until `delete`: to look for it each time costs a request.
    const size = plan.sizeOf(1);
    const buffer = await this.#buffers.acquire(size, job);
    let owned = true;
    try {
      const filled = await reader.fill(buffer.bytes.subarray(0, size));
      if (await reader.isAtEnd()) return await this.#put(job, buffer.bytes.subarray(0, filled));
      owned = false;
      return await this.#putParts(job, buffer);
    } finally {
      if (owned) buffer.release();
    }
  }

  async #put(job: Job, bytes: Buffer): Promise<ObjectInfo> {
    const { key, ifAbsent } = job;
    if (!ifAbsent) await this.#putOnce(job, bytes, false);
    else if (this.conditional === false) await this.#putGuarded(job, bytes);
    else {
      try {
        await this.#putOnce(job, bytes, true);
      } catch (error) {
        if (!isNotImplemented(error)) throw await this.#conflict(job, error);
        await this.#putGuarded(job, bytes);
        this.conditional = false;
      }
    }
    return { key, bytes: bytes.length };
  }

  /** Where the server does not decide: looks and writes, with nothing of this handle between the two. */
  async #putGuarded(job: Job, bytes: Buffer): Promise<void> {
    await this.#locks.run(job.name, async () => {
      if (await this.#look(job.name, job)) throw this.#taken(job.key);
      await this.#putOnce(job, bytes, false);
    });
  }

  async #putOnce(job: Job, bytes: Buffer, ifAbsent: boolean): Promise<void> {
    const { name: Key, key, signal, hot = false } = job;
    const { bucket: Bucket, clock, location, place } = this.#calls;
    const digest = digestOf(this.#kind, bytes);
    try {
      const stored = await sendOutgoing({
        signal,
        clock,
        pieces: piecesOf(bytes),
        send: (Body, o) => {
          const command = new PutObjectCommand({
            Bucket,
            Key,
            Body,
            ContentLength: bytes.length,
            ...objectFields(location, { hot, clock }),
            ...digestFields(digest),
            ...(ifAbsent && { IfNoneMatch: '*' }),
          });
          return this.#calls.send(payloadHash(command, digest), o);
        },
      });
      const same = isSame(digest, stored) ?? (await this.#hasSize(Key, bytes.length, job));
      if (!same) {
        await this.#remove(Key, job);
        throw storedOtherBytes(key, place);
      }
    } catch (error) {
      // The answer was lost: what lies there says whether the object was stored.
      if (error instanceof HoldfastError || s3Status(error) !== undefined || signal.aborted) throw error;
      const there = await this.#look(Key, job).catch(() => undefined);
      const md5 = digestOf('md5', bytes).value ?? '';
      if (!there || md5OfTag(there) !== Buffer.from(md5, 'base64').toString('hex')) throw error;
    }
  }

  async #putParts(job: Job, first: PartBuffer | undefined): Promise<ObjectInfo> {
    const { key, resumable } = job;
    let upload: MultipartUpload;
    try {
      upload = await this.#beginUpload(job);
    } catch (error) {
      first?.release();
      throw error;
    }
    this.#mine.add(upload.uploadId);
    try {
      const { signal, sizeBytes } = job;
      if (sizeBytes !== undefined && job.plan.sizeOf(1) > bufferedPartBytesMax)
        await upload.sendThrough(job.reader, { signal, sizeBytes });
      else await upload.send(job.reader, { signal, first });
      await this.#complete(job, upload);
      await this.#finish(job);
      return { key, bytes: upload.bytes };
    } catch (error) {
      const { code } = this.#calls.told(`write ${key}`, job, error);
      // What is wrong will not become right by going on with it.
      if (!resumable || code === 'corrupt' || code === 'conflict') await this.#discard(job, upload);
      throw error;
    } finally {
      this.#mine.delete(upload.uploadId);
    }
  }

  async #beginUpload(job: Job): Promise<MultipartUpload> {
    const { name, plan, fail, unsent, signal, hot = false } = job;
    const calls = this.#calls;
    // The checksums of parts that are sent as they come are not announced.
    const kind = plan.sizeOf(1) > bufferedPartBytesMax && job.sizeBytes !== undefined ? 'none' : this.#kind;
    const o = { calls, buffers: this.#buffers, name, plan, kind, fail, unsent };
    const begun = job.resumable ? await this.#takeUnfinished(job) : undefined;
    if (begun) return new MultipartUpload(o, begun);
    const fields = objectFields(calls.location, { hot, clock: calls.clock });
    return MultipartUpload.begin({ ...o, signal, fields });
  }

  #takeUnfinished(job: Job) {
    const { name, plan, signal, sizeBytes = 0 } = job;
    return takeUnfinished(this.#calls, name, { signal, plan, sizeBytes, mine: this.#mine });
  }

  async #complete(job: Job, upload: MultipartUpload): Promise<void> {
    const { name, key, ifAbsent = false, signal } = job;
    const { clock, place } = this.#calls;
    const ask = async (conditional: boolean): Promise<boolean> => {
      const { verified } = await commit({ signal, clock }, (o) =>
        upload.complete({ ...o, ifAbsent: conditional }),
      );
      return verified;
    };
    let verified = false;
    try {
      verified = await this.#locks.run(name, async () => {
        if (!ifAbsent) return ask(false);
        // Some servers ignore the condition when parts are put together.
        if (await this.#look(name, job)) throw this.#taken(key);
        if (this.conditional === false) return ask(false);
        return ask(true).catch((error: unknown) => {
          if (isNotImplemented(error)) return ask(false);
          throw error;
        });
      });
    } catch (error) {
      const lost = s3Status(error) === undefined || s3ErrorName(error) === 'NoSuchUpload';
      const asking = !(error instanceof HoldfastError) && lost && !signal.aborted;
      const there = asking ? await this.#look(name, job).catch(() => undefined) : undefined;
      if (upload.expectedTag === undefined || there?.ETag !== upload.expectedTag)
        throw await this.#conflict(job, error);
      verified = true;
    }
    if (verified || (await this.#hasSize(name, upload.bytes, job))) return;
    await this.#remove(name, job);
    throw storedOtherBytes(key, place);
  }

  /** From here on the object is seen: an abort comes too late. */
  async #finish({ name, signal }: Job): Promise<void> {
    const { clock } = this.#calls;
    try {
      const whole = signal.aborted ? new AbortController().signal : signal;
      await commit({ signal: whole, clock }, (o) => finishObject(this.#calls, name, o));
    } catch (error) {
      await this.#remove(name, { signal: new AbortController().signal });
      throw error;
    }
  }

  /** Waits for it even after an abort: nothing that costs money may stay. */
  async #discard({ name }: Job, { uploadId }: MultipartUpload): Promise<void> {
    const { signal } = new AbortController();
    await discard(this.#calls, name, { signal, uploadId }).catch(() => undefined);
  }

  /** Undefined when nothing is there, or when the credentials do not let us look. */
  async #look(name: string, o: Sig): Promise<HeadObjectCommandOutput | undefined> {
    try {
      return await this.#calls.send(new HeadObjectCommand({ Bucket: this.#calls.bucket, Key: name }), o);
    } catch (error) {
      const status = s3Status(error);
      if (status === 404 || status === 403) return undefined;
      throw error;
    }
  }

  /** True as well when nothing can be seen of it. */
  async #hasSize(name: string, bytes: number, o: Sig): Promise<boolean> {
    const there = await this.#look(name, o);
    return there === undefined || there.ContentLength === bytes;
  }

  async #remove(name: string, o: Sig): Promise<void> {
    const command = new DeleteObjectCommand({ Bucket: this.#calls.bucket, Key: name });
    await this.#calls.send(command, o).catch(() => undefined);
  }

  /** What a refused condition means: that somebody else was first, or that the server could not decide just now. */
  async #conflict(job: Job, error: unknown): Promise<unknown> {
    const status = s3Status(error);
    if (status === 412) return this.#taken(job.key);
    if (status !== 409 || s3ErrorName(error) !== 'ConditionalRequestConflict') return error;
    if (await this.#look(job.name, job)) return this.#taken(job.key);
    return new HoldfastError(
      'unavailable',
      `${this.#calls.place} could not decide who is first with ${job.key}`,
      {
        cause: error,
      },
    );
  }

  #taken(key: string): HoldfastError {
    return new HoldfastError('conflict', `${key} is already there in ${this.#calls.place}`);
  }
}

/** Whether an object of known size goes by one request: parts that are too large for memory are sent as they come. */
function isSingle(plan: PartPlan, sizeBytes: number): boolean {
  return plan.partCount === 1 && (sizeBytes <= smallBytesMax || plan.sizeOf(1) <= bufferedPartBytesMax);
}

/** A server that does not know the condition says so, in one of several ways. */
function isNotImplemented(error: unknown): boolean {
  const status = s3Status(error);
  const names = ['NotImplemented', 'InvalidArgument', 'InvalidRequest', 'UnsupportedHeader'];
  return status === 501 || (status === 400 && names.includes(s3ErrorName(error)));
}

/** Cloudflare's R2 refuses parts of different sizes. */
function wantsEqualParts(endpoint: string | undefined): boolean {
  return endpoint !== undefined && /\.r2\.cloudflarestorage\.com$/i.test(new URL(endpoint).hostname);
}
