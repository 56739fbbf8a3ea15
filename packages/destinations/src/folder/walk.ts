import type { Dirent, Stats } from 'node:fs';
import { join } from 'node:path';
import type { ObjectInfo, Sig } from '@holdfast/core';
import { throwIfAborted } from '@holdfast/core';
import { reservedPrefix } from '../repository.ts';
import { systemCode } from './errors.ts';
import type { Files } from './files.ts';

export interface WalkOptions extends Sig {
  readonly files: Files;
  /** Runs a step on a path and translates its errors. */
  readonly telling: <T>(path: string, act: () => Promise<T>) => Promise<T>;
}

export interface WalkStart {
  readonly folder: string;
  /** What the keys of everything in `folder` begin with. */
  readonly keyPrefix: string;
  /** Only names in `folder` that begin so; below them, all. */
  readonly namePrefix: string;
}

/**
 * All files below a folder, but the driver's own. Symbolic links are not followed: where they lead is not here, and
 * they may lead in circles. Memory: one folder's names per level.
 */
export async function* walk(start: WalkStart, o: WalkOptions): AsyncGenerator<ObjectInfo> {
  const { folder, keyPrefix, namePrefix } = start;
  const { files, signal, telling } = o;
  const entries = await telling(folder, () => entriesOf(files, folder));
  for (const entry of entries) {
    throwIfAborted(signal);
    if (!entry.name.startsWith(namePrefix) || entry.name.startsWith(reservedPrefix)) continue;
    const path = join(folder, entry.name);
    const key = keyPrefix + entry.name;
    if (entry.isDirectory()) {
      yield* walk({ folder: path, keyPrefix: `${key}/`, namePrefix: '' }, o);
    } else if (entry.isFile()) {
      // It may have been deleted since its folder was read.
      const found = await telling(path, () => lstatFile(files, path));
      if (found) yield infoOf(key, found);
    }
  }
}

export function infoOf(key: string, found: Stats): ObjectInfo {
  return { key, bytes: found.size, modifiedAtMs: Math.round(found.mtimeMs) };
}

/** What is there if it is a file; nothing else is an object. */
export async function lstatFile(files: Files, path: string): Promise<Stats | undefined> {
  try {
    const found = await files.lstat(path);
    return found.isFile() ? found : undefined;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')) return undefined;
    throw error;
  }
}

async function entriesOf(files: Files, folder: string): Promise<Dirent[]> {
  try {
    return await files.entries(folder);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')) return [];
    throw error;
  }
}
