import {
  type Clock,
  type CredentialCommand,
  type Destination,
  HoldfastError,
  type Observer,
  type Sig,
  type Source,
  throwIfAborted,
} from '@holdfast/core';
import type { DestinationMeter, RatePlan, RetryNotice } from '@holdfast/destinations/wrap';
import { findDestinationDriver, findSourceDriver } from './drivers.ts';
import { interpolate } from './interpolate.ts';
import { unopenedDestination } from './unopened-destination.ts';

/** Opens what a URL names, after filling in its placeholders. */
export async function openSource(url: string, o: Sig & { readonly clock: Clock }): Promise<Source> {
  // The whole URL may be a secret: its scheme is known only when it is filled in.
  const filled = await interpolate(url, o);
  return (await findSourceDriver(filled)).open(filled, o);
}

/** A destination by its URL, or with what no URL says. */
export type DestinationAddress = string | DestinationPlace;

/** Plain data: it crosses to the run's process. */
export interface DestinationPlace {
  /** May have placeholders. */
  readonly url: string;
  readonly credentials?: CredentialCommand;
  /** How what it holds is compared with what was sent, where it has no checksum of its own; `sample` by default. */
  readonly verify?: 'sample' | 'full';
  /** How fast it may be written to and read from. */
  readonly rate?: RatePlan;
}

export function placeOfAddress(address: DestinationAddress): DestinationPlace {
  return typeof address === 'string' ? { url: address } : address;
}

export interface OpenDestination extends Sig {
  /** What the place said of itself when it was last used; see `openDestinations`. */
  readonly expectedId?: string | undefined;
}

export async function openDestination(address: DestinationAddress, o: OpenDestination): Promise<Destination> {
  const { url, credentials } = placeOfAddress(address);
  const filled = await interpolate(url, o);
  const driver = await findDestinationDriver(filled);
  return driver.open(filled, { ...o, ...(credentials && { credentials }) });
}

/** Remembers which repository each destination held, by its description. */
export interface Memory {
  get(description: string): Promise<string | undefined>;
  remember(description: string, id: string): Promise<void>;
}

/**
 * Opens several for writing, each of them another place, and the same one as the last time; `stack` disposes them. One
 * that cannot be opened stands there all the same, and says why when it is used: whether a run can do without it is not
 * known here.
 */
export async function openDestinations(
  addresses: readonly DestinationAddress[],
  o: Sig & {
    readonly stack: AsyncDisposableStack;
    readonly memory: Memory;
    readonly clock: Clock;
    readonly observer: Observer;
    /** Counts what each is asked, in their order. */
    readonly meters?: readonly DestinationMeter[];
    /** Shared by all of them: the run's share of what its node may. */
    readonly nodeRate?: RatePlan | undefined;
  },
): Promise<readonly Destination[]> {
  const { RateLimit, RetryBudget, wrapDestination } = await import('@holdfast/destinations/wrap');
  const onRetry = ({ call, attempt, error, waitMs }: RetryNotice): void =>
    o.observer({
      kind: 'notice',
      text: `${call}: attempt ${attempt} failed, the next one is in ${(waitMs / 1000).toFixed(1)} s: ${error.message}`,
    });
  const shared = o.nodeRate && new RateLimit(o.nodeRate, o.clock);
  const opened: Destination[] = [];
  for (const [index, address] of addresses.entries()) {
    const inner = await openAsBefore(address, o).catch((caught: unknown) => {
      throwIfAborted(o.signal);
      const failure = HoldfastError.from(caught);
      // With a single one there is nothing to go on with.
      if (addresses.length === 1) throw failure;
      return unopenedDestination(placeOfAddress(address).url, failure);
    });
    const { rate } = placeOfAddress(address);
    const own = rate && new RateLimit(rate, o.clock);
    const limits = [...(own ? [own] : []), ...(shared ? [shared] : [])];
    const destination = o.stack.use(
      wrapDestination(inner, {
        clock: o.clock,
        retry: { onRetry, budget: new RetryBudget() },
        ...(limits.length > 0 && { rate: { write: limits, read: limits } }),
        meter: o.meters?.[index],
      }),
    );
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
async function openAsBefore(
  address: DestinationAddress,
  o: Sig & { readonly memory: Memory },
): Promise<Destination> {
  const destination = await openDestination(address, o);
  const expectedId = await o.memory.get(destination.description);
  if (expectedId === undefined) return destination;
  await destination[Symbol.asyncDispose]();
  return openDestination(address, { signal: o.signal, expectedId });
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
