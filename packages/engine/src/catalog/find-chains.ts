import {
  backupName,
  type Destination,
  HoldfastError,
  isChainName,
  namePattern,
  parseBackupFile,
  type Sig,
} from '@holdfast/core';
import { readManifest, sha256Of } from '../manifest-file.ts';
import { type ChainProblem, type FoundBackup, type FoundChain, type ListedCold, linkChain } from './chain.ts';
import { readObject } from './read-object.ts';

export interface FoundTask {
  readonly task: string;
  /** Newest first, by the time in their names. */
  readonly chains: readonly FoundChain[];
  /** Keys below the task's folder that no manifest names. */
  readonly strays: readonly string[];
}

/** Sizes of a chain's files, and which of them are cold or may be, by name. */
class ChainFiles {
  readonly objects = new Map<string, number>();
  readonly cold = new Map<string, ListedCold>();
}

/** Manifests of a large database are some megabytes; anything beyond this is not one. */
export const manifestBytesMax = 512 * 1024 * 1024;
const readsMax = 8;

/** What is at a destination, from its listing and its manifests alone. Foreign objects are passed over. */
export async function findTasks(
  destination: Destination,
  o: Sig & { readonly task?: string | undefined },
): Promise<FoundTask[]> {
  const folders = new Map<string, Map<string, ChainFiles>>();
  const thawable = new Set(destination.cold?.ways.map((way) => way.storageClass));
  const strays = new Map<string, string[]>();
  const prefix = o.task === undefined ? '' : `${o.task}/`;
  for await (const info of destination.list(prefix, { signal: o.signal })) {
    const { key, bytes, access, storageClass = '' } = info;
    const [task = '', chain = '', file = '', ...deeper] = key.split('/');
    if (!namePattern.test(task)) continue;
    if (deeper.length > 0 || !isChainName(chain) || !parseBackupFile(file)) {
      const stray = strays.get(task) ?? [];
      stray.push(key);
      strays.set(task, stray);
      continue;
    }
    const chains = folders.get(task) ?? new Map<string, ChainFiles>();
    folders.set(task, chains);
    const files = chains.get(chain) ?? new ChainFiles();
    chains.set(chain, files);
    files.objects.set(file, bytes);
    if (access || thawable.has(storageClass)) files.cold.set(file, { storageClass, isSure: !!access });
  }
  const tasks: FoundTask[] = [];
  for (const [task, chains] of [...folders].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const found: FoundChain[] = [];
    const stray = strays.get(task) ?? [];
    for (const [chain, { objects, cold }] of [...chains].sort(([a], [b]) => (a < b ? 1 : -1))) {
      const one = { ...(await findChain(destination, task, chain, objects, o)), cold };
      if (one.backups.length > 0 || one.problems.length > 0) found.push(one);
      stray.push(...unnamed(one).map((file) => `${task}/${chain}/${file}`));
    }
    tasks.push({ task, chains: found, strays: stray });
  }
  return tasks;
}

/** One task's chains, newest first; none if the destination has nothing of it. */
export async function findChains(
  destination: Destination,
  task: string,
  o: Sig,
): Promise<readonly FoundChain[]> {
  const [found] = await findTasks(destination, { ...o, task });
  return found?.chains ?? [];
}

async function findChain(
  destination: Destination,
  task: string,
  chain: string,
  objects: ReadonlyMap<string, number>,
  o: Sig,
): Promise<FoundChain> {
  const names = [...objects.keys()].filter((file) => parseBackupFile(file)?.segment === undefined).sort();
  const found: FoundBackup[] = [];
  const problems: ChainProblem[] = [];
  for (let first = 0; first < names.length; first += readsMax) {
    const batch = names.slice(first, first + readsMax);
    await Promise.all(
      batch.map(async (file) => {
        const key = `${task}/${chain}/${file}`;
        try {
          const bytes = await readObject(destination, key, { ...o, bytesMax: manifestBytesMax });
          found.push({ manifest: readManifest(bytes, key), sha256: sha256Of(bytes), key });
        } catch (error) {
          problems.push(manifestProblem(error, key, chain, file));
        }
      }),
    );
  }
  const linked = linkChain(found, task, chain);
  return { task, chain, objects, backups: linked.backups, problems: [...problems, ...linked.problems] };
}

/** A damaged manifest is a finding about one backup, not the end of the listing; an unreachable place is an error. */
function manifestProblem(error: unknown, key: string, chain: string, file: string): ChainProblem {
  const failure = HoldfastError.from(error);
  const backup = backupName(chain, parseBackupFile(file)?.sequence ?? 0);
  if (failure.code === 'corrupt') return { kind: 'altered manifest', key, backup, detail: failure.reason };
  if (failure.code === 'unsupported') return { kind: 'unsupported', key, backup, detail: failure.reason };
  if (failure.code === 'not_found') return { kind: 'missing', key, backup, detail: failure.reason };
  if (failure.code === 'precondition_failed')
    throw new HoldfastError(failure.code, failure.reason, {
      cause: failure,
      hint:
        failure.hint ??
        'if a rule of the place moved the manifest into cold storage: thaw it there, and keep such rules from manifests',
    });
  throw failure;
}

/** Files of the chain's folder that none of its manifests names: what a crash left, or a foreign file with our look. */
function unnamed(chain: FoundChain): string[] {
  const named = new Set<string>();
  for (const { manifest, key } of chain.backups) {
    named.add(key.slice(key.lastIndexOf('/') + 1));
    for (const segment of manifest.segments) named.add(segment.name);
  }
  for (const { key } of chain.problems) named.add(key.slice(key.lastIndexOf('/') + 1));
  return [...chain.objects.keys()].filter((file) => !named.has(file));
}
