export { type RetryLimits, type RetryNotice, type RetryOptions, withRetries } from './retry.ts';
