import { cp, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ChunkEntry, Manifest } from '@holdfast/core';
import { readManifest, sha256Of, writeManifest } from '../../packages/engine/src/manifest-file.ts';

export { sha256Of };

/** A copy of a folder destination, to be damaged. */
export async function copyOf(backups: string, copy: string): Promise<string> {
  await cp(backups, copy, { recursive: true, preserveTimestamps: true });
  return copy;
}

/** The folder of the newest chain of a task. */
export async function chainFolder(backups: string, task: string): Promise<string> {
  const chains = (await readdir(join(backups, task))).filter((name) => /-g\d+$/.test(name)).sort();
  return join(backups, task, chains.at(-1) ?? '');
}

/** Replaces a file's bytes by what `change` makes of them. */
export async function alter(path: string, change: (bytes: Buffer) => Buffer): Promise<void> {
  await writeFile(path, change(await readFile(path)));
}

export async function flipBit(path: string, bit: number): Promise<void> {
  await alter(path, (bytes) => {
    const at = Math.floor(bit / 8);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << (bit % 8));
    return bytes;
  });
}

/** The manifest in a file. */
export async function manifestIn(path: string): Promise<Manifest> {
  return readManifest(await readFile(path), path);
}

/** Writes another manifest in place of one, sealed as if it were meant. */
export async function resealed(path: string, change: (manifest: Manifest) => Manifest): Promise<void> {
  await writeFile(path, writeManifest(change(await manifestIn(path))));
}

/** Where the first chunk of such a path lies. */
export function chunkAt(
  manifest: Manifest,
  path: RegExp,
): { readonly entry: ChunkEntry; readonly segment: string } {
  const entry = manifest.chunks.find((chunk) => path.test(chunk.path));
  const segment = manifest.segments[entry?.segment ?? -1]?.name;
  if (!entry || segment === undefined) throw new Error(`no chunk ${path} in the manifest`);
  return { entry, segment };
}
