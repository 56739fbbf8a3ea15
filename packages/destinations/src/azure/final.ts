import { type Clock, type Sig, throwIfAborted } from '@holdfast/core';

/** Less than whoever aborted waits for a driver to stop. */
const graceMs = 5_000;

/**
 * A request that changes what is seen. Once it is sent, only its answer says whether it was done, so an abort then comes
 * too late for a moment: what is cut off meanwhile could still be done by a service that has it all, after the caller
 * was told that nothing changes any more.
 */
export async function final<T>(
  o: Sig & { readonly clock: Clock },
  act: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  throwIfAborted(o.signal);
  const cut = new AbortController();
  const ended = new AbortController();
  const late = (): void => {
    o.clock.sleep(graceMs, ended.signal).then(
      () => cut.abort(o.signal.reason),
      () => undefined,
    );
  };
  o.signal.addEventListener('abort', late, { once: true });
  try {
    return await act(cut.signal);
  } finally {
    o.signal.removeEventListener('abort', late);
    ended.abort();
  }
}
