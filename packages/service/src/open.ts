import { type Clock, type Destination, HoldfastError, type Sig, type Source } from '@holdfast/core';
import { findDestinationDriver, findSourceDriver } from './drivers.ts';
import { interpolate } from './interpolate.ts';

/** Opens what a URL names, after filling in its placeholders. */
export async function openSource(url: string, o: Sig & { readonly clock: Clock }): Promise<Source> {
  const driver = await findSourceDriver(url);
  return driver.open(await interpolate(url, o), o);
}

export async function openDestination(url: string, o: Sig): Promise<Destination> {
  const driver = await findDestinationDriver(url);
  return driver.open(await interpolate(url, o), o);
}

/** Opens several, each of them another place; `stack` disposes them. */
export async function openDestinations(
  urls: readonly string[],
  stack: AsyncDisposableStack,
  o: Sig,
): Promise<readonly Destination[]> {
  const opened: Destination[] = [];
  for (const url of urls) {
    const destination = stack.use(await openDestination(url, o));
    if (opened.some((other) => other.description === destination.description)) {
      throw new HoldfastError('config_invalid', `the destination ${destination.description} is named twice`, {
        hint: 'two copies in one place are one copy: name each destination once',
      });
    }
    opened.push(destination);
  }
  return opened;
}
