import { statfs } from 'node:fs/promises';
import type { DestinationProbe } from '@holdfast/client';
import { type Clock, type DeclaredDestination, deadline, HoldfastError } from '@holdfast/core';
import { destinationAddress } from '../objects/run-targets.ts';
import { openDestination } from '../open.ts';

export interface ProbeOptions {
  readonly clock: Clock;
  /** Tests put their own here. */
  readonly open?: typeof openDestination;
}

/** What a person waits for; a place that needs longer is one that cannot be used. */
const probeMaxMs = 10_000;

/** Of a large place a listing would cost money and time: beyond this nobody knows how much is there. */
const objectsMax = 10_000;

/** Looks whether a destination can be reached, without writing anything there. */
export async function probeDestination(
  declared: DeclaredDestination,
  o: ProbeOptions,
): Promise<DestinationProbe> {
  using limit = deadline(o.clock, probeMaxMs, 'looking at the destination');
  const { signal } = limit;
  const late = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  const [seen, freeBytes] = await Promise.all([
    // A call into a mount that hangs heeds no signal.
    Promise.race([look(declared, signal, o), late]).catch(refusal),
    Promise.race([freeBytesOf(declared), late]).catch(() => undefined),
  ]);
  return { ...seen, ...(freeBytes !== undefined && { freeBytes }) };
}

async function look(
  declared: DeclaredDestination,
  signal: AbortSignal,
  { open = openDestination }: ProbeOptions,
): Promise<DestinationProbe> {
  const address = destinationAddress(declared);
  await using destination = await open(address, { signal });
  let usedBytes = 0;
  let objects = 0;
  for await (const { bytes } of destination.list('', { signal })) {
    usedBytes += bytes;
    objects += 1;
    if (objects > objectsMax) return { reachable: true };
  }
  return { reachable: true, usedBytes };
}

/** Credentials that may write and not list are no fault of the place. */
function refusal(caught: unknown): DestinationProbe {
  const error = HoldfastError.from(caught);
  return { reachable: error.code === 'permission_denied', error: error.toRecord() };
}

async function freeBytesOf({ type, path }: DeclaredDestination): Promise<number | undefined> {
  if (type !== 'folder' || typeof path !== 'string') return undefined;
  const disk = await statfs(path);
  return disk.bavail * disk.bsize;
}
