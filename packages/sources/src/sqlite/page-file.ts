import { readSync } from 'node:fs';
import { HoldfastError } from '@holdfast/core';

/**
 * The pages of one database as they are in a frozen read transaction. Plain data: it goes to other threads, which
 * read with the same file descriptors. They must neither open nor close the files themselves: `raw-files.ts` says why.
 */
export interface PageImage {
  /** For messages. */
  readonly path: string;
  readonly fd: number;
  readonly walFd?: number;
  /** Base64 of 32-bit numbers: for each page that the WAL holds, its number and its frame, counted from 1. */
  readonly frames?: string;
  readonly pageSize: number;
  /** Without the bytes that extensions reserve at the end of each page. */
  readonly usable: number;
  readonly pageCount: number;
  readonly encoding: 'utf8' | 'utf16le' | 'utf16be';
}

const windowBytes = 256 * 1024;
const walHeaderBytes = 32;
const frameHeaderBytes = 24;

/** Reads pages into memory that WebAssembly shares, a window of neighbours at a time. */
export class PageFile {
  readonly image: PageImage;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly #windowAt: number;
  readonly #walAt: number;
  readonly #windowPages: number;
  readonly #frames: ReadonlyMap<number, number>;
  #windowFirst = 0;
  #windowFilled = 0;

  /** `at` is where in `memory` the pages go: `PageFile.roomBytes` from there on are its own. */
  constructor(image: PageImage, memory: ArrayBuffer, at: number) {
    this.image = image;
    this.bytes = new Uint8Array(memory);
    this.view = new DataView(memory);
    this.#windowAt = at;
    this.#walAt = at + windowBytes;
    this.#windowPages = windowBytes / image.pageSize;
    this.#frames = frameMap(image.frames);
  }

  /** The window, one page of the WAL, and slack for reads of whole words. */
  static readonly roomBytes = windowBytes + 65_536 + 64;

  /** Where in memory this page is now, until the next call. */
  page(number: number): number {
    const { pageSize, pageCount, path, fd, walFd } = this.image;
    if (number < 1 || number > pageCount) {
      throw this.corrupt(`page ${number} is referred to, and there are ${pageCount}`);
    }
    const frame = this.#frames.get(number);
    if (frame !== undefined && walFd !== undefined) {
      const from = walHeaderBytes + (frame - 1) * (pageSize + frameHeaderBytes) + frameHeaderBytes;
      if (readSync(walFd, this.bytes, this.#walAt, pageSize, from) !== pageSize) {
        throw new HoldfastError('source_failed', `${path}-wal is shorter than its index says`);
      }
      return this.#walAt;
    }
    const offset = number - this.#windowFirst;
    if (this.#windowFirst === 0 || offset < 0 || offset >= this.#windowFilled) {
      // Windows begin where the page is: pages are read upwards far more often than downwards.
      this.#windowFirst = number;
      const wanted = Math.min(this.#windowPages, pageCount - number + 1) * pageSize;
      const got = readSync(fd, this.bytes, this.#windowAt, wanted, (number - 1) * pageSize);
      this.#windowFilled = Math.floor(got / pageSize);
      if (this.#windowFilled < 1) {
        this.#windowFirst = 0;
        throw this.corrupt(`the file ends before page ${number}`);
      }
      return this.#windowAt;
    }
    return this.#windowAt + offset * pageSize;
  }

  /** The rest of a payload: follows the chain of overflow pages that begins at page `first`. */
  overflow(first: number, target: Uint8Array, from: number): void {
    const { usable } = this.image;
    let number = first;
    for (let filled = from; filled < target.length; ) {
      const at = this.page(number);
      const take = Math.min(usable - 4, target.length - filled);
      target.set(this.bytes.subarray(at + 4, at + 4 + take), filled);
      filled += take;
      number = this.view.getUint32(at);
    }
  }

  corrupt(what: string): HoldfastError {
    return new HoldfastError('corrupt', `${this.image.path} is damaged: ${what}`, {
      hint: 'run `PRAGMA integrity_check`; `sqlite3 … .recover` saves what can be saved',
    });
  }
}

function frameMap(encoded: string | undefined): Map<number, number> {
  const map = new Map<number, number>();
  if (encoded === undefined) return map;
  const bytes = Uint8Array.fromBase64(encoded);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < bytes.length; at += 8) map.set(view.getUint32(at), view.getUint32(at + 4));
  return map;
}
