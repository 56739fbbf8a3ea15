/** Manifests and chains made up for tests of what is pure. */
import { type ChunkEntry, emptyDigest, type Manifest, manifestName } from '@holdfast/core';
import type { FoundBackup, FoundChain } from './catalog/chain.ts';
import { sha256Of, writeManifest } from './manifest-file.ts';

export const chainA = '20261120T140000Z-node-a-g1';
export const chainB = '20261121T140000Z-node-a-g1';
const hour = 3_600_000;
export const startMs = Date.UTC(2026, 10, 20, 14);

export function chunkOf(path: string, over: Partial<ChunkEntry> = {}): ChunkEntry {
  return {
    path,
    kind: 'rows',
    segment: 0,
    offset: 0,
    bytes: 0,
    frames: [],
    rawBytes: 0,
    rows: 0,
    sha256: '0'.repeat(64),
    digest: emptyDigest,
    ...over,
  };
}

/** An hour passes from each backup of a chain to the next. */
export function manifestOf(sequence: number, over: Partial<Manifest> = {}): Manifest {
  const toMs = startMs + sequence * hour;
  return {
    format: 1,
    holdfast: '0.1.0',
    task: 'shop',
    chain: chainA,
    sequence,
    scope: sequence === 0 ? 'full' : 'incremental',
    type: 'logical',
    node: 'node-a',
    generation: 1,
    source: { type: 'memory', identity: 'db-1', name: 'shop', version: '1' },
    ...(sequence > 0 && { from: { position: String(sequence - 1), timeMs: toMs - hour } }),
    to: { position: String(sequence), timeMs: toMs },
    segments: [],
    chunks: [],
    replaced: [],
    dropped: [],
    state: { label: 'shop' },
    startedAtMs: toMs,
    finishedAtMs: toMs,
    durationsMs: {},
    totals: { rows: 0, rawBytes: 0, storedBytes: 0 },
    ...over,
  };
}

export function foundOf(manifest: Manifest): FoundBackup {
  const { task, chain, sequence, scope } = manifest;
  const sha256 = sha256Of(writeManifest(manifest));
  return { manifest, sha256, key: `${task}/${chain}/${manifestName(sequence, scope)}` };
}

/** Manifests that name each other: what a chain is found as. */
export function linkedOf(manifests: readonly Manifest[]): FoundBackup[] {
  const found: FoundBackup[] = [];
  for (const manifest of manifests) {
    const base = found.at(-1);
    const previous = base && { sequence: base.manifest.sequence, sha256: base.sha256 };
    found.push(foundOf(previous && manifest.scope === 'incremental' ? { ...manifest, previous } : manifest));
  }
  return found;
}

export function chainOf(manifests: readonly Manifest[], over: Partial<FoundChain> = {}): FoundChain {
  const objects = new Map<string, number>();
  for (const { sequence, scope, segments } of manifests) {
    objects.set(manifestName(sequence, scope), 1000);
    for (const { name, bytes } of segments) objects.set(name, bytes);
  }
  const chain = manifests[0]?.chain ?? chainA;
  return { task: 'shop', chain, backups: linkedOf(manifests), problems: [], objects, ...over };
}
