import { type Clock, HoldfastError, type Observer, type Sig } from '@holdfast/core';
import type { DestinationCounts } from '@holdfast/destinations/wrap';
import { RunProcess } from './run-process.ts';
import type { ReportOf, RunRequest } from './run-request.ts';

export interface RunInChildOptions extends Sig {
  readonly observer: Observer;
  readonly clock: Clock;
  /** Aborts when there is no time for a stop in good order: the run's process is killed. */
  readonly killSignal?: AbortSignal;
  /** Whatever the run's process prints; it should print nothing. */
  readonly output?: (text: string) => void;
  /** Told once what was asked of each destination, in the order of the request; not by a process that was killed. */
  readonly onCounts?: (counts: readonly DestinationCounts[]) => void;
  /** One that was started ahead of the request, because starting takes time. */
  readonly process?: RunProcess;
}

/**
 * Carries out one run in a process of its own, so that a crash, a kill or a full heap takes only that run. When the
 * signal aborts, the run is told to stop; what has not stopped after `stopMaxMs` is killed.
 *
 * @throws HoldfastError what the run failed with; `unavailable` when its process was killed from outside;
 *   `exhausted` when its memory was used up
 */
export async function runInChild<Run extends RunRequest>(
  request: Run,
  o: RunInChildOptions,
): Promise<ReportOf<Run>> {
  await using child = o.process ?? RunProcess.start();
  if (o.signal.aborted) throw HoldfastError.from(o.signal.reason);
  return (await child.run(request, o)) as ReportOf<Run>;
}
