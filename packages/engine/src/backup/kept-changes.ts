import {
  deadline,
  HoldfastError,
  type Manifest,
  type RememberedLabel,
  type Sig,
  throwIfAborted,
} from '@holdfast/core';
import type { BackupRequest, BackupTools } from '../api.ts';
import type { FoundChain } from '../catalog/chain.ts';
import type { Survey } from './survey.ts';

/** How long ending what another run began in the source may take. */
export const endMaxMs = 10_000;

/**
 * Ends what the source keeps under a label. Staging remembers the label until the source has confirmed that: whatever
 * goes wrong here, a later run of the task ends it.
 */
export async function endKept(
  { task, label }: { readonly task: string; readonly label: string },
  { source, staging }: BackupTools,
  o: Sig,
): Promise<void> {
  await source.forgetChanges({ ...o, label });
  await staging.releaseKept(task, label, o);
}

/**
 * A new chain takes the place of all others: ends what the source keeps for those that were found, by whomever they were
 * made, and for those that only staging remembers, because their manifest is gone or lies where nobody answers now.
 * Resolves with what could not be ended; the next full tries it again.
 */
export async function endReplaced(
  { task, chain: own, generation, source: { identity } }: Manifest,
  older: readonly FoundChain[],
  tools: BackupTools,
  o: Sig,
): Promise<string[]> {
  const { source, staging, destinations } = tools;
  const notices: string[] = [];
  let remembered: readonly RememberedLabel[] = [];
  try {
    remembered = await staging.listKept(task, destinations, o);
  } catch (error) {
    notices.push(`what earlier runs kept in the source is not known: ${HoldfastError.from(error).message}`);
  }
  const found = new Set<string>();
  for (const { chain, backups } of older) {
    const head = backups.at(-1)?.manifest;
    if (!head || head.state === null || chain === own || head.source.identity !== identity) continue;
    found.add(chain);
    const { generation: theirs } = backups[0]?.manifest ?? head;
    if (theirs > generation) {
      // A node that has lost its task without knowing it must not end what the one after it needs.
      notices.push(
        `what chain ${chain} keeps in the source stays: it is of generation ${theirs}, this backup of ${generation}; if nobody goes on with it, holdfast source forget ends it`,
      );
      continue;
    }
    await attempt(chain, notices, async () => {
      await source.forgetChanges({ ...o, state: head.state });
      for (const one of remembered) if (one.chain === chain) await staging.releaseKept(task, one.label, o);
    });
  }
  for (const { label, chain, identity: of = identity } of remembered) {
    // What another database keeps only that one can end.
    if (chain === own || of !== identity || (chain !== undefined && found.has(chain))) continue;
    await attempt(chain ?? `of label ${label}`, notices, () => endKept({ task, label }, tools, o));
  }
  return notices;
}

/**
 * Before a run begins: ends what the source keeps for chains that do not exist, because their run failed or was killed
 * before it could end that itself, and for those that a newer one has replaced already. Resolves with notices; what
 * cannot be ended stays remembered.
 */
export async function endForsaken(
  { identity, ...asking }: Asking & { readonly task: string; readonly identity: string },
  survey: Survey,
  tools: BackupTools,
  o: Sig,
): Promise<string[]> {
  const notices: string[] = [];
  const { task } = asking;
  const { chains } = survey;
  for (const kept of await tools.staging.listKept(task, tools.destinations, o)) {
    const { label, chain: name, identity: of } = kept;
    if (name === undefined || of !== identity) continue;
    const found = chains.find(({ chain }) => chain === name);
    const full = found?.backups[0]?.manifest;
    const isGone = !found && !kept.mayBeElsewhere && survey.showsAll;
    if (!isGone && !(full && isOvertaken(full, chains, asking))) continue;
    try {
      using limit = deadline(tools.clock, endMaxMs, 'ending the keeping of changes');
      await endKept({ task, label }, tools, { signal: AbortSignal.any([o.signal, limit.signal]) });
      const why = isGone ? 'of which there is no backup' : 'which a newer one has replaced';
      notices.push(`the source does not keep changes any more for chain ${name}, ${why}`);
    } catch (error) {
      throwIfAborted(o.signal);
      notices.push(notEnded(name, error));
    }
  }
  return notices;
}

/** The node that runs, as the request says. */
export type Asking = Pick<BackupRequest, 'node' | 'generation' | 'ownedGeneration'>;

/**
 * Whether another full of this database, of another node perhaps, is newer: then that one's chain goes on, and must keep
 * its changes. Both times are the source's own. A node that has lost its task without knowing it makes newer fulls, too:
 * those of an earlier generation take nobody's place, and what this node owns only fulls of its own replace.
 */
export function isOvertaken(manifest: Manifest, chains: readonly FoundChain[], asking: Asking): boolean {
  if (manifest.scope !== 'full') return false;
  const { node, generation, ownedGeneration } = asking;
  const isOwned = manifest.node === node && manifest.generation === ownedGeneration;
  return chains.some(({ chain, backups }) => {
    const newest = backups[0]?.manifest;
    if (!newest || chain === manifest.chain || newest.source.identity !== manifest.source.identity)
      return false;
    const isOwn = newest.node === node && newest.generation <= generation;
    if (newest.generation < manifest.generation || (isOwned && !isOwn)) return false;
    return newest.state !== null && newest.to.timeMs > manifest.to.timeMs;
  });
}

async function attempt(chain: string, notices: string[], act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (error) {
    notices.push(notEnded(chain, error));
  }
}

export function notEnded(chain: string, error: unknown): string {
  return `what chain ${chain} kept in the source could not be ended: ${HoldfastError.from(error).message}`;
}
