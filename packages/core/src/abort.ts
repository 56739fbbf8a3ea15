import { HoldfastError } from './errors.ts';

/** What a call rejects with when its signal has aborted. */
export function abortError(signal: AbortSignal): HoldfastError {
  const reason: unknown = signal.reason;
  if (reason instanceof HoldfastError) return reason;
  return new HoldfastError('cancelled', 'stopped on request', { cause: reason });
}

export function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw abortError(signal);
}
