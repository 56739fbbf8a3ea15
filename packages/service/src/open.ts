import {
  type Clock,
  type Destination,
  HoldfastError,
  type Observer,
  type Sig,
  type Source,
} from '@holdfast/core';
import type { RetryNotice } from '@holdfast/destinations/wrap';
import { findDestinationDriver, findSourceDriver } from './drivers.ts';
import { interpolate } from './interpolate.ts';

/** Opens what a URL names, after filling in its placeholders. */
export async function openSource(url: string, o: Sig & { readonly clock: Clock }): Promise<Source> {
  // The whole URL may be a secret: its scheme is known only when it is filled in.
  const filled = await interpolate(url, o);
  return (await findSourceDriver(filled)).open(filled, o);
}

export interface OpenDestination extends Sig {
  /** What the place said of itself when it was last used; see `openDestinations`. */
  readonly expectedId?: string | undefined;
}

export async function openDestination(url: string, o: OpenDestination): Promise<Destination> {
  const filled = await interpolate(url, o);
  return (await findDestinationDriver(filled)).open(filled, o);
}

/** Remembers which repository each destination held, by its description. */
export interface Memory {
  get(description: string): Promise<string | undefined>;
  remember(description: string, id: string): Promise<void>;
}

/** Opens several for writing, each of them another place, and the same one as the last time; `stack` disposes them. */
export async function openDestinations(
  urls: readonly string[],
  o: Sig & {
    readonly stack: AsyncDisposableStack;
    readonly memory: Memory;
    readonly clock: Clock;
    readonly observer: Observer;
  },
): Promise<readonly Destination[]> {
  const { withRetries } = await import('@holdfast/destinations/wrap');
  const onRetry = ({ call, attempt, error, waitMs }: RetryNotice): void =>
    o.observer({
      kind: 'notice',
      text: `${call}: attempt ${attempt} failed, the next one is in ${(waitMs / 1000).toFixed(1)} s: ${error.message}`,
    });
  const opened: Destination[] = [];
  for (const url of urls) {
    const destination = o.stack.use(withRetries(await openAsBefore(url, o), { clock: o.clock, onRetry }));
    if (opened.some((other) => other.description === destination.description)) {
      throw new HoldfastError('config_invalid', `the destination ${destination.description} is named twice`, {
        hint: 'two copies in one place are one copy: name each destination once',
      });
    }
    opened.push(destination);
  }
  return opened;
}

/** What a URL is called is known only once it is open, and what it has to be must be known before. */
async function openAsBefore(url: string, o: Sig & { readonly memory: Memory }): Promise<Destination> {
  const destination = await openDestination(url, o);
  const expectedId = await o.memory.get(destination.description);
  if (expectedId === undefined) return destination;
  await destination[Symbol.asyncDispose]();
  return openDestination(url, { signal: o.signal, expectedId });
}

/** After a backup was stored there: resolves with notices, for a backup that exists does not fail any more. */
export async function rememberDestinations(
  destinations: readonly Destination[],
  memory: Memory,
): Promise<readonly string[]> {
  const notices: string[] = [];
  for (const { description, repositoryId } of destinations) {
    try {
      if (repositoryId !== undefined) await memory.remember(description, repositoryId);
    } catch (caught) {
      const { reason } = HoldfastError.from(caught);
      notices.push(`which repository ${description} holds could not be remembered in staging: ${reason}`);
    }
  }
  return notices;
}
