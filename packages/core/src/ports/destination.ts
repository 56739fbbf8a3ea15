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
 * - *nothing half done stays*: a `write` that rejects leaves nothing, unless it was `resumable`; what that left is not
 *   seen, is gone on with by the next `resumable` write of the same key, size and checksum, and goes with `delete`;
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
  /** The object, and what unfinished writes of it have left. */
  delete(key: string, o: Sig): Promise<void>;
  /** Where objects may lie in a class of storage that has to be thawed before it can be read. */
  readonly cold?: ColdStorage | undefined;
}

/** What a place can do. Some of it is known only after `prepare`. */
export interface DestinationFeatures {
  /** `ifAbsent` is decided by the place itself, also against writers on other machines. */
  readonly conditionalWrite: boolean;
  readonly rangedRead: boolean;
  /** The place compared what it stored with a checksum that was sent along: to read it back would say no more. */
  readonly storedChecksum?: boolean;
  /** What a `resumable` write left is gone on with; elsewhere such a write begins anew. */
  readonly resumableWrite?: boolean;
  /** The credentials may write, but not read or list. */
  readonly writeOnly?: boolean;
}

export interface WriteOptions extends Sig {
  readonly ifAbsent?: boolean;
  readonly sizeBytes?: number;
  readonly sha256?: string;
  /** The body itself rejects with `corrupt` when it is not what `sha256` says: nobody has to hash it once more. */
  readonly checked?: boolean;
  /** Must be readable at once, whatever class of storage the place was told to use for the rest. */
  readonly hot?: boolean;
  /** What was sent may stay, unseen, if this write breaks off. Wants `sizeBytes` and `sha256`. */
  readonly resumable?: boolean;
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
  /** As the place names it, where it has several. */
  readonly storageClass?: string;
  /**
   * Absent: it can be read now. `list` may say `cold` of what `stat` knows to be thawing or thawed.
   */
  readonly access?: ObjectAccess;
}

/** `thawed`: it can be read, for some days. */
export type ObjectAccess = 'cold' | 'thawing' | 'thawed';

/** How quickly, and how dearly, cold objects are made readable. */
export type ThawTier = 'expedited' | 'standard' | 'bulk';

/** An optional second port of a destination. To read a cold object rejects with `precondition_failed`. */
export interface ColdStorage {
  /** What there is to choose from; a class that is missing here needs no thawing. */
  readonly ways: readonly ThawWay[];
  /** How long each class of storage is paid for at least, also for what is deleted earlier. */
  readonly minimumDays: Readonly<Record<string, number>>;
  /**
   * Asks for an object to be made readable; nothing happens to one that is thawing, thawed or not cold.
   * `days` is how long it shall stay readable. @throws HoldfastError unsupported for a tier that its class has not
   */
  thaw(key: string, o: Sig & { readonly tier: ThawTier; readonly days: number }): Promise<void>;
}

export interface ThawWay {
  readonly storageClass: string;
  readonly tier: ThawTier;
  /** In words: `3 to 5 hours`. */
  readonly wait: string;
  readonly waitMsMax: number;
  /** In words, with no figure that a price list could make false. */
  readonly cost: string;
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
  open(url: string, o: OpenDestinationOptions): Promise<Destination>;
}

export interface OpenDestinationOptions extends Sig {
  /** `repositoryId` as it was when this place was last used. */
  readonly expectedId?: string | undefined;
  /** Over what the URL says. */
  readonly credentials?: CredentialCommand | undefined;
}

/**
 * A program that prints credentials as one JSON object: fields by the names of the driver's own parameters, and
 * `expiration` (ISO 8601) where they expire. Plain data: drivers hand it to their worker threads.
 */
export interface CredentialCommand {
  /** The program and its arguments; no shell. */
  readonly command: readonly string[];
  readonly timeoutMs: number;
}
