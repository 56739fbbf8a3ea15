import type { Clock } from '@holdfast/core';

export interface Stopwatch {
  /** Ends a phase: the time since the one before it is its own. */
  lap(phase: string): void;
  laps(): Record<string, number>;
}

export function stopwatch(clock: Clock): Stopwatch {
  const laps: Record<string, number> = {};
  let sinceMs = clock.elapsed();
  return {
    lap(phase) {
      const nowMs = clock.elapsed();
      laps[phase] = Math.round(nowMs - sinceMs);
      sinceMs = nowMs;
    },
    laps: () => laps,
  };
}
