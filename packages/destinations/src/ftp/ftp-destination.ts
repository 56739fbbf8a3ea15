import {
  type ByteRange,
  type Clock,
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
import { reservedPrefix } from '../repository.ts';
import { ftpError } from './errors.ts';
import { FtpPlace } from './ftp-place.ts';
import { listFolder, walk } from './listing.ts';
import { ObjectWrite } from './object-write.ts';
import { prepareFtp } from './prepare.ts';
import { look, modifiedAt, removeEmptyFolders, removeFile } from './remote-files.ts';
import type { FtpSession } from './session.ts';
import { download } from './transfer.ts';
import { removeParts, type Target } from './unfinished.ts';
import { describeLocation, type FtpLocation } from './url.ts';

export interface FtpOptions {
  readonly location: FtpLocation;
  readonly credentials?: CredentialCommand | undefined;
  /** Which repository this place held when it was last used, as `repositoryId` said then. */
  readonly expectedId?: string | undefined;
  readonly clock: Clock;
}

const partsMax = 64;
const cleanUpMsMax = 10_000;

/** A folder of an FTP server, over TLS or in the clear. */
export class FtpDestination implements Destination {
  readonly type = 'ftp';
  readonly description: string;
  readonly #options: FtpOptions;
  readonly #place: FtpPlace;
  #repositoryId: string | undefined;
  #writeOnly = false;

  constructor(options: FtpOptions) {
    this.#options = options;
    this.description = describeLocation(options.location);
    this.#place = new FtpPlace({ ...options, description: this.description });
  }

  get features(): DestinationFeatures {
    return {
      conditionalWrite: false,
      rangedRead: true,
      resumableWrite: true,
      storedChecksum: this.#place.checksum?.trustworthy ?? false,
      writeOnly: this.#writeOnly,
    };
  }

  get repositoryId(): string | undefined {
    return this.#repositoryId;
  }

  get token(): DriverToken {
    const { location, credentials } = this.#options;
    const data = { location, credentials, expectedId: this.#repositoryId ?? this.#options.expectedId };
    return { module: new URL('./worker.ts', import.meta.url).href, data };
  }

  async prepare(o: Sig & { readonly neverOn?: readonly string[] }): Promise<readonly string[]> {
    throwIfAborted(o.signal);
    const { clock, location } = this.#options;
    const expectedId = this.#repositoryId ?? this.#options.expectedId;
    const { description } = this;
    return this.#telling('prepare', '', o.signal, async () => {
      const found = await this.#place.use('transfer', o.signal, (session) =>
        prepareFtp(session, {
          description,
          expectedId,
          clock,
          security: location.security,
          signal: o.signal,
        }),
      );
      this.#writeOnly = found.writeOnly;
      this.#repositoryId = found.repositoryId;
      return found.warnings;
    });
  }

  async write(key: string, body: AsyncIterable<Uint8Array>, o: WriteOptions): Promise<ObjectInfo> {
    throwIfAborted(o.signal);
    const parts = ftpParts(key);
    let write: ObjectWrite | undefined;
    let isClean = false;
    const step = <T>(act: (write: ObjectWrite, session: FtpSession) => Promise<T>): Promise<T> =>
      this.#place.use('transfer', o.signal, async (session) => {
        write ??= this.#writeOf(targetOf(session, key, parts), body, o);
        const current = write;
        try {
          return await act(current, session);
        } catch (error) {
          if (current.leavesRubbish(error)) isClean = await cleanUp(current, session);
          throw error;
        }
      });
    return this.#telling('write', key, o.signal, async () => {
      try {
        const sent = await step((one, session) => one.send(session));
        // In the same session, unless it has ended.
        await step((one, session) => one.publish(session, sent));
        return { key, bytes: sent.bytes };
      } catch (error) {
        if (write && !isClean && write.leavesRubbish(error)) await this.#cleanUpAnew(write);
        throw error;
      }
    });
  }

  #writeOf(target: Target, body: AsyncIterable<Uint8Array>, options: WriteOptions): ObjectWrite {
    const { description } = this;
    const { locks, checksum } = this.#place;
    const onNoChecksum = (): void => this.#place.forgetChecksum();
    return new ObjectWrite({ target, body, options, description, locks, checksum, onNoChecksum });
  }

  /** Through another session, if there is one to be had soon; whoever waits for an abort shall not wait for long. */
  async #cleanUpAnew(write: ObjectWrite): Promise<void> {
    const late = new AbortController();
    const done = new AbortController();
    void this.#options.clock.sleep(cleanUpMsMax, done.signal).then(
      () => late.abort(),
      () => undefined,
    );
    try {
      await this.#place.use('short', late.signal, (session) => write.cleanUp(session));
    } catch {
      // It stays, unseen.
    } finally {
      done.abort();
    }
  }

  async *read(key: string, o: Sig & { readonly range?: ByteRange }): AsyncGenerator<Uint8Array> {
    throwIfAborted(o.signal);
    const parts = ftpParts(key);
    const lease = await this.#telling('read', key, o.signal, () => this.#place.lease('transfer', o.signal));
    try {
      const { session } = lease;
      const { path } = targetOf(session, key, parts);
      const bytes = await this.#telling('read', key, o.signal, () => this.#sizeOf(session, key, path));
      const { start, length } = o.range ?? { start: 0, length: bytes };
      if (!(start >= 0 && length >= 0 && start + length <= bytes)) {
        throw new HoldfastError(
          'out_of_range',
          `${key} in ${this.description} has ${bytes} bytes, asked for ${length} from ${start}`,
        );
      }
      if (length === 0) return;
      let got = 0;
      const toEnd = start + length === bytes;
      for await (const block of download(session, { command: `RETR ${path}`, start, length, toEnd })) {
        got += block.length;
        yield block;
        throwIfAborted(o.signal);
      }
      if (got < length) {
        throw new HoldfastError(
          'unavailable',
          `${key} in ${this.description} ended after ${got} bytes, where ${length} were expected`,
          { hint: 'look at the log of the server' },
        );
      }
    } catch (error) {
      throwIfAborted(o.signal);
      throw this.#translated(error, 'read', key);
    } finally {
      lease[Symbol.dispose]();
    }
  }

  async stat(key: string, o: Sig): Promise<ObjectInfo | undefined> {
    throwIfAborted(o.signal);
    const parts = ftpParts(key);
    return this.#telling('look at', key, o.signal, () =>
      this.#place.use('short', o.signal, async (session) => {
        const { path } = targetOf(session, key, parts);
        const found = await look(session, path);
        if (found.kind === 'none') return undefined;
        if (found.kind === 'hidden') throw hidden(key, this.description);
        const modifiedAtMs = found.modifiedAtMs ?? (await modifiedAt(session, path));
        return { key, bytes: found.bytes, ...(modifiedAtMs !== undefined && { modifiedAtMs }) };
      }),
    );
  }

  async *list(prefix: string, o: Sig): AsyncGenerator<ObjectInfo> {
    throwIfAborted(o.signal);
    const { folders, rest } = prefixParts(prefix);
    if (folders.some((name) => name.startsWith(reservedPrefix))) return;
    const start = {
      folder: folders.map((name) => `/${name}`).join(''),
      keyPrefix: folders.map((name) => `${name}/`).join(''),
      namePrefix: rest,
    };
    const list = (folder: string): ReturnType<typeof listFolder> =>
      this.#telling('list', folder, o.signal, () =>
        this.#place.use('short', o.signal, (session) => listFolder(session, session.root + folder)),
      );
    yield* walk(start, list, o);
  }

  async delete(key: string, o: Sig): Promise<void> {
    throwIfAborted(o.signal);
    const parts = ftpParts(key);
    await this.#telling('delete', key, o.signal, () =>
      this.#place.use('short', o.signal, async (session) => {
        const target = targetOf(session, key, parts);
        throwIfAborted(o.signal);
        await session.unstoppable(async () => {
          await removeFile(session, target.path);
          await removeParts(session, target);
          await removeEmptyFolders(session, target.folder);
        });
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#place[Symbol.dispose]();
  }

  async #sizeOf(session: FtpSession, key: string, path: string): Promise<number> {
    const found = await look(session, path);
    if (found.kind === 'file') return found.bytes;
    if (found.kind === 'hidden') throw hidden(key, this.description);
    throw new HoldfastError('not_found', `no object ${key} in ${this.description}`);
  }

  async #telling<T>(action: string, path: string, signal: AbortSignal, act: () => Promise<T>): Promise<T> {
    try {
      return await act();
    } catch (error) {
      throwIfAborted(signal);
      throw this.#translated(error, action, path);
    }
  }

  #translated(error: unknown, action: string, path: string): HoldfastError {
    const { description } = this;
    return ftpError(error, { description, location: this.#options.location, action, path });
  }
}

/** Whether nothing is left. The session may be lost with the transfer. */
function cleanUp(write: ObjectWrite, session: FtpSession): Promise<boolean> {
  return session
    .unstoppable(() => write.cleanUp(session))
    .then(
      () => true,
      () => false,
    );
}

/** Servers walk a path from its beginning for each of its parts, and again for each command: some minutes at 400. */
function ftpParts(key: string): readonly string[] {
  const parts = portableParts(key);
  if (parts.length <= partsMax) return parts;
  throw notAKey(key, `it has more than ${partsMax} parts`);
}

function targetOf({ root }: FtpSession, key: string, parts: readonly string[]): Target {
  const folder = [root, ...parts.slice(0, -1)].join('/');
  return { key, folder, path: `${folder}/${parts.at(-1)}` };
}

function hidden(key: string, place: string): HoldfastError {
  return new HoldfastError('permission_denied', `the user may not look at ${key} in ${place}`, {
    hint: 'let the user read and list, or read with the credentials of one who may',
  });
}
