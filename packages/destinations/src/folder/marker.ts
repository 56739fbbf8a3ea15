import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError } from '@holdfast/core';
import { systemCode } from './errors.ts';
import { reservedPrefix } from './names.ts';

/**
 * The file that says that a folder is a destination, and which. Where a network path is mounted, it is on the
 * network; the bare folder that is left when the mount is gone has none, or another.
 */
export const markerName = `${reservedPrefix}repository`;

export interface Marker {
  readonly format: 1;
  readonly id: string;
  /** ISO 8601; for people. */
  readonly created: string;
}

export function newMarker(createdAtMs: number): Marker {
  return { format: 1, id: randomUUID(), created: new Date(createdAtMs).toISOString() };
}

export function writeMarker(marker: Marker): string {
  return `${JSON.stringify(marker)}\n`;
}

/** @throws HoldfastError corrupt when the file is there but says nothing; the system's error when it cannot be read */
export async function readMarker(root: string): Promise<Marker | undefined> {
  const path = join(root, markerName);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const marker = JSON.parse(text) as Marker;
    if (marker.format === 1 && typeof marker.id === 'string' && marker.id !== '') return marker;
  } catch {
    // Said below.
  }
  throw new HoldfastError('corrupt', `${path} does not say which repository this is`, {
    hint: 'if the folder is the right one, delete this file; it is made anew (the backups are not touched)',
  });
}
