import type { Sig } from './sig.ts';

/**
 * A place that keeps objects: keys in, bytes out; it knows nothing of backups.
 *
 * Keys are relative paths with `/` between parts; no part is empty, `.` or `..`. Promises, each a test in
 * `describeDestination`:
 * - *atomic*: an object is visible whole or not at all, to readers and to `list`, whatever kills the writer;
 * - *durable*: when `write` resolves, the object outlives a crash of this machine as far as the place can promise it;
 * - *read your writes*: after `write` resolves, `read`, `stat` and `list` see the object; after `delete`, they do not;
 * - *if absent*: with `ifAbsent`, of several writers of one key exactly one wins, the others reject with `conflict`
 *   and change nothing;
 * - *what was said is what is stored*: a body longer or shorter than `sizeBytes`, or other than `sha256`, rejects with
 *   `corrupt` and stores nothing;
 * - *final on abort*: once a call has rejected because of its signal, nothing stored changes any more;
 * - a missing object is `not_found` from `read`, `undefined` from `stat`, nothing to `delete`;
 * - a range past the object's end is `out_of_range`;
 * - `list(prefix)` yields each object below `prefix` once, keys whole, in no promised order; unfinished writes are not
 *   listed, foreign files are.
 */
export interface Destination extends AsyncDisposable {
  readonly type: string;
  readonly features: DestinationFeatures;
  /** As a person may see it: no secrets. */
  readonly description: string;
  /** From which a worker thread opens the same place. */
  readonly token: DriverToken;
  /** Of the repository in the place, known after `prepare`: another one under the same URL is a mount that is gone. */
  readonly repositoryId?: string | undefined;
  /**
   * Proves that the place is there and takes writes, before a run begins. Resolves with warnings in words.
   * `neverOn` are local folders with which it should not share a file system (a database's own files).
   */
  prepare(o: Sig & { readonly neverOn?: readonly string[] }): Promise<readonly string[]>;
  write(key: string, body: AsyncIterable<Uint8Array>, o: WriteOptions): Promise<ObjectInfo>;
  /** Each block is valid until the next one is asked for. */
  read(key: string, o: Sig & { readonly range?: ByteRange }): AsyncIterable<Uint8Array>;
  stat(key: string, o: Sig): Promise<ObjectInfo | undefined>;
  list(prefix: string, o: Sig): AsyncIterable<ObjectInfo>;
  delete(key: string, o: Sig): Promise<void>;
}

export interface DestinationFeatures {
  /** `ifAbsent` is decided by the place itself, also against writers on other machines. */
  readonly conditionalWrite: boolean;
  readonly rangedRead: boolean;
}

export interface WriteOptions extends Sig {
  readonly ifAbsent?: boolean;
  readonly sizeBytes?: number;
  readonly sha256?: string;
}

export interface ByteRange {
  readonly start: number;
  /** How many bytes. */
  readonly length: number;
}

export interface ObjectInfo {
  readonly key: string;
  readonly bytes: number;
  readonly modifiedAtMs?: number;
}

/** How another thread finds a driver and opens what this one has open. Crosses threads, never disks or logs. */
export interface DriverToken {
  /** URL of the module to import. */
  readonly module: string;
  readonly data: unknown;
}

/** What a destination driver's worker module exports. */
export interface DestinationWorkerModule {
  openDestination(data: unknown, o: Sig): Promise<Destination>;
}

/** One line in the list of drivers. */
export interface DestinationDriver {
  readonly type: string;
  readonly schemes: readonly string[];
  /** @throws HoldfastError config_invalid for a URL that it cannot read, and whatever opening meets */
  open(url: string, o: Sig & { readonly expectedId?: string | undefined }): Promise<Destination>;
}
