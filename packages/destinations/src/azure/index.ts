import {
  type Clock,
  type DestinationDriver,
  type OpenDestinationOptions,
  SystemClock,
  throwIfAborted,
} from '@holdfast/core';
import type { AzureDestination } from './azure-destination.ts';
import { parseAzureUrl } from './url.ts';

export type { AzureDestination, AzureOptions } from './azure-destination.ts';
export { type AzureLocation, parseAzureUrl } from './url.ts';

export interface OpenAzure extends OpenDestinationOptions {
  readonly clock?: Clock;
}

/** `azure://container/prefix?account=NAME&accountKey=…`; all parameters are in `docs/destinations/azure.md`. */
export const azureDriver = {
  type: 'azure',
  schemes: ['azure'],
  async open(url: string, o: OpenAzure): Promise<AzureDestination> {
    throwIfAborted(o.signal);
    const location = parseAzureUrl(url, o.credentials !== undefined);
    const { credentials, expectedId, clock = new SystemClock() } = o;
    // Its library takes long to load: not for commands that only know of the driver.
    const { AzureDestination } = await import('./azure-destination.ts');
    return new AzureDestination({ location, credentials, expectedId, clock });
  },
} as const satisfies DestinationDriver;
