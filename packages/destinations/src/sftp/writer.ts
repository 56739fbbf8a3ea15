import { HoldfastError, type ObjectInfo, throwIfAborted, type WriteOptions } from '@holdfast/core';
import { CheckedBody } from '../checked-body.ts';
import { close, finishFile, openNew, unlink } from './calls.ts';
import { sftpError, status, statusOf } from './errors.ts';
import type { RemoteRoot } from './folders.ts';
import {
  type FoundPart,
  lookForPart,
  type OpenPart,
  openPart,
  PartCheck,
  PartDiffers,
  reopenPart,
} from './part.ts';
import type { Lease, Pool } from './pool.ts';
import type { Publisher } from './publish.ts';
import { removeParts, temporaryName } from './temporary.ts';
import { Upload } from './upload.ts';

export interface WriterOptions {
  readonly pool: Pool;
  readonly root: RemoteRoot;
  readonly publisher: Publisher;
  /** As a person may see it. */
  readonly place: string;
}

export interface WriteRequest extends WriteOptions {
  readonly key: string;
  readonly parts: readonly string[];
}

/** A folder that a `delete` of the last object in it removed under a writer is made again this often. */
const folderAttemptsMax = 5;

/** One write: into a file that nobody sees, checked, put on the disk, and only then given its name. */
export class Writer {
  readonly #o: WriterOptions;
  readonly #request: WriteRequest;
  readonly #temporary: string;
  #found: FoundPart | undefined;

  constructor(options: WriterOptions, request: WriteRequest) {
    this.#o = options;
    this.#request = request;
    this.#temporary = options.root.join(temporaryName());
  }

  /** Whether there is something to go on with. Before `write`, beside other requests. */
  async look(lease: Lease): Promise<void> {
    const { key, resumable, sizeBytes, sha256 } = this.#request;
    if (resumable && sizeBytes !== undefined && sha256 !== undefined)
      this.#found = await lookForPart(lease, this.#o.root, { key, sizeBytes, sha256 });
  }

  async write(lease: Lease, body: AsyncIterable<Uint8Array>): Promise<ObjectInfo> {
    const { root, place } = this.#o;
    const { key, parts, ifAbsent, signal } = this.#request;
    const found = this.#found;
    let path = this.#temporary;
    let bytes: number;
    if (found) {
      const part = await openPart(lease, root, found);
      path = part.path;
      bytes = await this.#resume(lease, part, body);
    } else {
      bytes = await this.#fill(lease, { path, handle: await openNew(lease, path), bytes: 0 }, body);
    }
    // From here on the object is seen, and an abort comes too late.
    throwIfAborted(signal);
    const published = await this.#publish(lease, path);
    if (!published && ifAbsent)
      throw new HoldfastError('conflict', `${parts.join('/')} is already there in ${place}`);
    return { key, bytes };
  }

  /** Removes what a write that was rejected has left, but what the next resumable one goes on with. */
  async cleanUp(lease: Lease, problem: HoldfastError): Promise<void> {
    const { root } = this.#o;
    const { key, parts, resumable } = this.#request;
    if (!resumable) await unlink(lease, this.#temporary);
    else if (['corrupt', 'conflict'].includes(problem.code)) await removeParts(lease, root, { key });
    // Nor do the folders stay that were made for it.
    await root.leave(lease, parts.slice(0, -1));
  }

  async #resume(lease: Lease, part: OpenPart, body: AsyncIterable<Uint8Array>): Promise<number> {
    try {
      return await this.#fill(lease, part, body);
    } catch (error) {
      if (!(error instanceof PartDiffers)) throw error;
      const anew = await reopenPart(lease, part);
      const again = body[Symbol.asyncIterator]() !== (body as unknown);
      if (again) return await this.#fill(lease, anew, body);
      await close(lease, anew.handle);
      throw new HoldfastError('unavailable', `${this.#request.key}: ${error.message}, and was removed`, {
        hint: 'the next attempt sends it from the start',
      });
    }
  }

  /** Sends what is missing, and closes the file. Returns the size. */
  async #fill(lease: Lease, part: OpenPart, body: AsyncIterable<Uint8Array>): Promise<number> {
    const { pool } = this.#o;
    const { handle, path } = part;
    const { signal } = this.#request;
    const checked = new CheckedBody(body, this.#request);
    const check = new PartCheck(part, { lease, signal });
    let upload: Upload | undefined;
    try {
      for await (const block of checked) {
        const { rest, at } = part.bytes === 0 && upload ? { rest: block, at: 0 } : await check.next(block);
        checked.unsent(block.length - rest.length);
        if (rest.length === 0) continue;
        upload ??= new Upload({ pool, lease, handle, path, at, signal });
        await upload.write(rest);
      }
      await upload?.finish();
    } catch (error) {
      await upload?.abandon();
      await close(lease, handle).catch(() => undefined);
      throw error;
    } finally {
      await check.end();
    }
    const { size } = await finishFile(lease, handle);
    this.#assertSize(size, checked.bytes);
    return checked.bytes;
  }

  /** There are servers, and libraries, that say yes to a write that a full disk did not take. */
  #assertSize(size: number, bytes: number): void {
    if (size === bytes) return;
    const { key } = this.#request;
    throw new HoldfastError(
      'exhausted',
      `${key}: the server has stored ${size} of ${bytes} bytes, and said nothing`,
      {
        hint: "most likely the server's disk or a quota is full: make room",
      },
    );
  }

  async #publish(lease: Lease, temporary: string): Promise<boolean> {
    const { root, publisher } = this.#o;
    const { parts, ifAbsent } = this.#request;
    const path = root.join(...parts);
    const folders = parts.slice(0, -1);
    for (let attempt = 1; ; attempt += 1) {
      try {
        const names = { temporary, folder: this.#found?.folder, path };
        if (ifAbsent) return await publisher.publishNew(lease, names);
        await publisher.replace(lease, names);
        return true;
      } catch (error) {
        const missing = statusOf(error) === status.noSuchFile && folders.length > 0;
        // Not `write`: that a name cannot be given says nothing of a full disk.
        if (!missing || attempt === folderAttemptsMax)
          throw sftpError(error, { place: this.#o.place, path, action: 'give its name to' });
        await root.makeFolder(lease, folders);
      }
    }
  }
}
