import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { basename } from 'node:path';
import { crc32 } from 'node:zlib';
import { HoldfastError, type SegmentEntry } from '@holdfast/core';
import { stagingError, systemCode } from './errors.ts';

/** Where the bytes of segments come from, as often as someone asks. */
export interface SegmentContent {
  /** Can be read any number of times, as retries need it. */
  body(segment: SegmentEntry): AsyncIterable<Uint8Array>;
  /** A part of it, to be compared with what a destination gives back; undefined where nothing is at hand to compare. */
  part?(segment: SegmentEntry, start: number, length: number): Promise<Uint8Array | undefined>;
  /** Bodies reject with `corrupt` by themselves when they are not what the segment's checksum says. */
  readonly checked: boolean;
}

const blockBytes = 1_048_576;
/** How far apart readers of one file may be and still share what was read. */
const windowBlocks = 8;

/**
 * The files of one run, each read once for all destinations that are about as quick as one another: who asks first
 * reads, who comes shortly after gets the same block. Who is further behind than the window reads for itself, so that
 * nobody waits for anybody. Blocks are shared: nobody may write into one. What is read is hashed once for all; what is read
 * once more is compared with what it was, block by block, by a checksum that costs next to nothing.
 */
export class StagedSegments implements SegmentContent, AsyncDisposable {
  readonly checked = true;
  readonly #root: string;
  readonly #pathOf: (segment: SegmentEntry) => string;
  readonly #files = new Map<string, SharedFile>();
  readonly #unreadable = new Set<string>();

  constructor(root: string, pathOf: (segment: SegmentEntry) => string) {
    this.#root = root;
    this.#pathOf = pathOf;
  }

  /** A segment could not be read, and has not been read since. */
  get failed(): boolean {
    return this.#unreadable.size > 0;
  }

  body(segment: SegmentEntry): AsyncIterable<Uint8Array> {
    const read = (block: number): Promise<Uint8Array> => this.#read(segment, block);
    const join = (): SharedFile => this.#fileOf(segment);
    return {
      async *[Symbol.asyncIterator]() {
        const file = join();
        file.readers += 1;
        try {
          for (let block = 0; ; block += 1) {
            const bytes = await read(block);
            // A body ends in good order only when all of it was what it should be.
            if (bytes.length < blockBytes) file.assertIs(segment);
            if (bytes.length > 0) yield bytes;
            if (bytes.length < blockBytes) return;
          }
        } finally {
          file.readers -= 1;
          await file.letGo();
        }
      },
    };
  }

  /** Undefined when the file is not here. */
  async part(segment: SegmentEntry, start: number, length: number): Promise<Uint8Array | undefined> {
    return this.#telling(segment, async () => {
      const opening = open(this.#pathOf(segment), 'r').catch((error: unknown) => {
        if (systemCode(error) === 'ENOENT') return undefined;
        throw error;
      });
      await using handle = await opening;
      if (!handle) return undefined;
      const bytes = Buffer.alloc(length);
      const { bytesRead } = await handle.read(bytes, 0, length, start);
      return bytes.subarray(0, bytesRead);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const file of this.#files.values()) await file.close();
  }

  #fileOf(segment: SegmentEntry): SharedFile {
    const path = this.#pathOf(segment);
    const known = this.#files.get(path);
    if (known) return known;
    const made = new SharedFile(path);
    this.#files.set(path, made);
    return made;
  }

  async #read(segment: SegmentEntry, block: number): Promise<Uint8Array> {
    return this.#telling(segment, () => this.#fileOf(segment).read(block));
  }

  /** Apart from the body, into which a stream that breaks throws the error of the other side. */
  async #telling<T>(segment: SegmentEntry, act: () => Promise<T>): Promise<T> {
    const path = this.#pathOf(segment);
    try {
      const read = await act();
      this.#unreadable.delete(segment.name);
      return read;
    } catch (error) {
      this.#unreadable.add(segment.name);
      throw await stagingError(error, { root: this.#root, path, action: 'read' });
    }
  }
}

class SharedFile {
  readonly #path: string;
  readonly #blocks = new Map<number, Promise<Uint8Array>>();
  #opening: Promise<FileHandle> | undefined;
  readonly #hash = createHash('sha256');
  /** Of each block as it was read first. */
  readonly #sums: number[] = [];
  #sha256: string | undefined;
  readers = 0;

  constructor(path: string) {
    this.#path = path;
  }

  read(block: number): Promise<Uint8Array> {
    const known = this.#blocks.get(block);
    if (known) return known;
    const reading = this.#readFromDisk(block);
    // Someone far behind must not push out what those in front share.
    const newest = Math.max(-1, ...this.#blocks.keys());
    if (block <= newest - windowBlocks) return reading;
    this.#blocks.set(block, reading);
    this.#blocks.delete(block - windowBlocks);
    reading.catch(() => this.#blocks.delete(block));
    return reading;
  }

  /** @throws HoldfastError corrupt when what was read is not the segment */
  assertIs({ name, sha256 }: SegmentEntry): void {
    this.#sha256 ??= this.#hash.digest('hex');
    if (this.#sha256 !== sha256) throw damaged(name);
  }

  /** Nobody reads it now. */
  async letGo(): Promise<void> {
    if (this.readers === 0) await this.close();
  }

  async close(): Promise<void> {
    this.#blocks.clear();
    const opening = this.#opening;
    this.#opening = undefined;
    await (await opening?.catch(() => undefined))?.close();
  }

  async #readFromDisk(block: number): Promise<Uint8Array> {
    this.#opening ??= open(this.#path, 'r');
    const opening = this.#opening;
    let handle: FileHandle;
    try {
      handle = await opening;
    } catch (error) {
      if (this.#opening === opening) this.#opening = undefined;
      throw error;
    }
    const bytes = Buffer.allocUnsafeSlow(blockBytes);
    let filled = 0;
    while (filled < blockBytes) {
      const { bytesRead } = await handle.read(
        bytes,
        filled,
        blockBytes - filled,
        block * blockBytes + filled,
      );
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    const read = filled === blockBytes ? bytes : bytes.subarray(0, filled);
    this.#check(block, read);
    return read;
  }

  #check(block: number, bytes: Uint8Array): void {
    const sum = crc32(bytes);
    const before = this.#sums[block];
    if (before !== undefined && before !== sum) throw damaged(basename(this.#path));
    if (before !== undefined || block !== this.#sums.length) return;
    this.#sums.push(sum);
    this.#hash.update(bytes);
  }
}

function damaged(name: string): HoldfastError {
  return new HoldfastError('corrupt', `${name} in staging is not what was written there`, {
    hint: 'the file was changed or damaged: check the disk of the staging folder',
  });
}
