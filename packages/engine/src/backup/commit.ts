import {
  backupName,
  formatVersion,
  HoldfastError,
  type Manifest,
  manifestName,
  type Sig,
  type Stage,
  version,
} from '@holdfast/core';
import type { BackupTools } from '../api.ts';
import type { FoundChain } from '../catalog/chain.ts';
import { writeManifest } from '../manifest-file.ts';
import { endReplaced } from './kept-changes.ts';

/** What a run knows about its backup before the totals are counted. */
export type Draft = Omit<Manifest, 'format' | 'holdfast' | 'finishedAtMs' | 'totals'>;

export function completeManifest(draft: Draft, finishedAtMs: number): Manifest {
  const { chunks, segments } = draft;
  const add = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);
  return {
    format: formatVersion,
    holdfast: version,
    ...draft,
    finishedAtMs,
    totals: {
      rows: add(chunks.filter(({ kind }) => kind === 'rows').map(({ rows }) => rows)),
      rawBytes: add(chunks.map(({ rawBytes }) => rawBytes)),
      storedBytes: add(segments.map(({ bytes }) => bytes)),
    },
  };
}

/**
 * The end of a run, in the order that makes a crash harmless: the manifest is kept in staging before anything of it
 * is at a destination (a crash is resumed), it is at the destinations before the source is told (a crash repeats
 * changes, never loses them), and only then is the chain before it let go.
 */
export async function commitRun(stage: Stage, manifest: Manifest, tools: BackupTools, o: Sig): Promise<void> {
  const { observer } = tools;
  await stage.seal(manifestName(manifest.sequence, manifest.scope), writeManifest(manifest), o);
  observer({ kind: 'step', step: 'sealed' });
  await stage.commit(o);
  observer({ kind: 'step', step: 'committed', detail: backupName(manifest.chain, manifest.sequence) });
}

/** What follows a commit: neither its failures nor a request to stop undo the backup; they are told. */
export async function afterCommit(
  manifest: Manifest,
  older: readonly FoundChain[],
  tools: BackupTools,
  o: Sig,
): Promise<string[]> {
  const notices: string[] = [];
  if (manifest.state !== null) {
    try {
      await tools.source.acknowledge({ ...o, state: manifest.state, mark: manifest.to });
    } catch (error) {
      const { message } = HoldfastError.from(error);
      notices.push(
        `the source could not be told that its changes are stored; the next run tells it: ${message}`,
      );
    }
  }
  tools.observer({ kind: 'step', step: 'acknowledged' });
  if (manifest.scope === 'full' && manifest.state !== null)
    notices.push(...(await endReplaced(manifest, older, tools, o)));
  return notices;
}

/** The next number that no file of the chain has, committed or not, at any destination: nothing is overwritten. */
export function nextSequence(copies: readonly FoundChain[]): number {
  let highest = -1;
  for (const { objects } of copies)
    for (const file of objects.keys()) highest = Math.max(highest, Number.parseInt(file, 10));
  return highest + 1;
}
