import { constants } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  type ByteRange,
  type Clock,
  type Destination,
  type DestinationFeatures,
  type DriverToken,
  HoldfastError,
  type ObjectInfo,
  type Sig,
  throwIfAborted,
  type WriteOptions,
} from '@holdfast/core';
import { prefixParts } from '../keys.ts';
import { portableParts } from '../portable-names.ts';
import { fileMode, makeFolder, syncFolder } from './durable.ts';
import { folderError, symbolicLink, systemCode } from './errors.ts';
import { Files, type Link, type OpenFile } from './files.ts';
import { fill } from './fill.ts';
import { proveWritable, sharedDisks } from './prove.ts';
import { exists, Publisher } from './publish.ts';
import { FolderRoot } from './root.ts';
import { temporaryName } from './temporary.ts';
import { infoOf, lstatFile, type WalkOptions, walk } from './walk.ts';

export interface FolderOptions {
  /** Absolute path of the folder. */
  readonly path: string;
  readonly mountRequired?: boolean;
  /** Which repository this folder held when it was last used, as `repositoryId` said then. */
  readonly expectedId?: string | undefined;
  readonly clock: Clock;
  /** A call of the file system that takes longer hangs; to sync may take five times as long. */
  readonly callTimeoutMs?: number | undefined;
  /** How a file gets a second name, where the system's own way is not wanted. */
  readonly link?: Link;
}

const readBytes = 1_048_576;
const defaultCallTimeoutMs = 60_000;
/** A folder that a `delete` of the last object in it removed under a writer is made again this often. */
const parentAttemptsMax = 5;

/** A local folder or a mounted network path. */
export class FolderDestination implements Destination {
  readonly type = 'folder';
  readonly description: string;
  readonly #root: FolderRoot;
  readonly #publisher = new Publisher();
  readonly #files: Files;
  readonly #options: FolderOptions;

  constructor(options: FolderOptions) {
    this.#options = options;
    const { path: root, clock, link, callTimeoutMs } = options;
    this.#files = new Files({ root, clock, link, timeoutMs: callTimeoutMs ?? defaultCallTimeoutMs });
    this.#root = new FolderRoot({
      path: options.path,
      mountRequired: options.mountRequired ?? false,
      expectedId: options.expectedId,
      clock: options.clock,
    });
    this.description = `file:${options.path}`;
  }

  get features(): DestinationFeatures {
    return { conditionalWrite: this.#publisher.atomic, rangedRead: true };
  }

  /** What `expectedId` should be the next time. Known after `prepare`. */
  get repositoryId(): string | undefined {
    return this.#root.id;
  }

  get token(): DriverToken {
    const { path, mountRequired, callTimeoutMs } = this.#options;
    const data = { path, mountRequired: mountRequired ?? false, callTimeoutMs, expectedId: this.#root.id };
    return { module: new URL('./worker.ts', import.meta.url).href, data };
  }

  async prepare(o: Sig & { readonly neverOn?: readonly string[] }): Promise<readonly string[]> {
    throwIfAborted(o.signal);
    const scratch = join(this.#root.path, temporaryName());
    return this.#telling('write to', this.#root.path, async () => {
      const files = this.#files.until(o.signal);
      await this.#checkForWriting(files);
      await proveWritable(this.#root, this.#publisher, { ...o, files, scratch });
      throwIfAborted(o.signal);
      return sharedDisks(files, this.#root.path, o.neverOn ?? []);
    });
  }

  async write(key: string, body: AsyncIterable<Uint8Array>, o: WriteOptions): Promise<ObjectInfo> {
    throwIfAborted(o.signal);
    const parts = portableParts(key);
    const path = join(this.#root.path, ...parts);
    return this.#telling('write', path, async () => {
      const files = this.#files.until(o.signal);
      await this.#checkForWriting(files);
      await this.#assertNoLinks(files, parts.slice(0, -1));
      if (o.ifAbsent && (await exists(files, path))) throw taken(key, this.description);
      const { file, temporary } = await this.#openTemporary(files, path);
      try {
        const bytes = await fill(file, body, { ...o, key });
        // From here on the object is seen, and an abort comes too late: these calls are waited for to their end.
        throwIfAborted(o.signal);
        if (!o.ifAbsent) await this.#files.rename(temporary, path);
        else if (!(await this.#publisher.publishNew(this.#files, temporary, path)))
          throw taken(key, this.description);
        await syncFolder(this.#files, dirname(path));
        return { key, bytes };
      } catch (error) {
        await this.#files.discard(temporary);
        // Nor do the folders stay that were made for it.
        if (!this.#files.hangs) await this.#leave(dirname(path)).catch(() => undefined);
        throw error;
      }
    });
  }

  async *read(key: string, o: Sig & { readonly range?: ByteRange }): AsyncGenerator<Uint8Array> {
    throwIfAborted(o.signal);
    const parts = portableParts(key);
    const path = join(this.#root.path, ...parts);
    const files = this.#files.until(o.signal);
    const file = await this.#telling('read', path, () => this.#openObject(files, key, path));
    try {
      const { size } = await this.#telling('read', path, () => file.stat());
      const { start, length } = o.range ?? { start: 0, length: size };
      if (!(start >= 0 && length >= 0 && start + length <= size)) {
        throw new HoldfastError(
          'out_of_range',
          `${path} has ${size} bytes, asked for ${length} from ${start}`,
        );
      }
      const block = Buffer.allocUnsafeSlow(Math.min(readBytes, length));
      for (let at = start; at < start + length; ) {
        throwIfAborted(o.signal);
        const wanted = Math.min(block.length, start + length - at);
        const position = at;
        const bytesRead = await this.#telling('read', path, () =>
          file.read(block, { length: wanted, position }),
        );
        if (bytesRead === 0) {
          throw new HoldfastError('corrupt', `${path} ended at byte ${at} of ${size} while it was read`);
        }
        at += bytesRead;
        yield block.subarray(0, bytesRead);
      }
    } finally {
      await file.close();
    }
  }

  async stat(key: string, o: Sig): Promise<ObjectInfo | undefined> {
    throwIfAborted(o.signal);
    const parts = portableParts(key);
    const path = join(this.#root.path, ...parts);
    return this.#telling('look at', path, async () => {
      const files = this.#files.until(o.signal);
      await this.#root.check(files);
      await this.#assertNoLinks(files, parts.slice(0, -1));
      const found = await lstatFile(files, path);
      throwIfAborted(o.signal);
      return found && infoOf(key, found);
    });
  }

  async *list(prefix: string, o: Sig): AsyncGenerator<ObjectInfo> {
    throwIfAborted(o.signal);
    const { folders, rest } = prefixParts(prefix);
    const base = join(this.#root.path, ...folders);
    const files = this.#files.until(o.signal);
    await this.#telling('list', base, async () => {
      await this.#root.check(files);
      await this.#assertNoLinks(files, folders);
    });
    const start = { folder: base, keyPrefix: folders.map((name) => `${name}/`).join(''), namePrefix: rest };
    const telling: WalkOptions['telling'] = (path, act) => this.#telling('list', path, act);
    yield* walk(start, { signal: o.signal, files, telling });
  }

  async delete(key: string, o: Sig): Promise<void> {
    throwIfAborted(o.signal);
    const parts = portableParts(key);
    const path = join(this.#root.path, ...parts);
    await this.#telling('delete', path, async () => {
      const files = this.#files.until(o.signal);
      await this.#root.check(files);
      await this.#assertNoLinks(files, parts.slice(0, -1));
      throwIfAborted(o.signal);
      if (await lstatFile(files, path)) await this.#files.remove(path);
      // Also where there is none: a write that was stopped may have made folders for it.
      await this.#leave(dirname(path));
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  async #checkForWriting(files: Files): Promise<void> {
    await this.#root.checkForWriting(files, async (name, content) => {
      const path = join(this.#root.path, name);
      const { file, temporary } = await this.#openTemporary(this.#files, path);
      try {
        await file.write(Buffer.from(content));
        await file.sync();
      } finally {
        await file.close();
      }
      const published = await this.#publisher.publishNew(this.#files, temporary, path);
      await syncFolder(this.#files, this.#root.path);
      return published;
    });
  }

  async #openTemporary(files: Files, path: string): Promise<{ file: OpenFile; temporary: string }> {
    const folder = dirname(path);
    const temporary = join(folder, temporaryName());
    for (let attempt = 1; ; attempt += 1) {
      try {
        if (folder !== this.#root.path) await makeFolder(files, folder);
        const file = await files.open(temporary, 'wx', fileMode);
        try {
          // If the mount went away since it was looked at, this file is on the disk below it.
          await this.#root.check(files);
          return { file, temporary };
        } catch (error) {
          await file.close();
          await files.discard(temporary);
          throw error;
        }
      } catch (error) {
        if (systemCode(error) !== 'ENOENT' || attempt === parentAttemptsMax) throw error;
      }
    }
  }

  async #openObject(files: Files, key: string, path: string): Promise<OpenFile> {
    await this.#root.check(files);
    await this.#assertNoLinks(files, portableParts(key).slice(0, -1));
    const missing = new HoldfastError('not_found', `no object ${key} in ${this.description}`);
    let file: OpenFile;
    try {
      // Not blocking: a pipe that someone put there would wait for a writer.
      file = await files.open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    } catch (error) {
      if (['ENOENT', 'ENOTDIR', 'ENXIO'].includes(systemCode(error) ?? '')) throw missing;
      throw error;
    }
    if ((await file.stat()).isFile()) return file;
    await file.close();
    throw missing;
  }

  /** Folders that lead elsewhere are refused rather than followed: a key names what is below the root. */
  async #assertNoLinks(files: Files, folders: readonly string[]): Promise<void> {
    let at = this.#root.path;
    for (const name of folders) {
      at = join(at, name);
      const found = await files.lstat(at).catch((error: unknown) => {
        if (['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')) return undefined;
        throw error;
      });
      if (!found) return;
      if (found.isSymbolicLink()) throw symbolicLink(at);
    }
  }

  /** A folder whose last object is gone goes too; of what stays, the deletion is made durable. */
  async #leave(folder: string): Promise<void> {
    let at = folder;
    while (at !== this.#root.path) {
      try {
        await this.#files.rmdir(at);
      } catch {
        break;
      }
      at = dirname(at);
    }
    await syncFolder(this.#files, at).catch((error: unknown) => {
      // Another delete may have removed this folder as well, and then synced the one above.
      if (systemCode(error) !== 'ENOENT') throw error;
    });
  }

  async #telling<T>(action: string, path: string, act: () => Promise<T>): Promise<T> {
    try {
      return await act();
    } catch (error) {
      throw await folderError(error, { root: this.#root.path, files: this.#files, path, action });
    }
  }
}

function taken(key: string, place: string): HoldfastError {
  return new HoldfastError('conflict', `${key} is already there in ${place}`);
}
