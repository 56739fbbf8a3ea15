import { type ChunkEntry, HoldfastError, isUnder, type Manifest, relationOf } from '@holdfast/core';
import type { FoundBackup } from '../catalog/chain.ts';
import type { Point } from './resolve-point.ts';

/** A chunk, and the key of the object that holds it. */
export interface StoredChunkRef {
  readonly id: string;
  readonly object: string;
  readonly entry: ChunkEntry;
}

/** The content of one table or partition: base rows, and the changes that are folded over them. */
export interface RelationContent {
  readonly path: string;
  readonly chunks: StoredChunkRef[];
  /** How many row changes; 0: the chunks are loaded as they are. */
  changes: number;
}

/** Chunks of changes in the order in which they apply. */
export interface ChangesRef {
  readonly parts: readonly StoredChunkRef[];
  /** Paths whose changes do not count here: this backup or a later one voids them. */
  readonly void: string[];
  /** Only transactions committed by then. */
  readonly untilMs: number | undefined;
}

/** What a database consists of at a point. */
export interface Content {
  readonly relations: ReadonlyMap<string, RelationContent>;
  readonly schema: StoredChunkRef | undefined;
  readonly special: readonly StoredChunkRef[];
  readonly changes: readonly ChangesRef[];
  /** Relations that come as of the backup before the point, because the log does not carry them. */
  readonly inexact: readonly string[];
}

/**
 * Walks a chain up to a point and says which stored chunks make up the database there. Within one incremental the
 * order is: its changes; then `replaced` and `dropped` void everything earlier under their paths, its own changes
 * included; then its chunks. Inside an incremental only its changes count, and what it voids stays as it was. Pure.
 */
export function contentAt(point: Point): Content {
  const chunks = new Map<string, StoredChunkRef>();
  const changed = new Map<string, number>();
  const changes: ChangesRef[] = [];
  let inexact: string[] = [];
  for (const [index, found] of point.backups.entries()) {
    const { manifest } = found;
    const inside = point.insideMs !== undefined && index === point.backups.length - 1;
    const voided = [...manifest.replaced, ...manifest.dropped];
    const parts = changeParts(found);
    const own: ChangesRef = { parts, void: [], untilMs: inside ? point.insideMs : undefined };
    if (parts.length > 0) changes.push(own);
    for (const earlier of inside ? [own] : changes) earlier.void.push(...voided);
    for (const [path, count] of changesOf(manifest)) {
      if (!voided.some((gone) => isUnder(path, gone))) changed.set(path, (changed.get(path) ?? 0) + count);
    }
    if (inside) {
      inexact = [...new Set(voided.map(relationOf))];
      break;
    }
    removeUnder(chunks, voided);
    removeUnder(changed, voided);
    for (const entry of manifest.chunks) {
      if (entry.kind !== 'changes') chunks.set(entry.path, reference(found, entry));
    }
  }
  return assemble(chunks, changed, changes, inexact);
}

function assemble(
  chunks: ReadonlyMap<string, StoredChunkRef>,
  changed: ReadonlyMap<string, number>,
  changes: readonly ChangesRef[],
  inexact: readonly string[],
): Content {
  const relations = new Map<string, RelationContent>();
  const relation = (path: string): RelationContent => {
    const known = relations.get(path) ?? { path, chunks: [], changes: 0 };
    relations.set(path, known);
    return known;
  };
  const special: StoredChunkRef[] = [];
  let schema: StoredChunkRef | undefined;
  for (const chunk of chunks.values()) {
    const { kind, path } = chunk.entry;
    if (kind === 'schema') schema = chunk;
    if (kind === 'special') special.push(chunk);
    if (kind === 'rows') relation(relationOf(path)).chunks.push(chunk);
  }
  for (const [path, count] of changed) relation(path).changes += count;
  return { relations, schema, special, changes: relevant(changes, changed), inexact };
}

/** Changes that nothing needs any more are not read. */
function relevant(changes: readonly ChangesRef[], changed: ReadonlyMap<string, number>): ChangesRef[] {
  return changes.filter(({ parts }) =>
    parts.some(({ entry }) => Object.keys(entry.tables ?? {}).some((path) => changed.has(path))),
  );
}

function changesOf(manifest: Manifest): Map<string, number> {
  const counts = new Map<string, number>();
  for (const chunk of manifest.chunks) {
    for (const [path, count] of Object.entries(chunk.tables ?? {}))
      counts.set(path, (counts.get(path) ?? 0) + count);
  }
  return counts;
}

function removeUnder(paths: Map<string, unknown>, voided: readonly string[]): void {
  if (voided.length === 0) return;
  for (const path of paths.keys()) {
    if (voided.some((gone) => isUnder(path, gone))) paths.delete(path);
  }
}

/** A backup's chunks of changes in the order in which they were written: `/changes/@2` before `/changes/@10`. */
export function changeParts(found: FoundBackup): StoredChunkRef[] {
  const numberOf = ({ entry }: StoredChunkRef): number =>
    Number(entry.path.slice(entry.path.indexOf('@') + 1));
  return referencesOf(found)
    .filter(({ entry }) => entry.kind === 'changes')
    .sort((a, b) => numberOf(a) - numberOf(b));
}

/** All chunks of one backup. */
export function referencesOf(found: FoundBackup): StoredChunkRef[] {
  return found.manifest.chunks.map((entry) => reference(found, entry));
}

function reference({ manifest, key }: FoundBackup, entry: ChunkEntry): StoredChunkRef {
  const segment = manifest.segments[entry.segment];
  if (!segment)
    throw new HoldfastError('corrupt', `chunk ${entry.path} names a segment that ${key} does not have`);
  return {
    id: `${manifest.sequence}${entry.path}`,
    object: `${key.slice(0, key.lastIndexOf('/'))}/${segment.name}`,
    entry,
  };
}
