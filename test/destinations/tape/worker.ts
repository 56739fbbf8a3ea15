import { type Destination, type Sig, throwIfAborted } from '@holdfast/core';
import { TapeDestination, type TapeOptions } from './tape-destination.ts';

/** Opens, in another thread or process, the tape that a token names. */
export async function openDestination(data: unknown, o: Sig): Promise<Destination> {
  throwIfAborted(o.signal);
  return new TapeDestination(data as TapeOptions);
}
