import { type Clock, HoldfastError } from '@holdfast/core';

/** Shells, npm and terminals may deliver one Ctrl-C twice: what follows this soon is the same request. */
const sameRequestMs = 500;

export interface StopSignals {
  /** Aborts at the first request to stop. */
  readonly stop: AbortSignal;
  /** Aborts at the second one. */
  readonly kill: AbortSignal;
  /** To be called for each SIGINT, SIGTERM, SIGHUP. */
  readonly request: (name: string) => void;
}

export function stopSignals(clock: Clock): StopSignals {
  const stop = new AbortController();
  const kill = new AbortController();
  let requestedAtMs: number | undefined;
  const request = (name: string): void => {
    const nowMs = clock.elapsed();
    if (requestedAtMs === undefined) {
      requestedAtMs = nowMs;
      stop.abort(new HoldfastError('cancelled', `stopped by ${name}`));
    } else if (nowMs - requestedAtMs >= sameRequestMs) {
      kill.abort(new HoldfastError('cancelled', `stopped by a second ${name}`));
    }
  };
  return { stop: stop.signal, kill: kill.signal, request };
}
