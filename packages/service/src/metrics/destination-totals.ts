import type { ErrorCode } from '@holdfast/core';
import type { DestinationCall, DestinationCounts } from '@holdfast/destinations/wrap';

export interface DestinationTotal {
  readonly bytesWritten: number;
  readonly bytesRead: number;
  readonly calls: Readonly<Partial<Record<DestinationCall, number>>>;
  readonly failures: Readonly<Partial<Record<ErrorCode, number>>>;
  readonly retries: number;
}

const none: DestinationTotal = { bytesWritten: 0, bytesRead: 0, calls: {}, failures: {}, retries: 0 };

/** What the processes of this node asked of each declared destination since it started. */
export class DestinationTotals {
  readonly #totals = new Map<string, DestinationTotal>();

  /** Names and counts are in the same order. */
  add(names: readonly string[], counts: readonly DestinationCounts[]): void {
    for (const [at, one] of counts.entries()) {
      const name = names[at];
      if (name !== undefined) this.#totals.set(name, sum(this.of(name), one));
    }
  }

  of(name: string): DestinationTotal {
    return this.#totals.get(name) ?? none;
  }
}

function sum(a: DestinationTotal, b: DestinationCounts): DestinationTotal {
  return {
    // A counter never falls, whatever a driver takes off for what it did not send after all.
    bytesWritten: a.bytesWritten + Math.max(0, b.bytesWritten),
    bytesRead: a.bytesRead + b.bytesRead,
    calls: added(a.calls, b.calls),
    failures: added(a.failures, b.failures),
    retries: a.retries + b.retries,
  };
}

function added<K extends string>(
  a: Readonly<Partial<Record<K, number>>>,
  b: Readonly<Partial<Record<K, number>>>,
): Partial<Record<K, number>> {
  const result: Partial<Record<K, number>> = { ...a };
  for (const [key, value] of Object.entries(b) as [K, number][]) result[key] = (result[key] ?? 0) + value;
  return result;
}
