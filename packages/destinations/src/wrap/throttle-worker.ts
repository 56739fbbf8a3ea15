import {
  type Destination,
  type DestinationWorkerModule,
  type DriverToken,
  type Sig,
  SystemClock,
} from '@holdfast/core';
import { RateLimit } from './rate-limit.ts';
import type { RatePlan } from './rate-plan.ts';
import { type RatePlans, withRateLimit } from './throttle.ts';

/** Opens, in another thread, what is limited, and limits it again. */
export async function openDestination(data: unknown, o: Sig): Promise<Destination> {
  const { inner, plans } = data as { inner: DriverToken; plans: RatePlans };
  const module = (await import(inner.module)) as DestinationWorkerModule;
  const clock = new SystemClock();
  const limitsOf = (all: readonly RatePlan[]): RateLimit[] => all.map((plan) => new RateLimit(plan, clock));
  return withRateLimit(await module.openDestination(inner.data, o), {
    write: limitsOf(plans.write),
    read: limitsOf(plans.read),
  });
}
