import {
  type Destination,
  type DestinationWorkerModule,
  type DriverToken,
  type Sig,
  SystemClock,
} from '@holdfast/core';
import { type RetryLimits, withRetries } from './retry.ts';

/** Opens, in another thread, what is wrapped, and wraps it again. */
export async function openDestination(data: unknown, o: Sig): Promise<Destination> {
  const { inner, limits } = data as { inner: DriverToken; limits: RetryLimits };
  const module = (await import(inner.module)) as DestinationWorkerModule;
  return withRetries(await module.openDestination(inner.data, o), { ...limits, clock: new SystemClock() });
}
