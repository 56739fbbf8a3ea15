import type { ErrorCode } from '../errors.ts';
import type { ChunkKind, Mark, SourceIdentity, TaskType } from '../manifest.ts';
import type { Clock } from './clock.ts';
import type { DriverToken } from './destination.ts';
import type { Sig } from './sig.ts';

/**
 * A database that Holdfast copies out of and back into. Promises, each a test in `describeSource`:
 * - it never blocks writers unasked, and leaves nothing behind that was not asked for;
 * - a frozen view is one point in time, however many readers read it, and its mark is exactly that point;
 * - the rows of a full, changed by all `changes` up to a mark, are the rows of the source at that mark;
 * - nothing is forgotten before `acknowledge`, and opening the same incremental twice gives the same changes at least;
 * - a row count that a reader or loader answers with is the database's own word, not a count of what passed by;
 * - a restore target is untouched until `create`, and gone without a trace when it is disposed before `publish`.
 */
export interface Source extends AsyncDisposable {
  readonly type: string;
  readonly features: SourceFeatures;
  /** As a person may see it: no secrets. */
  readonly description: string;
  inspect(o: Sig): Promise<SourceInfo>;
  openFull(o: Sig & OpenFull): Promise<FrozenView>;
  /** @throws HoldfastError precondition_failed `continuity lost: …` when the changes since cannot be had: make a full */
  openIncremental(o: Sig & OpenIncremental): Promise<ChangeView>;
  /** Told after the commit, and again whenever in doubt: changes up to here are stored and may be forgotten. */
  acknowledge(o: Sig & { readonly state: unknown; readonly mark: Mark }): Promise<void>;
  /** Ends the keeping of changes that began under this label, or that this state names. Nothing there: no error. */
  forgetChanges(o: Sig & ({ readonly label: string } | { readonly state: unknown })): Promise<void>;
  /** `source prepare`: makes what incrementals need in the user's database; says in words what it made. */
  prepare(o: Sig): Promise<readonly string[]>;
  /** `source forget`: removes everything Holdfast ever made in the user's database; says what it removed. */
  forget(o: Sig): Promise<readonly string[]>;
  /** What `doctor` checks, one finding per check, good ones included. */
  diagnose(o: Sig): Promise<readonly Finding[]>;
  openTarget(o: Sig & OpenTarget): Promise<RestoreTarget>;
}

export interface SourceFeatures {
  /** Task types that it can make. */
  readonly types: readonly TaskType[];
  /** Incrementals are exact at every moment inside, not only at their end. */
  readonly pointInTime: boolean;
}

export interface SourceInfo extends SourceIdentity {
  readonly sizeBytes: number;
  readonly tables: number;
  /** Local folders of the database's own files, if this machine sees them: backups should be on another disk. */
  readonly folders: readonly string[];
  /** Prerequisites of a full, and of incrementals, that are not met. */
  readonly unmetForFull: readonly Finding[];
  readonly unmetForIncremental: readonly Finding[];
}

export interface Finding {
  /** What was looked at, in a few words. */
  readonly check: string;
  readonly ok: boolean;
  readonly severity: 'info' | 'warning' | 'error';
  readonly code?: ErrorCode;
  readonly message: string;
  readonly hint?: string;
}

export interface OpenFull {
  readonly type: TaskType;
  /** Keep the changes from the view's position on, so that incrementals can follow. */
  readonly keepChanges: boolean;
  /** `[a-z0-9_]{1,40}`, unique to the chain: names whatever is made in the source, so that a crash can be cleaned up. */
  readonly label: string;
}

export interface OpenIncremental {
  readonly since: Mark;
  /** The `state` of the backup that this one follows. */
  readonly state: unknown;
  readonly label: string;
}

/** One unit of reading. Serialisable: another thread reads the same chunk of the same view. */
export interface ChunkPlan {
  readonly path: string;
  readonly kind: Exclude<ChunkKind, 'changes'>;
  /** Empty unless kind is `rows`. */
  readonly columns: readonly Column[];
  /** How many bytes of lines it will be, roughly: for order, progress and room. */
  readonly estimatedBytes: number;
  /** Only the view itself can read it (in the thread that opened it). */
  readonly local: boolean;
  /** To be written only when its digest differs from that of the chain's newest chunk of this path. */
  readonly compare: boolean;
  /** The driver's own. */
  readonly how: unknown;
}

export interface Column {
  readonly name: string;
  readonly type: string;
}

/**
 * Reads chunks. Blocks are whole or cut lines (cut at any byte), each valid until the next one is asked for; the
 * last line ends with a newline. Returns how many rows the database says it sent.
 */
export interface ChunkReader extends AsyncDisposable {
  read(chunk: ChunkPlan, o: Sig): AsyncGenerator<Uint8Array, ReadResult, void>;
}

export interface ReadResult {
  readonly rows: number;
}

export interface FrozenView extends ChunkReader {
  readonly mark: Mark;
  readonly source: SourceIdentity;
  readonly chunks: readonly ChunkPlan[];
  /** From which a worker thread opens a reader of the same view. */
  readonly token: DriverToken;
  /** For the manifest. */
  readonly state: unknown;
  readonly notices: readonly string[];
}

/**
 * An incremental in two steps: first all `changes` are read to their end, then `settle` says where that end is and
 * what else there is to store, under a view at exactly that end.
 */
export interface ChangeView extends AsyncDisposable {
  /** Lines of `changes.ts`, `relation` lines included. Row changes are counted by relation path in the result. */
  changes(o: Sig): AsyncGenerator<Uint8Array, ChangesResult, void>;
  settle(o: Sig): Promise<SettledChanges>;
}

export interface ChangesResult {
  /** Lines. */
  readonly rows: number;
  readonly tables: Readonly<Record<string, number>>;
}

export interface SettledChanges {
  readonly view: FrozenView;
  readonly replaced: readonly string[];
  readonly dropped: readonly string[];
  /** False: nothing at all differs; if also no compared chunk differs, nothing is written. */
  readonly changed: boolean;
}

/** What a source driver's worker module exports. */
export interface SourceWorkerModule {
  openReader(data: unknown, o: Sig): Promise<ChunkReader>;
  openLoader(data: unknown, o: Sig): Promise<ChunkLoader>;
}

/** One line in the list of drivers. */
export interface SourceDriver {
  readonly type: string;
  readonly schemes: readonly string[];
  /** @throws HoldfastError config_invalid, unauthenticated, unavailable, not_found, unsupported */
  open(url: string, o: Sig & { readonly clock: Clock }): Promise<Source>;
}

export interface OpenTarget {
  /** The source that the backup was made of. */
  readonly from: SourceIdentity;
  /** Names this restore: the same backup into the same target gives the same id, so that it can go on. */
  readonly id: string;
  /** Do not restore owners and privileges. */
  readonly noOwner: boolean;
  /** How long to wait for another restore into the same target to end. */
  readonly startTimeoutMs: number;
  readonly type: TaskType;
}

/** One object of the database: a row of a `schema` chunk. */
export interface SchemaStatement {
  /** `database`: a property; `pre-data`: before the rows; `post-data`: after them. */
  readonly section: 'database' | 'pre-data' | 'post-data';
  /** As the source's own tools name it: TABLE, INDEX, FK CONSTRAINT, … */
  readonly type: string;
  readonly name: string;
  readonly text: string;
}

/** A database in the making: nobody sees it under its name before `publish`. */
export interface RestoreTarget extends AsyncDisposable {
  /** As a person may see it. */
  readonly description: string;
  /** What stands in the way, found without changing anything. Empty: `create` may be called. */
  readonly problems: readonly Finding[];
  /** The schema is known before anything is made, so that roles and extensions it needs can be looked for. */
  check(schema: readonly SchemaStatement[], o: Sig): Promise<readonly Finding[]>;
  /** Makes the temporary database and the objects of `pre-data`, or takes up an interrupted restore of the same id. */
  create(schema: readonly SchemaStatement[], o: Sig): Promise<void>;
  /** Ids of loads that an interrupted restore has finished, with their rows. After `create`. */
  readonly loaded: ReadonlyMap<string, number>;
  /** From which worker threads open loaders, and readers that read back what was loaded. After `create`. */
  readonly token: DriverToken;
  /** How many loaders may work at once. */
  readonly loadersMax: number;
  /** A snapshot's image, in place of `create`. */
  loadImage?(blocks: AsyncIterable<Uint8Array>, o: Sig): Promise<void>;
  /** A chunk of kind `special`. */
  loadSpecial(path: string, blocks: AsyncIterable<Uint8Array>, o: Sig): Promise<void>;
  /** Applies schema changes and changes in place, on top of an image. */
  applyOnImage?(change: ImageChange, o: Sig): Promise<void>;
  /** The objects of `post-data`, in parallel where it can. */
  finish(o: Sig & { readonly progress: (doneRatio: number, what: string) => void }): Promise<void>;
  /** How to read back all rows that were loaded, with the readers that `token` opens. After `finish`. */
  readBack(o: Sig): Promise<readonly ChunkPlan[]>;
  /** Gives it its name. Loaders and readers of it are let go before. */
  publish(o: Sig): Promise<void>;
}

export type ImageChange =
  | { readonly kind: 'schema'; readonly schema: readonly SchemaStatement[] }
  | { readonly kind: 'clear'; readonly path: string }
  | { readonly kind: 'rows'; readonly header: ChunkHeader; readonly blocks: AsyncIterable<Uint8Array> }
  | { readonly kind: 'changes'; readonly lines: AsyncIterable<string> };

/** The first line of a chunk of lines. */
export interface ChunkHeader {
  readonly chunk: string;
  readonly kind: ChunkKind;
  readonly columns: readonly Column[];
}

export interface ChunkLoader extends AsyncDisposable {
  /**
   * Loads rows into the relation of `header.chunk` in one transaction: all or none. Blocks are lines cut at any
   * byte, without header and trailer. Resolves with the rows that the database says it took. `id` is remembered in
   * the same transaction, for `RestoreTarget.loaded`.
   */
  load(
    header: ChunkHeader,
    blocks: AsyncIterable<Uint8Array>,
    o: Sig & { readonly id: string },
  ): Promise<{ readonly rows: number }>;
}
