import { type Destination, type Sig, SystemClock, throwIfAborted } from '@holdfast/core';
import { SftpDestination, type SftpOptions } from './sftp-destination.ts';

/** Opens, in another thread or process, the place that a token names. */
export async function openDestination(data: unknown, o: Sig): Promise<Destination> {
  throwIfAborted(o.signal);
  return new SftpDestination({ ...(data as Omit<SftpOptions, 'clock'>), clock: new SystemClock() });
}
