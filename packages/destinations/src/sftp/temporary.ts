import { createHash, randomBytes } from 'node:crypto';
import { throwIfAborted } from '@holdfast/core';
import type { FileEntryWithStats } from 'ssh2';
import { reservedPrefix } from '../repository.ts';
import { entriesOf, rmdir, unlink } from './calls.ts';
import { status, statusOf } from './errors.ts';
import type { RemoteRoot } from './folders.ts';
import type { Lease } from './pool.ts';

const temporaryPrefix = `${reservedPrefix}tmp-`;
const daySeconds = 86_400;

/**
 * Unfinished files lie in the root, whatever folder their objects go to: what dead writers left is then found by
 * listing one folder, and a write that fails leaves no folders behind.
 */
export function temporaryName(): string {
  return `${temporaryPrefix}${randomBytes(12).toString('hex')}`;
}

/** The folder, in the root, of what resumable writes of a key have left: whether there is any costs one request. */
export function partFolder(key: string): string {
  return `${reservedPrefix}part-${createHash('sha256').update(key).digest('hex').slice(0, 32)}`;
}

/** Of the unfinished file of one content. */
export function partName(sizeBytes: number, sha256: string): string {
  return `${sizeBytes}-${sha256.slice(0, 32)}`;
}

/** Removes what unfinished writes of a key have left, but the file of `keep`. */
export async function removeParts(
  lease: Lease,
  root: RemoteRoot,
  o: { readonly key: string; readonly keep?: string },
): Promise<void> {
  const folder = partFolder(o.key);
  const entries = await entriesOf(lease, root.join(folder)).catch((error: unknown) => {
    // Who may not list leaves what is of other contents; what is of this one is written anew.
    if (statusOf(error) === status.permissionDenied) return [];
    throw error;
  });
  if (!entries) return;
  for (const { filename } of entries)
    if (filename !== o.keep) await unlink(lease, root.join(folder, filename));
  if (entries.some(({ filename }) => filename === o.keep)) return;
  // Another writer may just have begun in it.
  await rmdir(lease, root.join(folder)).catch(() => undefined);
}

/**
 * Removes temporary files that are older by a day than one that was just made: both times are the server's own, so that
 * no two clocks are compared. Half a resumable write is kept: it goes with its object's `delete`.
 */
export async function sweepTemporaries(
  lease: Lease,
  root: RemoteRoot,
  o: { readonly nowSeconds: number; readonly signal: AbortSignal },
): Promise<void> {
  const isDead = ({ filename, attrs }: FileEntryWithStats): boolean =>
    filename.startsWith(temporaryPrefix) && o.nowSeconds - attrs.mtime > daySeconds;
  const entries = (await entriesOf(lease, root.path)) ?? [];
  for (const { filename } of entries.filter(isDead)) {
    throwIfAborted(o.signal);
    await unlink(lease, root.join(filename));
  }
}
