/**
 * The entry of a run's process. It gets its request as a message, sends events and one answer back, and ends. It
 * stops on SIGTERM and the like, when told to, and when the process that asked for the run is gone.
 */
import { HoldfastError, type Sig, SystemClock } from '@holdfast/core';
import type { DestinationCounts } from '@holdfast/destinations/wrap';
import type { ChildAnswer, ChildMessage, ParentMessage } from './run-messages.ts';
import type { RunRequest } from './run-request.ts';
import { throttleProgress } from './throttle-progress.ts';

/** How long a run whose parent is gone may take to stop; nobody is left to kill it. */
const stopMaxMs = 10_000;

const clock = new SystemClock();
const stopping = new AbortController();
let running = false;

// What every run needs is loaded while the parent still reads its arguments; an error shows when it is used.
const performing = Promise.all([import('./perform.ts'), import('@holdfast/engine')]);
performing.catch(() => undefined);

process.on('message', (message: ParentMessage) => {
  if (message.kind === 'abort') stopping.abort(HoldfastError.fromRecord(message.reason));
  else void run(message.request, stopping);
});

process.on('disconnect', () => {
  if (!running) process.exit(0);
  stopping.abort(new HoldfastError('cancelled', 'the process that asked for this run is gone'));
  void clock.sleep(stopMaxMs, new AbortController().signal).then(() => process.exit(1));
});

for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
  process.on(name, () => stopping.abort(new HoldfastError('cancelled', `the run was stopped by ${name}`)));
}

for (const name of ['uncaughtException', 'unhandledRejection'] as const) {
  process.on(name, (caught: unknown) => answer(failure(caught)));
}

async function run(request: RunRequest, o: Sig): Promise<void> {
  running = true;
  const { observe, flush } = throttleProgress((event) => send({ kind: 'event', event }), clock);
  try {
    const [{ perform }] = await performing;
    const onCounts = (counts: readonly DestinationCounts[]): void => send({ kind: 'counts', counts });
    const report = await perform(request, { observer: observe, signal: o.signal, clock, onCounts });
    flush();
    answer({ kind: 'done', report });
  } catch (caught) {
    flush();
    answer(failure(caught));
  }
}

function failure(caught: unknown): ChildAnswer {
  const error = HoldfastError.from(caught);
  const origin = error.cause instanceof Error ? error.cause : error;
  const record = { kind: 'failed', error: error.toRecord() } as const;
  return origin.stack === undefined ? record : { ...record, stack: origin.stack };
}

/** Without a parent there is nobody to tell: the 'disconnect' event ends the run. */
function send(message: ChildMessage): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
}

/** Ends the process as soon as the answer is on its way; whatever the run opened has been closed before. */
function answer(message: ChildAnswer): void {
  const end = (): never => process.exit(message.kind === 'done' ? 0 : 1);
  if (process.connected) process.send?.(message, undefined, undefined, end);
  else end();
}
