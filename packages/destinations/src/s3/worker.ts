import { type Destination, type Sig, SystemClock, throwIfAborted } from '@holdfast/core';
import { S3Destination, type S3Options } from './s3-destination.ts';

type TokenData = Omit<S3Options, 'clock'> & { readonly conditional?: boolean | undefined };

/** Opens, in another thread or process, the place that a token names. */
export async function openDestination(data: unknown, o: Sig): Promise<Destination> {
  throwIfAborted(o.signal);
  const { conditional, ...options } = data as TokenData;
  const destination = new S3Destination({ ...options, clock: new SystemClock() });
  destination.adopt({ conditional });
  return destination;
}
