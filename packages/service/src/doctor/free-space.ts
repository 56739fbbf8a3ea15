import { statfs } from 'node:fs/promises';
import type { Destination } from '@holdfast/core';

const scheme = 'file:';

/** What is left where a folder is; no other kind of place says. */
export async function freeSpaceOf({ description }: Destination): Promise<string | undefined> {
  if (!description.startsWith(`${scheme}/`)) return undefined;
  const found = await statfs(description.slice(scheme.length), { bigint: false }).catch(() => undefined);
  // Some network file systems say 0 of everything.
  if (!found || found.blocks === 0) return undefined;
  const gigabytes = (blocks: number): string => ((blocks * found.bsize) / 1e9).toFixed(1);
  return `${gigabytes(found.bavail)} GB of ${gigabytes(found.blocks)} GB`;
}
