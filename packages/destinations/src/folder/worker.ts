import { type Destination, type Sig, SystemClock } from '@holdfast/core';
import { throwIfAborted } from '../abort.ts';
import { FolderDestination, type FolderOptions } from './folder-destination.ts';

/** Opens, in another thread or process, the folder that a token names. */
export async function openDestination(data: unknown, o: Sig): Promise<Destination> {
  throwIfAborted(o.signal);
  return new FolderDestination({ ...(data as Omit<FolderOptions, 'clock'>), clock: new SystemClock() });
}
