import { type Destination, type Sig, SystemClock, throwIfAborted } from '@holdfast/core';
import { FolderDestination, type FolderOptions } from './folder-destination.ts';

/** Opens, in another thread or process, the folder that a token names. */
export async function openDestination(data: unknown, o: Sig): Promise<Destination> {
  throwIfAborted(o.signal);
  return new FolderDestination({ ...(data as Omit<FolderOptions, 'clock'>), clock: new SystemClock() });
}
