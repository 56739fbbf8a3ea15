import { HoldfastError, type Sig, throwIfAborted } from '@holdfast/core';
import { markerBytesMax, markerName } from '../repository.ts';
import { close, diskSpace, finishFile, openNew, openToRead, read, unlink, write } from './calls.ts';
import { status, statusOf } from './errors.ts';
import type { RemoteRoot } from './folders.ts';
import type { Lease } from './pool.ts';
import type { Publisher } from './publish.ts';
import { sweepTemporaries, temporaryName } from './temporary.ts';

const freeBytesMin = 1024 ** 3;
const freeShareMin = 0.01;

export interface SmallPlace {
  readonly root: RemoteRoot;
  readonly publisher: Publisher;
}

/** The marker's text; undefined when there is none. */
export async function readMarker(lease: Lease, root: RemoteRoot): Promise<string | undefined> {
  let handle: Buffer;
  try {
    handle = await openToRead(lease, root.join(markerName));
  } catch (error) {
    if (statusOf(error) === status.noSuchFile) return undefined;
    throw error;
  }
  try {
    return (await readSome(lease, handle, markerBytesMax)).toString('utf8');
  } finally {
    await close(lease, handle);
  }
}

/** Says whether it did; there is one already otherwise. */
export async function createMarker(
  lease: Lease,
  { root, publisher }: SmallPlace,
  text: string,
): Promise<boolean> {
  const temporary = root.join(temporaryName());
  try {
    const handle = await openNew(lease, temporary);
    await write(lease, handle, { block: Buffer.from(text), at: 0 });
    await finishFile(lease, handle);
    return await publisher.publishNew(lease, { temporary, path: root.join(markerName) });
  } catch (error) {
    await unlink(lease, temporary).catch(() => undefined);
    throw error;
  }
}

/**
 * Writes, reads back, publishes and deletes a scratch file, and sweeps what dead writers left. Says whether what was
 * written could be read.
 */
export async function proveWritable(lease: Lease, { root, publisher }: SmallPlace, o: Sig): Promise<boolean> {
  const scratch = root.join(temporaryName());
  const second = root.join(temporaryName());
  const content = Buffer.from('holdfast was here');
  try {
    const handle = await openNew(lease, scratch);
    await write(lease, handle, { block: content, at: 0 });
    const { mtime } = await finishFile(lease, handle);
    const sweep = sweepTemporaries(lease, root, { nowSeconds: mtime, signal: o.signal });
    const [readable] = await together([
      readsBack(lease, scratch, content),
      sweep.catch((error: unknown) => {
        // Who may not list cannot sweep either.
        if (statusOf(error) !== status.permissionDenied) throw error;
      }),
    ]);
    throwIfAborted(o.signal);
    // Publishing shows whether there are second names, before the first object is written.
    if (!(await publisher.publishNew(lease, { temporary: scratch, path: second })))
      throw new HoldfastError('internal', `${second} is taken`);
    await unlink(lease, second);
    return readable;
  } catch (error) {
    for (const path of [scratch, second]) await unlink(lease, path).catch(() => undefined);
    throw error;
  }
}

/** In words, when the server's disk is nearly full. */
export async function roomWarnings(lease: Lease, root: RemoteRoot): Promise<string[]> {
  const disk = await diskSpace(lease, root.path);
  if (!disk || disk.totalBytes === 0) return [];
  const { freeBytes, totalBytes } = disk;
  if (freeBytes >= freeBytesMin && freeBytes >= totalBytes * freeShareMin) return [];
  const mebibytes = (bytes: number): string => `${Math.floor(bytes / 1024 ** 2)} MiB`;
  return [
    `the server's disk is nearly full: ${mebibytes(freeBytes)} of ${mebibytes(totalBytes)} are free; ` +
      'make room, or keep fewer backups',
  ];
}

/** As `Promise.all`, but nothing of it is under way any more when it rejects. */
async function together<A, B>(both: readonly [Promise<A>, Promise<B>]): Promise<[A, B]> {
  await Promise.allSettled(both);
  return Promise.all(both);
}

async function readsBack(lease: Lease, path: string, content: Buffer): Promise<boolean> {
  let there: Buffer;
  try {
    const handle = await openToRead(lease, path);
    try {
      there = await readSome(lease, handle, content.length);
    } finally {
      await close(lease, handle);
    }
  } catch (error) {
    if (statusOf(error) === status.permissionDenied) return false;
    throw error;
  }
  if (there.equals(content)) return true;
  throw new HoldfastError('corrupt', `${path} gives back other bytes than were written`, {
    hint: "check the server's disk",
  });
}

async function readSome(lease: Lease, handle: Buffer, length: number): Promise<Buffer> {
  if (length === 0) return Buffer.alloc(0);
  const room = Buffer.alloc(length);
  return room.subarray(0, await read(lease, handle, { block: room, at: 0 }));
}
