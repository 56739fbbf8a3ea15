import type { Clock, Observer, RunEvent } from '@holdfast/core';

/** Ten a second are all that an eye can use; the engine tells of every chunk. */
const everyMs = 100;

export interface ThrottledObserver {
  readonly observe: Observer;
  /** Passes on the newest progress that was held back. */
  readonly flush: () => void;
}

/** Holds back progress that comes too soon after the last; steps and notices pass at once and in their order. */
export function throttleProgress(observer: Observer, clock: Clock): ThrottledObserver {
  let held: RunEvent | undefined;
  let phase: string | undefined;
  let passedAtMs = Number.NEGATIVE_INFINITY;
  const flush = (): void => {
    if (held === undefined) return;
    const event = held;
    held = undefined;
    observer(event);
  };
  const observe = (event: RunEvent): void => {
    if (event.kind !== 'progress') {
      observer(event);
      return;
    }
    if (event.phase !== phase) flush();
    const nowMs = clock.elapsed();
    if (event.phase === phase && nowMs - passedAtMs < everyMs) {
      held = event;
      return;
    }
    held = undefined;
    phase = event.phase;
    passedAtMs = nowMs;
    observer(event);
  };
  return { observe, flush };
}
