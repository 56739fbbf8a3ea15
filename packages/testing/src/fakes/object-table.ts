import { createHash } from 'node:crypto';
import {
  type ByteRange,
  type Destination,
  type DestinationFeatures,
  type DriverToken,
  HoldfastError,
  type ObjectInfo,
  type Sig,
  throwIfAborted,
  type WriteOptions,
} from '@holdfast/core';
import { assertKey, drain } from './drain.ts';

export interface StoredObject {
  readonly bytes: Buffer;
  readonly modifiedAtMs: number;
}

/** What a fake keeps its objects in. Each step is done at once: nothing comes between. */
export interface ObjectTable {
  get(key: string): StoredObject | undefined;
  /** Key and size of all. */
  list(): readonly ObjectInfo[];
  set(key: string, bytes: Buffer): StoredObject;
  delete(key: string): void;
}

const readBlockBytes = 65_536;

/** The destination that memory and SQLite fakes share; they differ in what their objects outlive. */
export abstract class TableDestination implements Destination {
  readonly features: DestinationFeatures = { conditionalWrite: true, rangedRead: true };
  abstract readonly type: string;
  abstract readonly description: string;
  abstract readonly token: DriverToken;
  abstract readonly objects: ObjectTable;

  async prepare(o: Sig): Promise<readonly string[]> {
    throwIfAborted(o.signal);
    return [];
  }

  async write(key: string, body: AsyncIterable<Uint8Array>, o: WriteOptions): Promise<ObjectInfo> {
    assertKey(key);
    throwIfAborted(o.signal);
    this.#assertAbsent(key, o);
    const bytes = await drain(body, o.signal);
    if (o.sizeBytes !== undefined && o.sizeBytes !== bytes.length) {
      throw new HoldfastError(
        'corrupt',
        `${key} should have ${o.sizeBytes} bytes, its body has ${bytes.length}`,
      );
    }
    if (o.sha256 !== undefined && o.sha256 !== createHash('sha256').update(bytes).digest('hex')) {
      throw new HoldfastError('corrupt', `the body of ${key} has another SHA-256 than was said`);
    }
    this.#assertAbsent(key, o);
    const { modifiedAtMs } = this.objects.set(key, bytes);
    return { key, bytes: bytes.length, modifiedAtMs };
  }

  async *read(key: string, o: Sig & { readonly range?: ByteRange }): AsyncGenerator<Uint8Array> {
    assertKey(key);
    throwIfAborted(o.signal);
    const stored = this.objects.get(key);
    if (!stored) throw new HoldfastError('not_found', `no object ${key} in ${this.description}`);
    const { start, length } = o.range ?? { start: 0, length: stored.bytes.length };
    const end = start + length;
    if (start < 0 || length < 0 || end > stored.bytes.length) {
      throw new HoldfastError(
        'out_of_range',
        `${key} has ${stored.bytes.length} bytes, asked for ${length} from ${start}`,
      );
    }
    for (let at = start; at < end; at += readBlockBytes) {
      throwIfAborted(o.signal);
      yield Buffer.from(stored.bytes.subarray(at, Math.min(at + readBlockBytes, end)));
    }
  }

  async stat(key: string, o: Sig): Promise<ObjectInfo | undefined> {
    assertKey(key);
    throwIfAborted(o.signal);
    const stored = this.objects.get(key);
    return stored && { key, bytes: stored.bytes.length, modifiedAtMs: stored.modifiedAtMs };
  }

  async *list(prefix: string, o: Sig): AsyncGenerator<ObjectInfo> {
    throwIfAborted(o.signal);
    for (const info of this.objects.list()) {
      throwIfAborted(o.signal);
      if (info.key.startsWith(prefix)) yield info;
    }
  }

  async delete(key: string, o: Sig): Promise<void> {
    assertKey(key);
    throwIfAborted(o.signal);
    this.objects.delete(key);
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  #assertAbsent(key: string, o: WriteOptions): void {
    if (o.ifAbsent && this.objects.get(key)) {
      throw new HoldfastError('conflict', `${key} is already there in ${this.description}`);
    }
  }
}
