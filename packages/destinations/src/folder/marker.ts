import { join } from 'node:path';
import { type Marker, markerName, parseMarker } from '../repository.ts';
import { systemCode } from './errors.ts';
import type { Files } from './files.ts';

/** @throws HoldfastError corrupt when the file is there but says nothing; the system's error when it cannot be read */
export async function readMarker(files: Files, root: string): Promise<Marker | undefined> {
  const path = join(root, markerName);
  try {
    return parseMarker(await files.text(path), path);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
