import { constants } from 'node:fs';
import { type FileHandle, lstat, open, rename, rm, rmdir, unlink } from 'node:fs/promises';
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
import { fill } from './fill.ts';
import { proveWritable, sharedDisks } from './prove.ts';
import { exists, type Link, Publisher } from './publish.ts';
import { FolderRoot } from './root.ts';
import { temporaryName } from './temporary.ts';
import { infoOf, lstatFile, walk } from './walk.ts';

export interface FolderOptions {
  /** Absolute path of the folder. */
  readonly path: string;
  readonly mountRequired?: boolean;
  /** Which repository this folder held when it was last used, as `repositoryId` said then. */
  readonly expectedId?: string | undefined;
  readonly clock: Clock;
  /** How a file gets a second name, where the system's own way is not wanted. */
  readonly link?: Link;
}

const readBytes = 1_048_576;
/** A folder that a `delete` of the last object in it removed under a writer is made again this often. */
const parentAttemptsMax = 5;

/** A local folder or a mounted network path. */
export class FolderDestination implements Destination {
  readonly type = 'folder';
  readonly description: string;
  readonly #root: FolderRoot;
  readonly #publisher: Publisher;
  readonly #options: FolderOptions;

  constructor(options: FolderOptions) {
    this.#options = options;
    this.#publisher = new Publisher({ link: options.link });
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
    const { path, mountRequired } = this.#options;
    const data = { path, mountRequired: mountRequired ?? false, expectedId: this.#root.id };
    return { module: new URL('./worker.ts', import.meta.url).href, data };
  }

  async prepare(o: Sig & { readonly neverOn?: readonly string[] }): Promise<readonly string[]> {
    throwIfAborted(o.signal);
    const scratch = join(this.#root.path, temporaryName());
    return this.#telling('write to', this.#root.path, async () => {
      await this.#checkForWriting();
      await proveWritable(this.#root, this.#publisher, { ...o, scratch });
      throwIfAborted(o.signal);
      return sharedDisks(this.#root.path, o.neverOn ?? []);
    });
  }

  async write(key: string, body: AsyncIterable<Uint8Array>, o: WriteOptions): Promise<ObjectInfo> {
    throwIfAborted(o.signal);
    const parts = portableParts(key);
    const path = join(this.#root.path, ...parts);
    return this.#telling('write', path, async () => {
      await this.#checkForWriting();
      await this.#assertNoLinks(parts.slice(0, -1));
      if (o.ifAbsent && (await exists(path))) throw taken(key, this.description);
      const { handle, temporary } = await this.#openTemporary(path);
      try {
        const bytes = await fill(handle, body, { ...o, key });
        // From here on the object is seen, and an abort comes too late.
        throwIfAborted(o.signal);
        if (!o.ifAbsent) await rename(temporary, path);
        else if (!(await this.#publisher.publishNew(temporary, path))) throw taken(key, this.description);
        await syncFolder(dirname(path));
        return { key, bytes };
      } catch (error) {
        await rm(temporary, { force: true }).catch(() => undefined);
        // Nor do the folders stay that were made for it.
        await this.#leave(dirname(path)).catch(() => undefined);
        throw error;
      }
    });
  }

  async *read(key: string, o: Sig & { readonly range?: ByteRange }): AsyncGenerator<Uint8Array> {
    throwIfAborted(o.signal);
    const parts = portableParts(key);
    const path = join(this.#root.path, ...parts);
    const handle = await this.#telling('read', path, () => this.#openObject(key, parts, path));
    try {
      const { size } = await this.#telling('read', path, () => handle.stat());
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
        const { bytesRead } = await this.#telling('read', path, () =>
          handle.read(block, 0, wanted, position),
        );
        if (bytesRead === 0) {
          throw new HoldfastError('corrupt', `${path} ended at byte ${at} of ${size} while it was read`);
        }
        at += bytesRead;
        yield block.subarray(0, bytesRead);
      }
    } finally {
      await handle.close();
    }
  }

  async stat(key: string, o: Sig): Promise<ObjectInfo | undefined> {
    throwIfAborted(o.signal);
    const parts = portableParts(key);
    const path = join(this.#root.path, ...parts);
    return this.#telling('look at', path, async () => {
      await this.#root.check();
      await this.#assertNoLinks(parts.slice(0, -1));
      const found = await lstatFile(path);
      throwIfAborted(o.signal);
      return found && infoOf(key, found);
    });
  }

  async *list(prefix: string, o: Sig): AsyncGenerator<ObjectInfo> {
    throwIfAborted(o.signal);
    const { folders, rest } = prefixParts(prefix);
    const base = join(this.#root.path, ...folders);
    await this.#telling('list', base, async () => {
      await this.#root.check();
      await this.#assertNoLinks(folders);
    });
    const start = { folder: base, keyPrefix: folders.map((name) => `${name}/`).join(''), namePrefix: rest };
    for await (const info of walk(start, o.signal, (path, act) => this.#telling('list', path, act)))
      yield info;
  }

  async delete(key: string, o: Sig): Promise<void> {
    throwIfAborted(o.signal);
    const parts = portableParts(key);
    const path = join(this.#root.path, ...parts);
    await this.#telling('delete', path, async () => {
      await this.#root.check();
      await this.#assertNoLinks(parts.slice(0, -1));
      if (!(await lstatFile(path))) return;
      throwIfAborted(o.signal);
      await unlink(path).catch((error: unknown) => {
        if (systemCode(error) !== 'ENOENT') throw error;
      });
      await this.#leave(dirname(path));
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  async #checkForWriting(): Promise<void> {
    await this.#root.checkForWriting(async (name, content) => {
      const path = join(this.#root.path, name);
      const { handle, temporary } = await this.#openTemporary(path);
      try {
        await handle.writeFile(content);
        await handle.sync();
      } finally {
        await handle.close();
      }
      const published = await this.#publisher.publishNew(temporary, path);
      await syncFolder(this.#root.path);
      return published;
    });
  }

  async #openTemporary(path: string): Promise<{ handle: FileHandle; temporary: string }> {
    const folder = dirname(path);
    const temporary = join(folder, temporaryName());
    for (let attempt = 1; ; attempt += 1) {
      try {
        if (folder !== this.#root.path) await makeFolder(folder);
        const handle = await open(temporary, 'wx', fileMode);
        try {
          // If the mount went away since it was looked at, this file is on the disk below it.
          await this.#root.check();
          return { handle, temporary };
        } catch (error) {
          await handle.close();
          await rm(temporary, { force: true });
          throw error;
        }
      } catch (error) {
        if (systemCode(error) !== 'ENOENT' || attempt === parentAttemptsMax) throw error;
      }
    }
  }

  async #openObject(key: string, parts: readonly string[], path: string): Promise<FileHandle> {
    await this.#root.check();
    await this.#assertNoLinks(parts.slice(0, -1));
    const missing = new HoldfastError('not_found', `no object ${key} in ${this.description}`);
    let handle: FileHandle;
    try {
      // Not blocking: a pipe that someone put there would wait for a writer.
      handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    } catch (error) {
      if (['ENOENT', 'ENOTDIR', 'ENXIO'].includes(systemCode(error) ?? '')) throw missing;
      throw error;
    }
    if ((await handle.stat()).isFile()) return handle;
    await handle.close();
    throw missing;
  }

  /** Folders that lead elsewhere are refused rather than followed: a key names what is below the root. */
  async #assertNoLinks(folders: readonly string[]): Promise<void> {
    let at = this.#root.path;
    for (const name of folders) {
      at = join(at, name);
      const found = await lstat(at).catch((error: unknown) => {
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
        await rmdir(at);
      } catch {
        break;
      }
      at = dirname(at);
    }
    await syncFolder(at).catch((error: unknown) => {
      // Another delete may have removed this folder as well, and then synced the one above.
      if (systemCode(error) !== 'ENOENT') throw error;
    });
  }

  async #telling<T>(action: string, path: string, act: () => Promise<T>): Promise<T> {
    try {
      return await act();
    } catch (error) {
      throw await folderError(error, { root: this.#root.path, path, action });
    }
  }
}

function taken(key: string, place: string): HoldfastError {
  return new HoldfastError('conflict', `${key} is already there in ${place}`);
}
