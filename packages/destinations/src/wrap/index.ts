export { type DestinationCall, type DestinationCounts, DestinationMeter, withMeter } from './meter.ts';
export { RateLimit } from './rate-limit.ts';
export type { RatePlan, RateWindow } from './rate-plan.ts';
export { type RetryLimits, type RetryNotice, type RetryOptions, withRetries } from './retry.ts';
export { RetryBudget, type RetryBudgetOptions } from './retry-budget.ts';
export { type RateLimits, withRateLimit } from './throttle.ts';
export { type WrapOptions, wrapDestination } from './wrap-destination.ts';
