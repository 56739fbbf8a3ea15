import { describe } from 'vitest';
import { describeFailures } from './destination-failures.ts';
import type { OpenEmpty } from './destination-handles.ts';
import { describeKeys } from './destination-keys.ts';
import { describeObjects } from './destination-objects.ts';
import { describeRepository, type OpenExpecting } from './destination-repository.ts';
import { describeUnfinished } from './destination-unfinished.ts';

export interface DestinationContractOptions {
  /** Of a single test; for servers that need long. */
  readonly timeoutMs?: number;
  /** Of objects whose writes break off: so large that a place which takes them in parts has stored some of those. */
  readonly largeBytes?: number;
  /** Wanted of a driver that marks its places: that it refuses one with another repository is tested with this. */
  readonly expecting?: OpenExpecting;
}

const largeBytes = 20 * 1_048_576;

/**
 * The contract of `Destination`: one test per clause of its comment. Whatever implements the port is under it:
 * drivers, wrappers and fakes.
 *
 *   describeDestination('s3', async () => openS3(await newBucket()))
 */
export function describeDestination(
  name: string,
  open: OpenEmpty,
  options: DestinationContractOptions = {},
): void {
  describe(`destination ${name}`, { timeout: options.timeoutMs ?? 60_000 }, () => {
    describeObjects(open);
    describeFailures(open);
    describeUnfinished(open, options.largeBytes ?? largeBytes);
    describeKeys(open);
    describeRepository(open, options.expecting);
  });
}
