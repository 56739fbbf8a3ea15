import { abortError, HoldfastError, throwIfAborted } from '@holdfast/core';

/** As the drivers have it: such names are a place's own. */
export const reservedPrefix = '.holdfast-';

export function assertKey(key: string): void {
  const bad = key
    .split('/')
    .some((part) => ['', '.', '..'].includes(part) || part.startsWith(reservedPrefix));
  if (bad) throw new HoldfastError('config_invalid', `not a key: ${JSON.stringify(key)}`);
}

/** A whole body; stops waiting for a block that never comes when the signal aborts. */
export async function drain(body: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<Buffer> {
  const iterator = body[Symbol.asyncIterator]();
  const aborted = Promise.withResolvers<never>();
  aborted.promise.catch(() => undefined);
  const stop = (): void => aborted.reject(abortError(signal));
  signal.addEventListener('abort', stop, { once: true });
  const parts: Uint8Array[] = [];
  let ended = false;
  try {
    for (;;) {
      const step = await Promise.race([iterator.next(), aborted.promise]);
      throwIfAborted(signal);
      if (step.done) {
        ended = true;
        return Buffer.concat(parts);
      }
      parts.push(Uint8Array.from(step.value));
    }
  } finally {
    signal.removeEventListener('abort', stop);
    // Not awaited: a body that hangs would hang here too.
    if (!ended) void iterator.return?.().catch(() => undefined);
  }
}
