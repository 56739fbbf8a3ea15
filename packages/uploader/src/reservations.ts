import { readdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError } from '@holdfast/core';
import { readJson, writeDurably } from './durable-file.ts';
import { RunFolder, reservationFile } from './run-folder.ts';
import { sizeText } from './size-text.ts';

export interface ReserveOptions {
  readonly root: string;
  readonly folder: RunFolder;
  /** How much more this run asks for. */
  readonly bytes: number;
  /** Kept free for everybody else on that disk. */
  readonly floorBytes: number;
}

/**
 * Reserves room for a run, or rejects with the numbers. What a run has reserved and not yet written counts as used
 * for as long as its process lives; what a dead one has written is used, what it has not is free again. The caller
 * has the lock of the whole area: two runs must not count the same room.
 */
export async function reserve(o: ReserveOptions): Promise<void> {
  const { root, folder, bytes } = o;
  const own = await reservedBy(folder);
  const outstanding = Math.max(0, own - (await folder.usedBytes()));
  const others = await reservedByOthers(root, folder.path);
  const { bavail, bsize } = await statfs(root);
  const freeBytes = bavail * bsize;
  const room = freeBytes - others.bytes - o.floorBytes;
  if (bytes + outstanding > room) {
    const theirs = others.runs === 1 ? 'by another run' : `by ${others.runs} other runs`;
    throw new HoldfastError(
      'exhausted',
      `staging has no room for this run: it needs ${sizeText(bytes + outstanding)} (${bytes + outstanding} bytes), ` +
        `${sizeText(freeBytes)} (${freeBytes} bytes) are free on the disk of ${root}, of which ` +
        `${others.runs > 0 ? `${sizeText(others.bytes)} are reserved ${theirs} and ` : ''}${sizeText(o.floorBytes)} stay free`,
      {
        hint: `make room on the disk of ${root}, wait for other runs, or choose another staging folder (--staging, HOLDFAST_STAGING; of a node: staging in holdfast.yaml)`,
      },
    );
  }
  await writeDurably(join(folder.path, reservationFile), JSON.stringify({ bytes: own + bytes }));
}

async function reservedBy(folder: RunFolder): Promise<number> {
  const reservation = (await readJson(join(folder.path, reservationFile))) as { bytes?: unknown } | undefined;
  return typeof reservation?.bytes === 'number' ? reservation.bytes : 0;
}

async function reservedByOthers(root: string, ownPath: string): Promise<{ bytes: number; runs: number }> {
  let bytes = 0;
  let runs = 0;
  for await (const folder of allRuns(root)) {
    if (folder.path === ownPath) continue;
    const outstanding = (await reservedBy(folder)) - (await folder.usedBytes());
    if (outstanding <= 0 || !folder.isLive()) continue;
    bytes += outstanding;
    runs += 1;
  }
  return { bytes, runs };
}

async function* allRuns(root: string): AsyncGenerator<RunFolder> {
  for (const task of await readdir(root, { withFileTypes: true })) {
    if (!task.isDirectory() || task.name.startsWith('.')) continue;
    // A run may end while this looks around.
    for (const name of await readdir(join(root, task.name)).catch(() => [])) {
      const folder = name.startsWith('.') ? undefined : await RunFolder.open(join(root, task.name, name));
      if (folder) yield folder;
    }
  }
}
