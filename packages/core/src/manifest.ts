/**
 * The manifest: the JSON document whose existence makes a backup exist. `docs/format.md` specifies it for readers
 * without Holdfast; the engine checks what it reads against the schema of these shapes.
 */
export const formatVersion = 1;

export type TaskType = 'logical' | 'snapshot';
export type Scope = 'full' | 'incremental';

/**
 * What a chunk holds.
 * - `schema`: statements that make the objects of the database: rows `[section, type, name, text]`.
 * - `rows`: rows of one table, partition or key range of one.
 * - `special`: what is neither (sequences, large objects); only its source reads and writes it.
 * - `changes`: the transactions of an incremental (`changes.ts` has the line forms).
 * - `image`: bytes of a snapshot; not lines.
 */
export type ChunkKind = 'schema' | 'rows' | 'special' | 'changes' | 'image';

export interface ChunkEntry {
  readonly path: string;
  readonly kind: ChunkKind;
  /** Index into the manifest's segments. */
  readonly segment: number;
  /** Stored bytes before the chunk in its segment; chunks follow one another without a gap. */
  readonly offset: number;
  /** Stored bytes. */
  readonly bytes: number;
  /** Stored bytes of each of the chunk's zstd frames; they add up to `bytes`. */
  readonly frames: readonly number[];
  /** Bytes of its lines (or of the image), header and trailer included. */
  readonly rawBytes: number;
  readonly rows: number;
  /** Of the stored bytes, hexadecimal. */
  readonly sha256: string;
  /** Sum modulo 2^128 of the XXH64 of each row, 32 hexadecimal digits; of an image: empty. */
  readonly digest: string;
  /** Of `changes`: how many row changes each relation has, by path. */
  readonly tables?: Readonly<Record<string, number>>;
}

export interface SegmentEntry {
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** A place in the source's log, and what the source's own clock said there. */
export interface Mark {
  readonly position: string;
  readonly timeMs: number;
}

export interface SourceIdentity {
  readonly type: string;
  /** The same for as long as it is the same database; two databases never share it. */
  readonly identity: string;
  /** The database's name, as a person knows it. */
  readonly name: string;
  readonly version: string;
}

export interface Manifest {
  readonly format: number;
  /** The version of Holdfast that wrote it. */
  readonly holdfast: string;
  readonly task: string;
  readonly chain: string;
  readonly sequence: number;
  readonly scope: Scope;
  /** Of the chain's full backup; incrementals are always compressed JSON. */
  readonly type: TaskType;
  readonly node: string;
  readonly generation: number;
  readonly source: SourceIdentity;
  /** Where the incremental began: exactly where the backup before it ended. */
  readonly from?: Mark;
  readonly to: Mark;
  readonly previous?: { readonly sequence: number; readonly sha256: string };
  readonly segments: readonly SegmentEntry[];
  readonly chunks: readonly ChunkEntry[];
  /** Paths whose earlier content is void from this backup on; what they hold now, if anything, is in `chunks`. */
  readonly replaced: readonly string[];
  /** Paths of tables and partitions that exist no more. */
  readonly dropped: readonly string[];
  /** What the source needs to go on from here: opaque to all others, holds no data and no secret. */
  readonly state: unknown;
  /** Why this chain could not continue the one before it: what was lost, and since when. */
  readonly gap?: { readonly reason: string; readonly since?: Mark };
  readonly startedAtMs: number;
  readonly finishedAtMs: number;
  /** Milliseconds by phase. */
  readonly durationsMs: Readonly<Record<string, number>>;
  readonly totals: { readonly rows: number; readonly rawBytes: number; readonly storedBytes: number };
}

/** `0003-incremental`: the stem of a backup's file names. */
export function backupStem(sequence: number, scope: Scope): string {
  return `${String(sequence).padStart(4, '0')}-${scope}`;
}

export function manifestName(sequence: number, scope: Scope): string {
  return `${backupStem(sequence, scope)}.manifest.json`;
}

/** `0003-incremental-001.ndjson.zst`; number counts from 1; snapshots' images are `.tar.zst`. */
export function segmentName(sequence: number, scope: Scope, number: number, image = false): string {
  return `${backupStem(sequence, scope)}-${String(number).padStart(3, '0')}.${image ? 'tar' : 'ndjson'}.zst`;
}

/** What a file name inside a chain's folder says, or undefined for a foreign file. */
export function parseBackupFile(
  name: string,
): { sequence: number; scope: Scope; segment: number | undefined } | undefined {
  const match = /^(\d{4,9})-(full|incremental)(?:\.manifest\.json|-(\d{3,9})\.(?:ndjson|tar)\.zst)$/.exec(
    name,
  );
  if (!match) return undefined;
  return {
    sequence: Number(match[1]),
    scope: match[2] as Scope,
    segment: match[3] === undefined ? undefined : Number(match[3]),
  };
}

/** `20261120T140000Z-node-a-g3`: sorts by time; says who wrote it and under which generation. */
export function chainName(startedAtMs: number, node: string, generation: number): string {
  const stamp = new Date(startedAtMs).toISOString().replace(/[-:]|\.\d{3}/g, '');
  return `${stamp}-${node}-g${generation}`;
}

export function isChainName(name: string): boolean {
  return /^\d{8}T\d{6}Z-[a-z0-9][a-z0-9-]*-g\d+$/.test(name);
}

/** A task's or node's name: part of folder names on every kind of destination, so letters that all of them keep. */
export const namePattern = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/** How people name a backup: `20261120T140000Z-node-a-g3/0003`. */
export function backupName(chain: string, sequence: number): string {
  return `${chain}/${String(sequence).padStart(4, '0')}`;
}
