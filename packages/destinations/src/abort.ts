import { abortError, throwIfAborted } from '@holdfast/core';

/**
 * The blocks of a body, until they end or the signal aborts: also when the body hangs and never answers again. The
 * body is told in either case that no more will be asked of it.
 */
export async function* blocksOf(
  body: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, void> {
  throwIfAborted(signal);
  const iterator = body[Symbol.asyncIterator]();
  const aborted = Promise.withResolvers<never>();
  // Nobody may be waiting when it rejects.
  aborted.promise.catch(() => undefined);
  const stop = (): void => aborted.reject(abortError(signal));
  signal.addEventListener('abort', stop, { once: true });
  let ended = false;
  try {
    for (;;) {
      const step = await Promise.race([iterator.next(), aborted.promise]);
      throwIfAborted(signal);
      if (step.done) {
        ended = true;
        return;
      }
      if (step.value.length > 0) yield step.value;
    }
  } finally {
    signal.removeEventListener('abort', stop);
    // Not awaited: the end of a generator that hangs comes after the step in which it hangs.
    if (!ended) void iterator.return?.().catch(() => undefined);
  }
}
