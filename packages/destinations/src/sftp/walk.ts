import { type ObjectInfo, throwIfAborted } from '@holdfast/core';
import type { Stats } from 'ssh2';
import { reservedPrefix } from '../repository.ts';
import { entriesOf, lstat } from './calls.ts';
import type { Lease } from './pool.ts';

export interface WalkStart {
  /** As the server knows it. */
  readonly folder: string;
  /** What the keys of everything in `folder` begin with. */
  readonly keyPrefix: string;
  /** Only names in `folder` that begin so; below them, all. */
  readonly namePrefix: string;
}

/** Of `attrs` of a list: what kind of file it is. */
const kindMask = 0o170_000;

/**
 * All files below a folder, but the driver's own. Symbolic links are not followed: where they lead is not here, and
 * they may lead in circles. Memory: one folder's names per level.
 */
export async function* walk(lease: Lease, start: WalkStart, signal: AbortSignal): AsyncGenerator<ObjectInfo> {
  const { folder, keyPrefix, namePrefix } = start;
  const entries = (await entriesOf(lease, folder)) ?? [];
  for (const { filename, attrs } of entries) {
    throwIfAborted(signal);
    if (!filename.startsWith(namePrefix) || filename.startsWith(reservedPrefix)) continue;
    const path = folder === '/' ? `/${filename}` : `${folder}/${filename}`;
    const key = keyPrefix + filename;
    // Some servers leave out of a list what kind of file each is.
    const known = attrs.mode !== undefined && (attrs.mode & kindMask) !== 0;
    const found = known ? attrs : await lstat(lease, path);
    if (found?.isDirectory())
      yield* walk(lease, { folder: path, keyPrefix: `${key}/`, namePrefix: '' }, signal);
    else if (found?.isFile()) yield infoOf(key, found);
  }
}

export function infoOf(key: string, found: Pick<Stats, 'size' | 'mtime'>): ObjectInfo {
  return { key, bytes: found.size, modifiedAtMs: found.mtime * 1000 };
}
