import { createHash } from 'node:crypto';
import { abortError, HoldfastError, throwIfAborted, type WriteOptions } from '@holdfast/core';

/**
 * The blocks of a body, until they end or the signal aborts, however long the body hangs.
 * @throws HoldfastError corrupt at their end when they are not what was said
 */
export async function* checked(
  body: AsyncIterable<Uint8Array>,
  { key, signal, sizeBytes, sha256 }: WriteOptions & { readonly key: string },
): AsyncGenerator<Uint8Array> {
  const iterator = body[Symbol.asyncIterator]();
  const aborted = Promise.withResolvers<never>();
  // Nobody may be waiting when it rejects.
  aborted.promise.catch(() => undefined);
  const stop = (): void => aborted.reject(abortError(signal));
  signal.addEventListener('abort', stop, { once: true });
  const hash = createHash('sha256');
  let bytes = 0;
  let ended = false;
  try {
    while (!ended) {
      const step = await Promise.race([iterator.next(), aborted.promise]);
      throwIfAborted(signal);
      if (step.done) ended = true;
      else {
        bytes += step.value.length;
        hash.update(step.value);
        yield step.value;
      }
    }
  } finally {
    signal.removeEventListener('abort', stop);
    // Not awaited: the end of a generator that hangs comes after the step in which it hangs.
    if (!ended) void iterator.return?.().catch(() => undefined);
  }
  if (sizeBytes !== undefined && sizeBytes !== bytes)
    throw new HoldfastError('corrupt', `${key}: ${sizeBytes} bytes were announced, ${bytes} came`);
  if (sha256 !== undefined && sha256 !== hash.digest('hex'))
    throw new HoldfastError('corrupt', `${key}: the bytes to store are not those that were announced`);
}
