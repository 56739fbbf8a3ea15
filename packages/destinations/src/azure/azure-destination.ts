import {
  abortError,
  type ByteRange,
  type Clock,
  type ColdStorage,
  type CredentialCommand,
  type Destination,
  type DestinationFeatures,
  type DriverToken,
  HoldfastError,
  type ObjectInfo,
  type Sig,
  throwIfAborted,
  type WriteOptions,
} from '@holdfast/core';
import { notAKey, prefixParts } from '../keys.ts';
import { portableParts } from '../portable-names.ts';
import { AzureColdStorage } from './cold.ts';
import { azureError, isCode, isMissing, isRefusal } from './errors.ts';
import { final } from './final.ts';
import { discardBlocks, isNoObject } from './leftovers.ts';
import { download, infoOf, listedObject } from './objects.ts';
import { prepare } from './prepare.ts';
import { AzureSession } from './session.ts';
import { Upload } from './upload.ts';
import type { AzureLocation } from './url.ts';

export interface AzureOptions {
  readonly location: AzureLocation;
  /** Over what the location says. */
  readonly credentials?: CredentialCommand | undefined;
  readonly expectedId?: string | undefined;
  /** As `prepare` has found out, for another handle on the same place. */
  readonly repositoryId?: string | undefined;
  readonly writeOnly?: boolean;
  readonly clock: Clock;
}

const nameLengthMax = 1024;
const pageMax = 1000;

/** A container of an Azure storage account, or what is below a prefix in it. */
export class AzureDestination implements Destination {
  readonly type = 'azure';
  readonly description: string;
  readonly cold: ColdStorage;
  readonly #o: AzureOptions;
  readonly #session: AzureSession;
  #repositoryId: string | undefined;
  #writeOnly: boolean;

  constructor(options: AzureOptions) {
    this.#o = options;
    const { location, repositoryId, writeOnly } = options;
    this.#session = new AzureSession(options);
    this.#repositoryId = repositoryId;
    this.#writeOnly = writeOnly ?? false;
    const host = location.access?.endpoint ?? location.endpoint ?? location.account;
    const where = host === undefined ? '' : ` at ${host.replace(/^https:\/\//, '')}`;
    this.description = `azure://${location.container}/${location.prefix}${where}`;
    this.cold = new AzureColdStorage({
      session: this.#session,
      nameOf: (key) => this.#nameOf(key),
      telling: (action, o, act) => this.#telling(action, o, act),
    });
  }

  get features(): DestinationFeatures {
    return {
      conditionalWrite: true,
      rangedRead: true,
      storedChecksum: true,
      // What is there of an unfinished write has to be read.
      resumableWrite: !this.#writeOnly,
      writeOnly: this.#writeOnly,
    };
  }

  get repositoryId(): string | undefined {
    return this.#repositoryId;
  }

  get token(): DriverToken {
    const { location, credentials, expectedId } = this.#o;
    const data: Omit<AzureOptions, 'clock'> = {
      location,
      credentials,
      expectedId: this.#repositoryId ?? expectedId,
      repositoryId: this.#repositoryId,
      writeOnly: this.#writeOnly,
    };
    return { module: new URL('./worker.ts', import.meta.url).href, data };
  }

  async prepare(o: Sig & { readonly neverOn?: readonly string[] }): Promise<readonly string[]> {
    throwIfAborted(o.signal);
    const { location, expectedId, clock } = this.#o;
    const { repositoryId, writeOnly, warnings } = await prepare({
      session: this.#session,
      location,
      description: this.description,
      expectedId: this.#repositoryId ?? expectedId,
      clock,
      signal: o.signal,
      telling: (action, act) => this.#telling(action, o, act),
    });
    this.#repositoryId = repositoryId;
    this.#writeOnly = writeOnly;
    return warnings;
  }

  async write(key: string, body: AsyncIterable<Uint8Array>, o: WriteOptions): Promise<ObjectInfo> {
    throwIfAborted(o.signal);
    const name = this.#nameOf(key);
    const { location, clock } = this.#o;
    const upload = new Upload(this.#session, {
      ...o,
      key,
      name,
      clock,
      writing: location.writing,
      assertAbsent: () => this.#assertAbsent(key, name, o),
      telling: (error) => this.#told(error, `write ${key}`, o),
    });
    try {
      return { key, bytes: await upload.send(body) };
    } catch (error) {
      if (o.ifAbsent && HoldfastError.from(error).code === 'conflict')
        throw taken(key, this.description, error);
      throw error;
    }
  }

  async *read(key: string, o: Sig & { readonly range?: ByteRange }): AsyncGenerator<Uint8Array> {
    throwIfAborted(o.signal);
    const name = this.#nameOf(key);
    const missing = new HoldfastError('not_found', `no object ${key} in ${this.description}`);
    const action = `read ${key}`;
    const body = await this.#telling(action, o, () =>
      this.#session
        .run(o, (container) => download(container.getBlobClient(name), o))
        .catch((error: unknown) => {
          throw isMissing(error) ? missing : error;
        }),
    );
    if (!body) throw missing;
    try {
      for await (const block of body) {
        throwIfAborted(o.signal);
        yield block;
      }
      throwIfAborted(o.signal);
    } catch (error) {
      throw this.#told(error, action, o);
    }
  }

  async stat(key: string, o: Sig): Promise<ObjectInfo | undefined> {
    throwIfAborted(o.signal);
    const name = this.#nameOf(key);
    return this.#telling(`look at ${key}`, o, () => this.#find(key, name, o));
  }

  async *list(prefix: string, o: Sig): AsyncGenerator<ObjectInfo> {
    throwIfAborted(o.signal);
    prefixParts(prefix);
    const { prefix: own } = this.#o.location;
    let continuationToken: string | undefined;
    do {
      const page = await this.#telling(`list ${prefix}`, o, () =>
        this.#session.run(o, async (container) => {
          const blobs = container.listBlobsFlat({
            prefix: own + prefix,
            includeMetadata: true,
            abortSignal: o.signal,
          });
          const settings = { maxPageSize: pageMax, ...(continuationToken && { continuationToken }) };
          return (await blobs.byPage(settings).next()).value;
        }),
      );
      for (const item of page?.segment.blobItems ?? []) {
        const info = listedObject(item, own);
        if (info) yield info;
        throwIfAborted(o.signal);
      }
      continuationToken = page?.continuationToken;
    } while (continuationToken);
  }

  async delete(key: string, o: Sig): Promise<void> {
    throwIfAborted(o.signal);
    const name = this.#nameOf(key);
    const { clock } = this.#o;
    await this.#telling(`delete ${key}`, o, async () => {
      await final({ ...o, clock }, (abortSignal) =>
        this.#session.run({ signal: abortSignal }, (container) =>
          container.getBlobClient(name).delete({ abortSignal }),
        ),
      ).catch((error: unknown) => {
        // A folder of a hierarchical namespace is no object, and not deleted while there is one in it.
        if (!isMissing(error) && !isCode(error, 'DirectoryIsNotEmpty')) throw error;
      });
      // The service keeps the blocks of unfinished writes apart from the object.
      await discardBlocks(this.#session, name, o);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session[Symbol.asyncDispose]();
  }

  #nameOf(key: string): string {
    portableParts(key);
    const name = this.#o.location.prefix + key;
    if (name.length > nameLengthMax)
      throw notAKey(key, `with its prefix it is longer than ${nameLengthMax} characters`);
    return name;
  }

  async #find(key: string, name: string, o: Sig): Promise<ObjectInfo | undefined> {
    try {
      const facts = await this.#session.run(o, (container) =>
        container.getBlobClient(name).getProperties({ abortSignal: o.signal }),
      );
      return isNoObject(facts.metadata) ? undefined : infoOf(key, facts);
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  async #assertAbsent(key: string, name: string, o: Sig): Promise<void> {
    const found = await this.#find(key, name, o).catch((error: unknown) => {
      // Who may not look finds out at the end.
      if (isRefusal(error)) return undefined;
      throw error;
    });
    if (found) throw taken(key, this.description);
  }

  async #telling<T>(action: string, o: Sig, act: () => Promise<T>): Promise<T> {
    try {
      return await act();
    } catch (error) {
      throw this.#told(error, action, o);
    }
  }

  #told(error: unknown, action: string, { signal }: Sig): HoldfastError {
    if (signal.aborted) return abortError(signal);
    const { location, clock } = this.#o;
    const access = this.#session.access;
    return azureError(error, {
      description: this.description,
      container: location.container,
      endpoint: access?.endpoint ?? location.endpoint ?? 'the service',
      action,
      sasToken: access?.sasToken,
      nowMs: clock.now(),
    });
  }
}

function taken(key: string, place: string, cause?: unknown): HoldfastError {
  return new HoldfastError('conflict', `${key} is already there in ${place}`, { cause });
}
