import { HoldfastError } from '@holdfast/core';
import type { Ending } from './run-process.ts';

export interface EndingContext {
  /** The end of what the process printed. */
  readonly tail: string;
  /** Set when we killed it: why it should have stopped. */
  readonly stoppedFor?: HoldfastError;
}

const again = 'run the same command again: it goes on where it can';

/** Says why a run's process ended without an answer, and what to do next. */
export function endingError(ending: Ending, context: EndingContext): HoldfastError {
  const { stoppedFor, tail } = context;
  const cause = tail.trim() === '' ? undefined : new Error(`the run's process printed: ${tail.trim()}`);
  if (stoppedFor) {
    return new HoldfastError(stoppedFor.code, `${stoppedFor.reason}; the run's process had to be killed`, {
      hint: `nothing that is listed is harmed; ${again}`,
      cause,
    });
  }
  if (ending.spawnError) {
    return new HoldfastError(
      'exhausted',
      `the run's process could not be started: ${ending.spawnError.message}`,
      {
        hint: 'this machine is out of processes or memory; free some, then run the same command again',
        cause: ending.spawnError,
      },
    );
  }
  if (/heap out of memory|Allocation failed/.test(tail)) {
    return new HoldfastError('exhausted', "the run's process ran out of memory", {
      hint: `give it more (NODE_OPTIONS=--max-old-space-size=…) or fewer --workers; ${again}`,
      cause,
    });
  }
  if (ending.signal) {
    const memory =
      ending.signal === 'SIGKILL' ? '; `dmesg` tells whether the kernel did, for want of memory' : '';
    return new HoldfastError('unavailable', `the run's process was ended by ${ending.signal}`, {
      hint: `${again}${memory}`,
      cause,
    });
  }
  return new HoldfastError(
    'internal',
    `the run's process ended with exit code ${ending.code} and no answer`,
    {
      hint: `this is a bug: please report it with what --debug prints; ${again}`,
      cause,
    },
  );
}
