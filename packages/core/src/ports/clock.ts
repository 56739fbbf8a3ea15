/**
 * Time, as a port: `system-clock.ts` is the only place that asks the machine, so that tests own time.
 *
 * - `now()` is the wall clock, in milliseconds since 1970; it may jump.
 * - `elapsed()` is monotonic, in milliseconds since an arbitrary start; use it for durations and deadlines.
 * - `sleep()` resolves no earlier than asked, and rejects with the signal's reason when the signal aborts.
 */
export interface Clock {
  now(): number;
  elapsed(): number;
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}
