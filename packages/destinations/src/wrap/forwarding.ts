import type {
  ByteRange,
  ColdStorage,
  Destination,
  DestinationFeatures,
  DriverToken,
  ObjectInfo,
  Sig,
  WriteOptions,
} from '@holdfast/core';

/** A destination that is another one; wrappers change what they are for. */
export class Forwarding implements Destination {
  readonly type: string;
  protected readonly inner: Destination;

  constructor(inner: Destination) {
    this.inner = inner;
    this.type = inner.type;
  }

  get features(): DestinationFeatures {
    return this.inner.features;
  }

  get description(): string {
    return this.inner.description;
  }

  get token(): DriverToken {
    return this.inner.token;
  }

  /** Whoever remembers which repository a destination held asks through the wrapper. */
  get repositoryId(): string | undefined {
    return this.inner.repositoryId;
  }

  get cold(): ColdStorage | undefined {
    return this.inner.cold;
  }

  prepare(o: Sig & { readonly neverOn?: readonly string[] }): Promise<readonly string[]> {
    return this.inner.prepare(o);
  }

  write(key: string, body: AsyncIterable<Uint8Array>, o: WriteOptions): Promise<ObjectInfo> {
    return this.inner.write(key, body, o);
  }

  read(key: string, o: Sig & { readonly range?: ByteRange }): AsyncIterable<Uint8Array> {
    return this.inner.read(key, o);
  }

  stat(key: string, o: Sig): Promise<ObjectInfo | undefined> {
    return this.inner.stat(key, o);
  }

  list(prefix: string, o: Sig): AsyncIterable<ObjectInfo> {
    return this.inner.list(prefix, o);
  }

  delete(key: string, o: Sig): Promise<void> {
    return this.inner.delete(key, o);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.inner[Symbol.asyncDispose]();
  }
}
