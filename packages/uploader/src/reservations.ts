import { readdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError } from '@holdfast/core';
import { readJson, writeDurably } from './durable-file.ts';
import { giveUpLateRuns } from './late-runs.ts';
import { RunFolder, reservationFile } from './run-folder.ts';
import { sizeText } from './size-text.ts';

export interface ReserveOptions {
  readonly root: string;
  readonly folder: RunFolder;
  /** How much more this run asks for. */
  readonly bytes: number;
  /** Kept free for everybody else on that disk. */
  readonly floorBytes: number;
  /** What all runs together may use. */
  readonly bytesMax: number;
}

/** Why there is no room. */
export interface NoRoom {
  readonly error: HoldfastError;
  /** Other runs that are at work have what is missing: it may be free later. */
  readonly othersHaveIt: boolean;
}

/**
 * Reserves room for a run, or says with the numbers why there is none. What a run has reserved and not yet written counts
 * as used for as long as its process lives; what a dead one has written is used, what it has not is free again. Before it
 * says no, it gives up what is kept here for destinations that are behind: other destinations have that. The caller has
 * the lock of the whole area: two runs must not count the same room.
 */
export async function reserve(o: ReserveOptions): Promise<NoRoom | undefined> {
  let room = await lookForRoom(o);
  if (room.missingBytes > 0) {
    const removed = await giveUpLateRuns(o.root, async () => {
      room = await lookForRoom(o);
      return room.missingBytes <= 0;
    });
    if (removed.length > 0) room = await lookForRoom(o);
  }
  if (room.missingBytes > 0) return noRoom(o, room);
  await writeDurably(
    join(o.folder.path, reservationFile),
    JSON.stringify({ bytes: room.ownBytes + o.bytes }),
  );
  return undefined;
}

interface Room {
  readonly neededBytes: number;
  readonly missingBytes: number;
  /** Reserved by this run before. */
  readonly ownBytes: number;
  readonly freeBytes: number;
  readonly usedBytes: number;
  readonly others: Omit<OthersRoom, 'usedBytes'>;
}

async function lookForRoom({ root, folder, bytes, floorBytes, bytesMax }: ReserveOptions): Promise<Room> {
  const ownBytes = await reservedBy(folder);
  const neededBytes = bytes + Math.max(0, ownBytes - (await folder.usedBytes()));
  const { usedBytes, ...others } = await reservedByOthers(root, folder);
  const { bavail, bsize } = await statfs(root);
  const freeBytes = bavail * bsize;
  const room = Math.min(freeBytes - floorBytes, bytesMax - usedBytes) - others.bytes;
  return { neededBytes, missingBytes: neededBytes - room, ownBytes, freeBytes, usedBytes, others };
}

function noRoom({ root, floorBytes, bytesMax }: ReserveOptions, room: Room): NoRoom {
  const { neededBytes, freeBytes, usedBytes, others, missingBytes } = room;
  const theirs = others.runs === 1 ? 'by another run' : `by ${others.runs} other runs`;
  const limited = bytesMax - usedBytes < freeBytes - floorBytes;
  const has = limited
    ? `${sizeText(usedBytes)} (${usedBytes} bytes) of the ${sizeText(bytesMax)} that staging may use are used`
    : `${sizeText(freeBytes)} (${freeBytes} bytes) are free on the disk of ${root}`;
  const kept = limited ? [] : [`${sizeText(floorBytes)} stay free`];
  const taken = others.runs > 0 ? [`${sizeText(others.bytes)} are reserved ${theirs}`] : [];
  const rest = [...taken, ...kept].join(' and ');
  const error = new HoldfastError(
    'exhausted',
    `staging has no room for this run: it needs ${sizeText(neededBytes)} (${neededBytes} bytes), ${has}` +
      (rest === '' ? '' : `, of which ${rest}`),
    {
      hint: limited
        ? 'raise stagingMax, or let destinations catch up: holdfast destinations'
        : `make room on the disk of ${root}, wait for other runs, or choose another staging folder (--staging, HOLDFAST_STAGING; of a node: staging in holdfast.yaml)`,
    },
  );
  return { error, othersHaveIt: others.runs > 0 && missingBytes <= others.bytes + others.writtenBytes };
}

async function reservedBy(folder: RunFolder): Promise<number> {
  const reservation = (await readJson(join(folder.path, reservationFile))) as { bytes?: unknown } | undefined;
  return typeof reservation?.bytes === 'number' ? reservation.bytes : 0;
}

interface OthersRoom {
  /** Reserved and not written. */
  readonly bytes: number;
  /** Written by runs that are at work: it is free when they end. */
  readonly writtenBytes: number;
  readonly runs: number;
  /** Of everything in staging, this run's included. */
  readonly usedBytes: number;
}

async function reservedByOthers(root: string, own: RunFolder): Promise<OthersRoom> {
  let bytes = 0;
  let writtenBytes = 0;
  let runs = 0;
  let usedBytes = 0;
  for await (const folder of allRuns(root)) {
    const written = await folder.usedBytes();
    usedBytes += written;
    if (folder.path === own.path || !folder.isLive()) continue;
    const outstanding = (await reservedBy(folder)) - written;
    writtenBytes += written;
    if (outstanding <= 0) continue;
    bytes += outstanding;
    runs += 1;
  }
  return { bytes, writtenBytes, runs, usedBytes };
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
