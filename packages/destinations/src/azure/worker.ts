import { type Destination, type Sig, SystemClock, throwIfAborted } from '@holdfast/core';
import { AzureDestination, type AzureOptions } from './azure-destination.ts';

/** Opens, in another thread or process, the place that a token names. */
export async function openDestination(data: unknown, o: Sig): Promise<Destination> {
  throwIfAborted(o.signal);
  return new AzureDestination({ ...(data as Omit<AzureOptions, 'clock'>), clock: new SystemClock() });
}
