import type { Clock, Destination } from '@holdfast/core';
import { type DestinationMeter, withMeter } from './meter.ts';
import { type RetryOptions, withRetries } from './retry.ts';
import { type RateLimits, withRateLimit } from './throttle.ts';

export interface WrapOptions {
  readonly clock: Clock;
  readonly retry?: Omit<RetryOptions, 'clock'> | undefined;
  readonly rate?: RateLimits | undefined;
  readonly meter?: DestinationMeter | undefined;
}

/**
 * All that is done around a driver, in the one order that works; from outside in:
 * - the rate limit. A body waits for its turn before a retry sees it, and retries do not take the wait for a block for
 *   standing still; each attempt pays for the bytes that it sends. A reader waits between two blocks, when no attempt
 *   is being watched.
 * - the retries.
 * - the meter, which sees each attempt.
 */
export function wrapDestination(destination: Destination, o: WrapOptions): Destination {
  const { clock, retry, rate, meter } = o;
  const metered = meter ? withMeter(destination, meter) : destination;
  const retried = withRetries(metered, {
    ...retry,
    clock,
    onRetry: (notice) => {
      meter?.retried(notice.waitMs);
      retry?.onRetry?.(notice);
    },
  });
  return rate ? withRateLimit(retried, rate) : retried;
}
