import { HoldfastError, type Sig } from '@holdfast/core';
import { fromAbort } from './errors.ts';
import { openSession, type Session } from './session.ts';
import type { Target } from './url.ts';

/** One that is silent must not hold up the others for as long as it might take alone. */
const silentMsMax = 5_000;

export interface AtEachHost<T> {
  readonly results: readonly T[];
  /** Of the hosts that could not be reached, or at which the work failed. */
  readonly failures: readonly HoldfastError[];
}

/**
 * Does something at every host of a URL, whatever its role: what a server kept for a chain stays there after a failover.
 * @throws HoldfastError the failure of the first host, when all have failed
 */
export async function atEachHost<T>(
  target: Target,
  { signal }: Sig,
  work: (session: Session) => Promise<T>,
): Promise<AtEachHost<T>> {
  const { hosts } = target;
  const connectTimeoutMs =
    hosts.length === 1 ? target.connectTimeoutMs : Math.min(silentMsMax, target.connectTimeoutMs);
  const results: T[] = [];
  const failures: HoldfastError[] = [];
  for (const host of hosts) {
    try {
      const alone: Target = { ...target, hosts: [host], role: 'any', connectTimeoutMs };
      await using session = await openSession(alone, { signal });
      results.push(await work(session));
    } catch (caught) {
      if (signal.aborted) throw fromAbort(signal);
      failures.push(HoldfastError.from(caught));
    }
  }
  if (results.length === 0 && failures[0]) throw failures[0];
  return { results, failures };
}
