import { type Sig, throwIfAborted } from '@holdfast/core';
import type { Stats } from 'ssh2';
import { close, lstat, mkdir, openNew, openToRead, openToWrite, unlink } from './calls.ts';
import { download } from './download.ts';
import { statusOf } from './errors.ts';
import { type RemoteRoot, symbolicLink } from './folders.ts';
import type { Lease } from './pool.ts';
import { partFolder, partName, removeParts } from './temporary.ts';
import { gapBytesMax } from './upload.ts';

/** Compared before the bytes that may have gaps. */
const tailBytes = 1024 * 1024;

export interface OpenPart {
  readonly path: string;
  readonly handle: Buffer;
  /** What is there already. */
  readonly bytes: number;
}

export interface PartOptions {
  readonly key: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

/** Where what earlier attempts left of this content would be, and what is there. */
export interface FoundPart extends PartOptions {
  readonly folder: string;
  readonly name: string;
  readonly path: string;
  /** Whether there is a folder of leftovers. */
  readonly some: boolean;
  readonly file: Stats | undefined;
}

/** In one round trip. */
export async function lookForPart(lease: Lease, root: RemoteRoot, o: PartOptions): Promise<FoundPart> {
  const folder = root.join(partFolder(o.key));
  const name = partName(o.sizeBytes, o.sha256);
  const path = `${folder}/${name}`;
  const [there, file] = await Promise.all([lstat(lease, folder), lstat(lease, path)]);
  if (there?.isSymbolicLink()) throw symbolicLink(folder);
  return { ...o, folder, name, path, some: there !== undefined, file };
}

/** What an earlier attempt left of this content, or a new file; what is left of other contents goes. */
export async function openPart(lease: Lease, root: RemoteRoot, o: FoundPart): Promise<OpenPart> {
  const { folder, path, file: found } = o;
  if (!o.some) return { path, handle: await openNewPart(lease, folder, path), bytes: 0 };
  await removeParts(lease, root, { key: o.key, keep: o.name });
  if (found?.isFile() && found.size <= o.sizeBytes)
    return { path, handle: await openToWrite(lease, path), bytes: found.size };
  if (found) await unlink(lease, path);
  return { path, handle: await openNewPart(lease, folder, path), bytes: 0 };
}

/** In place of one that turned out to be of something else, and is closed. */
export async function reopenPart(lease: Lease, part: OpenPart): Promise<OpenPart> {
  await unlink(lease, part.path);
  const folder = part.path.slice(0, part.path.lastIndexOf('/'));
  return { path: part.path, handle: await openNewPart(lease, folder, part.path), bytes: 0 };
}

async function openNewPart(lease: Lease, folder: string, path: string): Promise<Buffer> {
  const [made, opened] = await Promise.allSettled([mkdir(lease, folder), openNew(lease, path)]);
  if (opened.status === 'fulfilled') return opened.value;
  if (made.status === 'rejected' && !(await lstat(lease, folder))?.isDirectory()) throw made.reason;
  // The server may have looked for the folder before it made it.
  return openNew(lease, path);
}

/** That what an earlier attempt left is not the beginning of this body. */
export class PartDiffers extends Error {
  override readonly name = 'PartDiffers';
}

/**
 * Finds out, while the body passes, from which byte on it has to be sent. The end of what is there is read back: in its
 * last bytes there may be gaps, where requests were under way when the attempt before broke off, and the bytes before
 * those have to be the body's. The rest is not looked at: it was sent under the same checksum and size.
 */
export class PartCheck {
  readonly #bytes: number;
  /** Read back from here. */
  readonly #from: number;
  /** Before here, nothing may differ. */
  readonly #surelyTo: number;
  readonly #stored: AsyncGenerator<Uint8Array>;
  #block: Uint8Array = new Uint8Array();
  /** Where in the body the next block begins. */
  #at = 0;
  #sendFrom: number | undefined;

  constructor(part: OpenPart, o: Sig & { readonly lease: Lease }) {
    this.#bytes = part.bytes;
    this.#surelyTo = Math.max(0, part.bytes - gapBytesMax);
    this.#from = Math.max(0, this.#surelyTo - tailBytes);
    this.#stored = readBack(part, { ...o, start: this.#from });
  }

  /** What of the body's next block has to be sent, and where it goes. */
  async next(block: Uint8Array): Promise<{ readonly rest: Uint8Array; readonly at: number }> {
    const at = this.#at;
    this.#at += block.length;
    if (this.#sendFrom === undefined) await this.#compare(block, at);
    const skip = this.#sendFrom === undefined ? block.length : Math.max(0, this.#sendFrom - at);
    return { rest: block.subarray(skip), at: at + skip };
  }

  async end(): Promise<void> {
    await this.#stored.return(undefined);
  }

  async #compare(block: Uint8Array, at: number): Promise<void> {
    const end = Math.min(at + block.length, this.#bytes);
    for (let position = Math.max(at, this.#from); position < end; ) {
      if (this.#block.length === 0) this.#block = await this.#storedBlock();
      const count = Math.min(this.#block.length, end - position);
      const equal = Buffer.compare(
        this.#block.subarray(0, count),
        block.subarray(position - at, position - at + count),
      );
      if (equal !== 0) {
        if (position < this.#surelyTo)
          throw new PartDiffers('what an earlier attempt left is of something else');
        this.#sendFrom = position;
        return;
      }
      this.#block = this.#block.subarray(count);
      position += count;
    }
    if (at + block.length >= this.#bytes) this.#sendFrom = this.#bytes;
  }

  async #storedBlock(): Promise<Uint8Array> {
    try {
      const step = await this.#stored.next();
      if (!step.done) return step.value;
    } catch (error) {
      // Who may write and not read cannot compare.
      if (statusOf(error) === undefined) throw error;
    }
    throw new PartDiffers('what an earlier attempt left cannot be read');
  }
}

async function* readBack(
  part: OpenPart,
  o: Sig & { readonly lease: Lease; readonly start: number },
): AsyncGenerator<Uint8Array> {
  const { lease, start, signal } = o;
  throwIfAborted(signal);
  const handle = await openToRead(lease, part.path);
  try {
    yield* download({ lease, handle, path: part.path, start, length: part.bytes - start, signal });
  } finally {
    await close(lease, handle).catch(() => undefined);
  }
}
