import { expect } from 'vitest';
import { childrenOf } from './processes.ts';
import { type Outcome, type RunOptions, runHoldfast } from './run-holdfast.ts';
import type { Wire } from './wire.ts';

/** A run is caught when so much of the data has passed: there has to be more of it in the database. */
const caughtAfterBytes = 512 * 1024;

/** A command that is held in the middle of its data. */
export interface CaughtRun {
  readonly pid: number;
  /** Of the run's own process. */
  readonly child: number;
  readonly ended: Promise<Outcome>;
}

/** Starts a command whose data goes through the wire, and stops that in the middle of it. */
export async function catchRun(
  wire: Wire,
  direction: 'from server' | 'to server',
  args: readonly string[],
  options: RunOptions = {},
): Promise<CaughtRun> {
  const reached = wire.holdAfter(caughtAfterBytes, direction);
  const { promise: started, resolve } = Promise.withResolvers<number>();
  const ended = runHoldfast([...args, '--json'], { ...options, started: ({ pid }) => resolve(pid) });
  const early = ended.then(({ stderr }) =>
    Promise.reject(new Error(`ended before it was caught: ${stderr}`)),
  );
  const pid = await started;
  await Promise.race([reached, early]);
  early.catch(() => undefined);
  const [child = 0] = await childrenOf(pid);
  expect(child).toBeGreaterThan(0);
  return { pid, child, ended };
}
