import { backupName, type Manifest, manifestName, parseBackupFile } from '@holdfast/core';

/** A backup as it was found: its manifest, and the checksum by which the next one refers to it. */
export interface FoundBackup {
  readonly manifest: Manifest;
  readonly sha256: string;
  /** Key of the manifest. */
  readonly key: string;
}

/** What stands at a destination under one chain's folder. */
export interface FoundChain {
  readonly task: string;
  readonly chain: string;
  /** Linked from the full on, in order. */
  readonly backups: readonly FoundBackup[];
  readonly problems: readonly ChainProblem[];
  /** Stored bytes of each object below the chain, by file name. */
  readonly objects: ReadonlyMap<string, number>;
  /** Those that have to be thawed, or perhaps, by file name. */
  readonly cold?: ReadonlyMap<string, ListedCold>;
}

export interface ListedCold {
  readonly storageClass: string;
  /** The listing says so. Else they are in a class in which some objects have to be thawed, which only `stat` tells. */
  readonly isSure: boolean;
}

export interface ChainProblem {
  readonly kind: 'altered manifest' | 'broken chain' | 'missing' | 'unsupported';
  readonly key: string;
  /** `chain/sequence`, or the chain when no backup can be named. */
  readonly backup: string;
  readonly detail: string;
}

/**
 * Links manifests to a chain: each names the SHA-256 of the one before it, so a manifest that was altered, removed or
 * swapped breaks the link, and what follows the break cannot be restored. Pure.
 */
export function linkChain(
  found: readonly FoundBackup[],
  task: string,
  chain: string,
): Pick<FoundChain, 'backups' | 'problems'> {
  const ordered = [...found].sort((a, b) => sequenceOf(a) - sequenceOf(b));
  const backups: FoundBackup[] = [];
  const problems: ChainProblem[] = [];
  for (const next of ordered) {
    const { manifest, key } = next;
    const report = (detail: string): void => {
      problems.push({ kind: 'broken chain', key, backup: backupName(chain, sequenceOf(next)), detail });
    };
    const base = backups.at(-1);
    const expected = manifestName(manifest.sequence, manifest.scope);
    if (manifest.task !== task || manifest.chain !== chain || !key.endsWith(`/${expected}`)) {
      report(
        `${key} holds the manifest of ${manifest.task}/${backupName(manifest.chain, manifest.sequence)}`,
      );
    } else if (manifest.scope === 'full') {
      if (base) report('the chain has a second full backup');
      else backups.push(next);
    } else if (!base) {
      report('the full backup that it follows is not there');
    } else if (manifest.previous?.sha256 !== base.sha256) {
      report(
        `it does not follow ${backupName(chain, base.manifest.sequence)}: a backup between them is missing or was altered`,
      );
    } else if (manifest.source.identity !== base.manifest.source.identity) {
      report(`it is of another database than the backups before it`);
    } else if (manifest.from?.position !== base.manifest.to.position) {
      report(
        `it begins at ${manifest.from?.position ?? 'nowhere'}, the backup before it ends at ${base.manifest.to.position}`,
      );
    } else {
      backups.push(next);
    }
  }
  return { backups, problems };
}

/** The chain can be restored from there to its newest backup. */
export function isWhole(chain: FoundChain): boolean {
  return chain.backups.length > 0 && chain.problems.length === 0 && missingObjects(chain).length === 0;
}

/** Of several copies of one chain the one to go by: a whole one before others, then the longest, then the first. Pure. */
export function mergeChains(copies: readonly (readonly FoundChain[])[]): FoundChain[] {
  const best = new Map<string, FoundChain>();
  for (const chain of copies.flat()) {
    const known = best.get(chain.chain);
    if (!known || isBetter(chain, known)) best.set(chain.chain, chain);
  }
  return [...best.values()];
}

function isBetter(a: FoundChain, b: FoundChain): boolean {
  const whole = Number(isWhole(a)) - Number(isWhole(b));
  return whole === 0 ? a.backups.length > b.backups.length : whole > 0;
}

/** By the name of the file: what a manifest says of itself may be what is wrong with it. */
function sequenceOf({ key, manifest }: FoundBackup): number {
  return parseBackupFile(key.slice(key.lastIndexOf('/') + 1))?.sequence ?? manifest.sequence;
}

/** Objects that the chain's backups name, and that are not there or have another size. Pure. */
export function missingObjects(chain: FoundChain): ChainProblem[] {
  const problems: ChainProblem[] = [];
  for (const { manifest, key } of chain.backups) {
    const folder = key.slice(0, key.lastIndexOf('/'));
    for (const segment of manifest.segments) {
      const bytes = chain.objects.get(segment.name);
      if (bytes === segment.bytes) continue;
      problems.push({
        kind: 'missing',
        key: `${folder}/${segment.name}`,
        backup: backupName(chain.chain, manifest.sequence),
        detail:
          bytes === undefined
            ? `segment ${segment.name} is missing`
            : `segment ${segment.name} has ${bytes} bytes instead of ${segment.bytes}`,
      });
    }
  }
  return problems;
}
