import { type Destination, type Sig, SystemClock, throwIfAborted } from '@holdfast/core';
import { FtpDestination, type FtpOptions } from './ftp-destination.ts';

/** Opens, in another thread or process, the place that a token names. */
export async function openDestination(data: unknown, o: Sig): Promise<Destination> {
  throwIfAborted(o.signal);
  return new FtpDestination({ ...(data as Omit<FtpOptions, 'clock'>), clock: new SystemClock() });
}
