import { type Change, type Revision, type Sig, throwIfAborted } from '@holdfast/core';
import { ChangeQueue } from './change-queue.ts';
import { EtcdWatch, type EtcdWatchParts } from './etcd-watch.ts';

/** What waits for a slow watcher; beyond it the stream is closed, and opened again when all of it was taken. */
const queueLimits = { changesMax: 10_000, bytesMax: 4 * 1024 * 1024 };

/** All changes since a revision, from whichever member has them, for as long as it takes. */
export async function* watchChanges(
  parts: EtcdWatchParts,
  prefix: string,
  { since, signal: caller }: Sig & { readonly since: Revision },
): AsyncGenerator<Change> {
  const givenUp = new AbortController();
  const signal = AbortSignal.any([caller, parts.calls.closed, givenUp.signal]);
  const queue = new ChangeQueue(queueLimits);
  const watch = new EtcdWatch(parts, { prefix, since, queue });
  const following = watch.run(signal).catch((error: unknown) => queue.fail(error));
  try {
    for (;;) {
      yield await queue.take(signal);
      throwIfAborted(signal);
    }
  } finally {
    givenUp.abort();
    await following;
  }
}
