import { backupName, type Destination, HoldfastError, type Sig, type Staging } from '@holdfast/core';
import type { FoundBackup, FoundChain } from '../catalog/chain.ts';
import { manifestBytesMax } from '../catalog/find-chains.ts';
import { readObject } from '../catalog/read-object.ts';
import { sha256Of } from '../manifest-file.ts';

export interface BringUp extends Sig {
  /** As a destination that has it holds it. */
  readonly chain: FoundChain;
  readonly to: Destination;
  /** Its place among the task's destinations. */
  readonly index: number;
  /** What `to` has of the chain now. */
  readonly held: FoundChain | undefined;
  /** Destinations to copy from, the best first. */
  readonly from: readonly Destination[];
  readonly staging: Staging;
  /** Told of each backup that was brought. */
  readonly onBackup?: (backup: string, bytes: number) => void;
}

/**
 * Brings one chain up to date at one destination: what it lacks, in order, so that a backup never appears there before
 * the one that it follows. Resolves with what was brought.
 * @throws HoldfastError precondition_failed when what is there contradicts the chain, or what the copying met
 */
export async function bringUpChain(o: BringUp): Promise<readonly string[]> {
  const { chain, to, index, held, from, staging, signal } = o;
  const brought: string[] = [];
  for (const backup of chain.backups) {
    if (isHeld(backup, held)) continue;
    refuseOther(backup, o);
    const { manifest, key } = backup;
    const name = backupName(chain.chain, manifest.sequence);
    const { bytes } = await staging.deliver(
      {
        task: chain.task,
        chain: chain.chain,
        sequence: manifest.sequence,
        name: key.slice(key.lastIndexOf('/') + 1),
        manifest: await readManifestOf(backup, o),
        segments: manifest.segments,
        to,
        index,
        from,
      },
      { signal },
    );
    brought.push(name);
    o.onBackup?.(name, bytes);
  }
  return brought;
}

/** Its manifest is there, and everything that it names has its size. */
export function isHeld(backup: FoundBackup, held: FoundChain | undefined): boolean {
  if (!held?.backups.some(({ sha256 }) => sha256 === backup.sha256)) return false;
  return backup.manifest.segments.every(({ name, bytes }) => held.objects.get(name) === bytes);
}

/** Objects are never rewritten: what is there under the same name, and is not the same, stays, and is told. */
function refuseOther(backup: FoundBackup, { chain, to, held }: BringUp): void {
  if (!held) return;
  const wrong = backup.manifest.segments.find(({ name, bytes }) => {
    const there = held.objects.get(name);
    return there !== undefined && there !== bytes;
  });
  const file = backup.key.slice(backup.key.lastIndexOf('/') + 1);
  const other = held.objects.has(file) && !held.backups.some(({ sha256 }) => sha256 === backup.sha256);
  const problem = held.problems.find(({ key }) => key.endsWith(`/${file}`));
  if (!wrong && !other) return;
  const what = wrong
    ? `${wrong.name} has another size there`
    : (problem?.detail ?? `${file} is another one there`);
  throw new HoldfastError(
    'precondition_failed',
    `${to.description} has a damaged copy of chain ${chain.chain}: ${what}`,
    {
      hint: `see what is wrong there: holdfast check; once ${file} and its segments are deleted there, they are copied anew`,
    },
  );
}

/** From the first that gives it back as it was. */
async function readManifestOf({ key, sha256 }: FoundBackup, { from, signal }: BringUp): Promise<Uint8Array> {
  let failure: unknown;
  for (const place of from) {
    try {
      const bytes = await readObject(place, key, { signal, bytesMax: manifestBytesMax });
      if (sha256Of(bytes) === sha256) return bytes;
      failure = new HoldfastError('corrupt', `${place.description} gives back another ${key} than before`);
    } catch (error) {
      failure = error;
    }
  }
  throw failure ?? new HoldfastError('not_found', `no destination has ${key}`);
}
