import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Clock,
  type Delivered,
  type Delivery,
  type Destination,
  HoldfastError,
  type Observer,
  type SegmentEntry,
  type Sig,
} from '@holdfast/core';
import { readPart, type Verify } from './confirm-segment.ts';
import { DestinationPush } from './destination-push.ts';
import { type SegmentContent, StagedSegments } from './segment-content.ts';

export interface DeliverOptions extends Sig {
  /** The run's folder in staging; it need not be there. */
  readonly directory: string;
  readonly root: string;
  readonly clock: Clock;
  readonly observer: Observer;
  readonly verify: Verify;
  readonly pushesMax: number;
}

/**
 * Brings one committed backup to a destination that lacks it: its segments, then its manifest, as a run does, so that a
 * crash in between leaves nothing that looks like a backup. What broke off is gone on with by the next attempt.
 * @throws HoldfastError what the destination met, or `corrupt` when no place has a segment as its manifest says
 */
export async function deliver(delivery: Delivery, o: DeliverOptions): Promise<Delivered> {
  const { to, segments, name, manifest } = delivery;
  const keyPrefix = `${delivery.task}/${delivery.chain}/`;
  await using staged = new StagedSegments(o.root, (segment) => join(o.directory, segment.name));
  const elsewhere = delivery.from.filter(({ description }) => description !== to.description);
  const failed = new AbortController();
  const signal = AbortSignal.any([o.signal, failed.signal]);
  const here = await whatIsHere(o.directory, segments);
  const content = new FirstWhole({ here, staged, elsewhere, keyPrefix, signal });
  const push = new DestinationPush({
    destination: to,
    index: delivery.index,
    keyPrefix,
    content,
    // Nothing of a committed backup is litter: what is there is gone on with, by whoever comes next.
    note: async () => undefined,
    // What is listed with its size was written whole, and its checksum was compared when it was: writes are atomic.
    isNoted: () => true,
    verify: o.verify,
    pushesMax: o.pushesMax,
    signal,
    observer: o.observer,
    onFailure: (error) => failed.abort(error),
  });
  try {
    await push.resume(segments, { name, bytes: manifest }, { signal });
    await push.drained();
    await push.verify(segments, { signal });
    if (!push.holdsBackup) await push.storeManifest(name, manifest, { signal });
  } catch (error) {
    push.fail(HoldfastError.from(error));
    await push.settled();
    throw push.failure ?? error;
  }
  return { bytes: push.sentBytes };
}

async function whatIsHere(
  directory: string,
  segments: readonly SegmentEntry[],
): Promise<ReadonlySet<string>> {
  const here = new Set<string>();
  for (const { name, bytes } of segments) {
    const found = await stat(join(directory, name)).catch(() => undefined);
    if (found?.size === bytes) here.add(name);
  }
  return here;
}

interface Places extends Sig {
  /** Names of segments that staging still has. */
  readonly here: ReadonlySet<string>;
  readonly staged: StagedSegments;
  readonly elsewhere: readonly Destination[];
  readonly keyPrefix: string;
}

/**
 * A segment from staging where it is there, else from another destination. Each further attempt asks the next place: one
 * whose copy is damaged, cold or out of reach must not end the catching up while another has it whole.
 */
class FirstWhole implements SegmentContent {
  /** What another destination gives is hashed by whoever writes it. */
  readonly checked = false;
  readonly #o: Places;
  readonly #attempts = new Map<string, number>();

  constructor(places: Places) {
    this.#o = places;
  }

  body(segment: SegmentEntry): AsyncIterable<Uint8Array> {
    return { [Symbol.asyncIterator]: () => this.#read(segment)[Symbol.asyncIterator]() };
  }

  async part(segment: SegmentEntry, start: number, length: number): Promise<Uint8Array | undefined> {
    const { here, staged, elsewhere, keyPrefix, signal } = this.#o;
    if (here.has(segment.name)) return staged.part(segment, start, length);
    let failure: unknown;
    for (const place of elsewhere) {
      try {
        const range = { start, length };
        const bytes = await readPart(place, keyPrefix + segment.name, { signal, range });
        if (bytes) return bytes;
      } catch (error) {
        failure = error;
      }
    }
    throw failure ?? nowhere(keyPrefix + segment.name);
  }

  async *#read(segment: SegmentEntry): AsyncGenerator<Uint8Array> {
    const { here, staged, elsewhere, keyPrefix, signal } = this.#o;
    const { name } = segment;
    const places: (() => AsyncIterable<Uint8Array>)[] = elsewhere.map(
      (place) => () => place.read(keyPrefix + name, { signal }),
    );
    if (here.has(name)) places.unshift(() => staged.body(segment));
    const attempt = this.#attempts.get(name) ?? 0;
    this.#attempts.set(name, attempt + 1);
    const place = places[attempt % Math.max(1, places.length)];
    if (!place) throw nowhere(keyPrefix + name);
    try {
      yield* place();
    } catch (error) {
      const failure = HoldfastError.from(error);
      // To whoever writes, a place that cannot be read is a reason to try again: with the next one.
      if (places.length === 1 || failure.retryable || failure.code === 'cancelled') throw failure;
      throw new HoldfastError('unavailable', `a copy could not be read: ${failure.reason}`, {
        cause: failure,
      });
    }
  }
}

function nowhere(key: string): HoldfastError {
  return new HoldfastError('not_found', `no place has ${key} to copy it from`, {
    hint: 'name a destination that holds it, or make a full backup',
  });
}
