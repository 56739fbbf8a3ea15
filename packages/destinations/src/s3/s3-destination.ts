import { DeleteObjectCommand, HeadObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import {
  type ByteRange,
  type Clock,
  type ColdStorage,
  type CredentialCommand,
  type Destination,
  type DestinationFeatures,
  type DriverToken,
  type ObjectInfo,
  type Sig,
  throwIfAborted,
  type WriteOptions,
} from '@holdfast/core';
import { prefixParts } from '../keys.ts';
import { portableParts } from '../portable-names.ts';
import { S3Calls } from './calls.ts';
import { type OpenClient, openClient } from './client.ts';
import { S3Cold } from './cold-storage.ts';
import { s3Status } from './errors.ts';
import { listObjects } from './list-objects.ts';
import { prepareS3 } from './prepare.ts';
import { readObject } from './read-object.ts';
import { S3Writer } from './s3-writer.ts';
import { accessOf } from './storage-classes.ts';
import { discard, unfinishedOf } from './unfinished.ts';
import type { S3Location } from './url.ts';

export interface S3Options {
  readonly location: S3Location;
  readonly clock: Clock;
  /** Which repository this place held when it was last used, as `repositoryId` said then. */
  readonly expectedId?: string | undefined;
  readonly credentials?: CredentialCommand | undefined;
  readonly connectMsMax?: number;
  readonly idleMsMax?: number;
}

/** A bucket of Amazon S3 or of a server that speaks its protocol. */
export class S3Destination implements Destination {
  readonly type = 's3';
  readonly description: string;
  readonly cold: ColdStorage;
  readonly #options: S3Options;
  readonly #open: OpenClient;
  readonly #calls: S3Calls;
  readonly #writer: S3Writer;
  #repositoryId: string | undefined;
  #writeOnly = false;
  /** Something in the bucket was reached: that an object is missing does not mean that the bucket is. */
  #reached = false;

  /** @throws HoldfastError config_invalid when `caFile` cannot be read */
  constructor(options: S3Options) {
    this.#options = options;
    const { location, clock } = options;
    const { bucket, prefix, endpoint } = location;
    const at = endpoint === undefined ? '' : ` at ${endpoint}`;
    this.description = `s3://${bucket}/${prefix.replace(/\/$/, '')}${at}`;
    this.#open = openClient(options);
    this.#calls = new S3Calls({ open: this.#open, location, place: this.description, clock });
    this.#writer = new S3Writer(this.#calls);
    this.cold = new S3Cold(this.#calls, (key) => this.#nameOf(key));
    this.#repositoryId = undefined;
  }

  get features(): DestinationFeatures {
    return {
      conditionalWrite: this.#writer.conditional ?? false,
      rangedRead: true,
      storedChecksum: this.#writer.kind !== 'none',
      resumableWrite: true,
      writeOnly: this.#writeOnly,
    };
  }

  get repositoryId(): string | undefined {
    return this.#repositoryId;
  }

  get token(): DriverToken {
    const { location, credentials, expectedId } = this.#options;
    const data = {
      location,
      credentials,
      expectedId: this.#repositoryId ?? expectedId,
      conditional: this.#writer.conditional,
    };
    return { module: new URL('./worker.ts', import.meta.url).href, data };
  }

  /** What another handle on the same place has found out. */
  adopt({ conditional }: { readonly conditional?: boolean | undefined }): void {
    this.#writer.conditional = conditional;
  }

  async prepare(o: Sig & { readonly neverOn?: readonly string[] }): Promise<readonly string[]> {
    throwIfAborted(o.signal);
    const { expectedId } = this.#options;
    return this.#calls.telling('prepare writing', o, async () => {
      const found = await prepareS3(this.#calls, {
        signal: o.signal,
        expectedId,
        conditional: this.#writer.conditional,
      });
      this.#repositoryId = found.repositoryId ?? expectedId;
      this.#writeOnly = found.writeOnly;
      this.#writer.conditional = found.conditional;
      this.#reached = true;
      throwIfAborted(o.signal);
      return found.warnings;
    });
  }

  async write(key: string, body: AsyncIterable<Uint8Array>, o: WriteOptions): Promise<ObjectInfo> {
    throwIfAborted(o.signal);
    const name = this.#nameOf(key);
    return this.#calls.telling(`write ${key}`, o, () => this.#writer.write(key, body, { ...o, name }));
  }

  async *read(key: string, o: Sig & { readonly range?: ByteRange }): AsyncGenerator<Uint8Array> {
    throwIfAborted(o.signal);
    yield* readObject(this.#calls, { ...o, key, name: this.#nameOf(key) });
  }

  async stat(key: string, o: Sig): Promise<ObjectInfo | undefined> {
    throwIfAborted(o.signal);
    const name = this.#nameOf(key);
    return this.#calls.telling(`look at ${key}`, o, async () => {
      try {
        const Bucket = this.#calls.bucket;
        const found = await this.#calls.send(new HeadObjectCommand({ Bucket, Key: name }), o);
        this.#reached = true;
        const { ContentLength: bytes = 0, LastModified: modified, StorageClass: storageClass } = found;
        const access = accessOf(found);
        return {
          key,
          bytes,
          ...(modified && { modifiedAtMs: modified.getTime() }),
          ...(storageClass !== undefined && { storageClass }),
          ...(access !== undefined && { access }),
        };
      } catch (error) {
        if (s3Status(error) !== 404) throw error;
        await this.#assertBucket(o);
        return undefined;
      }
    });
  }

  async *list(prefix: string, o: Sig): AsyncGenerator<ObjectInfo> {
    throwIfAborted(o.signal);
    prefixParts(prefix);
    yield* listObjects(this.#calls, prefix, o);
  }

  async delete(key: string, o: Sig): Promise<void> {
    throwIfAborted(o.signal);
    const name = this.#nameOf(key);
    await this.#calls.telling(`delete ${key}`, o, async () => {
      for (const uploadId of await unfinishedOf(this.#calls, name, o))
        await discard(this.#calls, name, { signal: o.signal, uploadId });
      await this.#calls.send(new DeleteObjectCommand({ Bucket: this.#calls.bucket, Key: name }), o);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#open[Symbol.dispose]();
  }

  #nameOf(key: string): string {
    portableParts(key);
    return this.#options.location.prefix + key;
  }

  /** An answer without a body does not say whether the object or its whole bucket is missing. */
  async #assertBucket(o: Sig): Promise<void> {
    if (this.#reached) return;
    const { bucket: Bucket, location } = this.#calls;
    await this.#calls.send(new ListObjectsV2Command({ Bucket, Prefix: location.prefix, MaxKeys: 1 }), o);
    this.#reached = true;
  }
}
