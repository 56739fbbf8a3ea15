import type { Dirent, Stats, StatsFs } from 'node:fs';
import * as fs from 'node:fs/promises';
import type { Clock } from '@holdfast/core';
import { Patience } from './patience.ts';

export interface FilesOptions {
  readonly root: string;
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly link?: Link | undefined;
}

export type Link = (existing: string, name: string) => Promise<void>;

/** Longer than other calls: what was written goes to the disk, or over the network, only now. */
const syncTimes = 5;

/**
 * The file system of one destination, as all parts of the driver use it: no call waits longer than the limit. Errors
 * are the system's own.
 */
export class Files {
  readonly #patience: Patience;
  readonly #link: Link;
  readonly #timeoutMs: number;
  readonly #signal: AbortSignal | undefined;
  readonly #options: FilesOptions;

  constructor(o: FilesOptions, shared?: { readonly patience: Patience; readonly signal: AbortSignal }) {
    this.#patience = shared?.patience ?? new Patience({ ...o, probe: () => fs.stat(o.root) });
    this.#link = o.link ?? fs.link;
    this.#timeoutMs = o.timeoutMs;
    this.#signal = shared?.signal;
    this.#options = o;
  }

  /** The same, but no call is waited for once the signal has aborted: for what nobody sees, such as temporary files. */
  until(signal: AbortSignal): Files {
    return new Files(this.#options, { patience: this.#patience, signal });
  }

  /** Something was asked of the file system that it has not answered in time. */
  get hangs(): boolean {
    return this.#patience.hangs;
  }

  stat(path: string): Promise<Stats> {
    return this.#call(`stat ${path}`, () => fs.stat(path));
  }

  lstat(path: string): Promise<Stats> {
    return this.#call(`lstat ${path}`, () => fs.lstat(path));
  }

  statfs(path: string): Promise<StatsFs> {
    return this.#call(`statfs ${path}`, () => fs.statfs(path));
  }

  names(path: string): Promise<string[]> {
    return this.#call(`readdir ${path}`, () => fs.readdir(path));
  }

  entries(path: string): Promise<Dirent[]> {
    return this.#call(`readdir ${path}`, () => fs.readdir(path, { withFileTypes: true }));
  }

  text(path: string): Promise<string> {
    return this.#call(`read ${path}`, () => fs.readFile(path, 'utf8'));
  }

  mkdir(path: string, mode: number): Promise<void> {
    return this.#call(`mkdir ${path}`, () => fs.mkdir(path, { mode }).then(() => undefined));
  }

  rmdir(path: string): Promise<void> {
    return this.#call(`rmdir ${path}`, () => fs.rmdir(path));
  }

  unlink(path: string): Promise<void> {
    return this.#call(`unlink ${path}`, () => fs.unlink(path));
  }

  /** A file that may not be there. */
  async remove(path: string): Promise<void> {
    return this.#call(`unlink ${path}`, () => removed(path));
  }

  /** The same of a temporary file; while the file system hangs, later. Never rejects. */
  discard(path: string): Promise<void> {
    return this.#patience.tidy(() => removed(path), `unlink ${path}`);
  }

  rename(from: string, to: string): Promise<void> {
    return this.#call(`rename ${from}`, () => fs.rename(from, to));
  }

  link(existing: string, name: string): Promise<void> {
    return this.#call(`link ${existing}`, () => this.#link(existing, name));
  }

  async open(path: string, flags: string | number, mode?: number): Promise<OpenFile> {
    const late = (handle: fs.FileHandle): void => {
      void handle.close().catch(() => undefined);
      // It was made for us alone, and nobody else will remove it.
      if (typeof flags === 'string' && flags.startsWith('wx')) void this.discard(path);
    };
    const open = (): Promise<fs.FileHandle> => fs.open(path, flags, mode);
    const handle = await this.#patience.call(open, { what: `open ${path}`, signal: this.#signal, late });
    const call: HandleCall = (what, act, times = 1) =>
      this.#patience.call(act, {
        what: `${what} ${path}`,
        timeoutMs: this.#timeoutMs * times,
        signal: this.#signal,
      });
    return new OpenFile(handle, {
      call,
      close: () => this.#patience.tidy(() => handle.close(), `close ${path}`),
    });
  }

  #call<T>(what: string, act: () => Promise<T>): Promise<T> {
    return this.#patience.call(act, { what, signal: this.#signal });
  }
}

type HandleCall = <T>(what: string, act: () => Promise<T>, times?: number) => Promise<T>;

export class OpenFile {
  readonly #handle: fs.FileHandle;
  readonly #call: HandleCall;
  readonly #close: () => Promise<void>;

  constructor(handle: fs.FileHandle, o: { readonly call: HandleCall; readonly close: () => Promise<void> }) {
    this.#handle = handle;
    this.#call = o.call;
    this.#close = o.close;
  }

  stat(): Promise<Stats> {
    return this.#call('stat', () => this.#handle.stat());
  }

  /** How many bytes came; none at the end of the file. */
  read(into: Uint8Array, o: { readonly length: number; readonly position: number }): Promise<number> {
    const read = (): Promise<number> =>
      this.#handle.read(into, 0, o.length, o.position).then(({ bytesRead }) => bytesRead);
    return this.#call('read', read);
  }

  /** All of them, at the end of what was written. One call may take less than it was given. */
  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      const start = at;
      const write = (): Promise<number> =>
        this.#handle.write(bytes, start, bytes.length - start).then(({ bytesWritten }) => bytesWritten);
      at += await this.#call('write to', write);
    }
  }

  sync(): Promise<void> {
    return this.#call('sync', () => this.#handle.sync(), syncTimes);
  }

  datasync(): Promise<void> {
    return this.#call('sync', () => this.#handle.datasync(), syncTimes);
  }

  /**
   * What was written is checked by `sync`: this only gives the handle back. While the file system hangs, that is done as
   * soon as it answers. Never rejects.
   */
  close(): Promise<void> {
    return this.#close();
  }
}

async function removed(path: string): Promise<void> {
  try {
    await fs.unlink(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
