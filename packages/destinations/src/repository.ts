import { randomUUID } from 'node:crypto';
import { type Clock, HoldfastError, type Sig, throwIfAborted } from '@holdfast/core';

/** Names that begin so are Holdfast's own: no keys, never listed. */
export const reservedPrefix = '.holdfast-';

/**
 * The object that says that a place is a repository, and which. Where a network path is mounted, it is on the network;
 * the bare folder that is left when the mount is gone has none, or another. It is written once and never changed.
 */
export const markerName = `${reservedPrefix}repository`;

/** More than any marker has. */
export const markerBytesMax = 4096;

export interface Marker {
  readonly format: 1;
  readonly id: string;
  /** ISO 8601; for people. */
  readonly created: string;
}

export function newMarker(createdAtMs: number): Marker {
  return { format: 1, id: randomUUID(), created: new Date(createdAtMs).toISOString() };
}

export function markerText(marker: Marker): string {
  return `${JSON.stringify(marker)}\n`;
}

/** @throws HoldfastError corrupt when it does not say which repository this is */
export function parseMarker(text: string, where: string): Marker {
  try {
    const marker = JSON.parse(text) as Marker;
    if (marker.format === 1 && typeof marker.id === 'string' && marker.id !== '') return marker;
  } catch {
    // Said below.
  }
  throw new HoldfastError('corrupt', `${where} does not say which repository this is`, {
    hint: 'if the place is the right one, delete this object; it is made anew (the backups are not touched)',
  });
}

/** How a driver reads and makes the marker of its place. */
export interface MarkerAccess {
  /** As a person may see the place. */
  readonly description: string;
  /** Undefined when there is none. */
  read(o: Sig): Promise<string | undefined>;
  /** Makes it unless there is one; says whether it did. */
  create(text: string, o: Sig): Promise<boolean>;
}

/**
 * Which repository the place holds; the first use marks it.
 * @throws HoldfastError precondition_failed when it is another one than `expectedId`, or has lost its marker
 */
export async function identifyRepository(
  access: MarkerAccess,
  o: Sig & { readonly expectedId: string | undefined; readonly clock: Clock },
): Promise<string> {
  const { expectedId, clock, signal } = o;
  const where = `${access.description}: ${markerName}`;
  for (let attempt = 1; ; attempt += 1) {
    throwIfAborted(signal);
    const text = await access.read({ signal });
    if (text !== undefined) {
      const { id } = parseMarker(text, where);
      if (expectedId !== undefined && id !== expectedId)
        throw otherRepository(access.description, id, expectedId);
      return id;
    }
    if (expectedId !== undefined) throw markerGone(access.description, expectedId);
    const marker = newMarker(clock.now());
    if (await access.create(markerText(marker), { signal })) return marker.id;
    // Another process was first. That it is not seen even now is no race any more.
    if (attempt === 3) throw new HoldfastError('unavailable', `${where} came and went`);
  }
}

function otherRepository(place: string, id: string, expectedId: string): HoldfastError {
  return new HoldfastError(
    'precondition_failed',
    `${place} holds repository ${id}, but held ${expectedId} when it was last used`,
    {
      hint: 'name the right place; if the change is meant, remove its entry from known-destinations.json in the staging folder',
    },
  );
}

function markerGone(place: string, expectedId: string): HoldfastError {
  return new HoldfastError(
    'precondition_failed',
    `${place} has no ${markerName}, but held repository ${expectedId} when it was last used`,
    {
      hint: 'name the right place; if it was emptied on purpose, remove its entry from known-destinations.json in the staging folder',
    },
  );
}
