import type { AnswerOf, ApiEvent } from '@holdfast/client';
import type { Clock } from '@holdfast/core';
import type { Asked, Handlers } from './handlers.ts';

type Run = AnswerOf<'getRun'>;

export interface WaitOptions extends Asked {
  readonly run: string;
  readonly waitMs: number;
  readonly clock: Clock;
  /** Aborts when the server wants to end: the answer comes at once. */
  readonly draining: AbortSignal;
}

/** The run, once it has ended, or as it is when the time is over. */
export async function waitForRun(handlers: Handlers, options: WaitOptions): Promise<Run> {
  const { run, waitMs, clock, draining, signal, peer } = options;
  const ended = Promise.withResolvers<void>();
  const over = new AbortController();
  // Heard before it is read: an end in between would otherwise go unnoticed.
  const unsubscribe = handlers.subscribe((event: ApiEvent) => {
    if (event.kind === 'run' && event.run.id === run && hasEnded(event.run)) ended.resolve();
  });
  try {
    const first = await handlers.getRun({ run, signal, peer });
    if (hasEnded(first)) return first;
    const stop = AbortSignal.any([over.signal, draining, signal]);
    await Promise.race([ended.promise, clock.sleep(waitMs, stop).catch(() => {})]);
    signal.throwIfAborted();
    // Events tell when to look; what is answered is what is kept.
    return await handlers.getRun({ run, signal, peer });
  } finally {
    over.abort();
    unsubscribe();
  }
}

function hasEnded({ state }: Run): boolean {
  return state !== 'waiting' && state !== 'running';
}
