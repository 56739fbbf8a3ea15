import { HoldfastError } from './errors.ts';
import type { Clock } from './ports/clock.ts';

/** A signal that aborts with `timeout` after so many milliseconds, unless it is disposed before. */
export interface Deadline extends Disposable {
  readonly signal: AbortSignal;
}

export function deadline(clock: Clock, ms: number, what: string): Deadline {
  const abort = new AbortController();
  const over = new AbortController();
  clock.sleep(ms, over.signal).then(
    () => abort.abort(new HoldfastError('timeout', `${what} took longer than ${ms} ms`)),
    () => {},
  );
  return { signal: abort.signal, [Symbol.dispose]: () => over.abort() };
}
