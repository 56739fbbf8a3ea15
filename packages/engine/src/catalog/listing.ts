import { backupName, type Destination, type Manifest, type Sig } from '@holdfast/core';
import type { BackupListing, ChainListing, TaskListing } from '../api.ts';
import { stockOf } from '../thaw/volume.ts';
import { type FoundChain, missingObjects } from './chain.ts';
import { findTasks } from './find-chains.ts';

/** `holdfast list`: tasks, chains, backups and what each is worth, from the destination alone. */
export async function listTasks(
  destination: Destination,
  o: Sig & { readonly task?: string | undefined },
): Promise<TaskListing[]> {
  const tasks = await findTasks(destination, o);
  return tasks.map(({ task, chains, strays }) => ({
    task,
    chains: chains.map(describeChain),
    strays,
  }));
}

function describeChain(chain: FoundChain): ChainListing {
  const missing = missingObjects(chain);
  // A backup restores when it and everything before it in the chain is there.
  const broken = new Set(missing.map((problem) => problem.backup));
  let restorable = true;
  const backups = chain.backups.map(({ manifest }): BackupListing => {
    const backup = backupName(chain.chain, manifest.sequence);
    restorable &&= !broken.has(backup);
    return {
      backup,
      sequence: manifest.sequence,
      scope: manifest.scope,
      ...(manifest.from && { from: manifest.from }),
      to: manifest.to,
      ...manifest.totals,
      chunks: manifest.chunks.length,
      segments: manifest.segments.length,
      startedAtMs: manifest.startedAtMs,
      finishedAtMs: manifest.finishedAtMs,
      restorable,
      ...coldOf(chain, manifest),
    };
  });
  const full = chain.backups[0]?.manifest;
  return {
    chain: chain.chain,
    type: full?.type ?? 'logical',
    source: full?.source ?? { type: '', identity: '', name: '', version: '' },
    node: full?.node ?? '',
    generation: full?.generation ?? 0,
    backups,
    problems: [...chain.problems, ...missing].map(({ backup, detail }) => `${backup}: ${detail}`),
  };
}

/** By the listing alone, which need not know what is thawed, and of some classes not what is cold. */
export function coldOf({ cold }: FoundChain, { segments }: Manifest): Pick<BackupListing, 'cold'> {
  const found = segments.flatMap(({ name, bytes }) => {
    const listed = cold?.get(name);
    return listed?.isSure ? [{ bytes, storageClass: listed.storageClass }] : [];
  });
  return found.length > 0 ? { cold: stockOf(found) } : {};
}
