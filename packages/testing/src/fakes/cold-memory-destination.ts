import {
  type ByteRange,
  type Clock,
  type ColdStorage,
  type Destination,
  type DriverToken,
  HoldfastError,
  type ObjectAccess,
  type ObjectInfo,
  type Sig,
  type ThawTier,
  type ThawWay,
  throwIfAborted,
  type WriteOptions,
} from '@holdfast/core';
import { MemoryDestination } from './memory-destination.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** A class of which the listing does not tell what has to be thawed. */
const hidden = 'SINKS';

/** `SLOW` has no expedited tier. */
const ways: readonly ThawWay[] = [
  way('COLD', 'expedited', 'up to an hour', hourMs),
  way('COLD', 'standard', 'up to 5 hours', 5 * hourMs),
  way('COLD', 'bulk', 'up to 12 hours', 12 * hourMs),
  way('SLOW', 'standard', 'up to 12 hours', 12 * hourMs),
  way('SLOW', 'bulk', 'up to 48 hours', 48 * hourMs),
  way(hidden, 'standard', 'up to 5 hours', 5 * hourMs),
];

function way(storageClass: string, tier: ThawTier, wait: string, waitMsMax: number): ThawWay {
  return { storageClass, tier, wait, waitMsMax, cost: `a request and each byte, as ${tier}` };
}

export interface ColdMemoryOptions {
  readonly clock: Clock;
  /** Another handle on this place; undefined: a place of its own. */
  readonly over?: MemoryDestination;
  /** Where what is written goes, unless it has to be hot; undefined: where it can be read at once. */
  readonly storageClass?: string;
}

interface Place {
  readonly options: ColdMemoryOptions;
  /** Cold storage classes by key. */
  readonly classes: Map<string, string>;
  readonly thaws: Map<string, { readonly readyAtMs: number; readonly untilMs: number }>;
  readonly asked: { readonly key: string; readonly tier: ThawTier; readonly days: number }[];
}

/** What of the places is cold, by their names: a token opens the same one. Threads have their own, and no such place. */
const places = new Map<string, Place>();

/**
 * A memory destination with classes of storage that have to be thawed, by the clock of the test: `COLD`, `SLOW`, and
 * `SINKS`. A thaw takes exactly as long as its way says at most. The listing calls cold whatever is in such a class,
 * and nothing that is in `SINKS`.
 */
export class ColdMemoryDestination extends MemoryDestination {
  override readonly token: DriverToken;
  readonly cold: ColdStorage = {
    ways,
    minimumDays: { COLD: 90, SLOW: 180 },
    thaw: (key, o) => this.#thaw(key, o),
  };
  readonly #place: Place;

  constructor(options: ColdMemoryOptions) {
    const name = options.over ? nameOf(options.over.token) : crypto.randomUUID();
    super(name);
    this.token = { module: import.meta.url, data: { name } };
    this.#place = places.get(name) ?? { options, classes: new Map(), thaws: new Map(), asked: [] };
    places.set(name, this.#place);
  }

  /** Every thaw that was asked for, in order. */
  get asked(): Place['asked'] {
    return this.#place.asked;
  }

  /** As a rule of a place does it: what is there and chosen moves to a cold class. */
  freeze(chosen: (key: string) => boolean, storageClass = 'COLD'): string[] {
    const keys = this.objects
      .list()
      .map(({ key }) => key)
      .filter(chosen);
    for (const key of keys) {
      this.#place.classes.set(key, storageClass);
      this.#place.thaws.delete(key);
    }
    return keys;
  }

  override async write(key: string, body: AsyncIterable<Uint8Array>, o: WriteOptions): Promise<ObjectInfo> {
    const info = await super.write(key, body, o);
    const { storageClass } = this.#place.options;
    this.#place.thaws.delete(key);
    if (storageClass === undefined || o.hot) this.#place.classes.delete(key);
    else this.#place.classes.set(key, storageClass);
    return this.#described(info, this.#accessTo(key));
  }

  override async *read(key: string, o: Sig & { readonly range?: ByteRange }): AsyncGenerator<Uint8Array> {
    for await (const block of super.read(key, o)) {
      this.#assertReadable(key);
      yield block;
    }
  }

  override async stat(key: string, o: Sig): Promise<ObjectInfo | undefined> {
    const info = await super.stat(key, o);
    return info && this.#described(info, this.#accessTo(key));
  }

  override async *list(prefix: string, o: Sig): AsyncGenerator<ObjectInfo> {
    for await (const info of super.list(prefix, o)) {
      const storageClass = this.#place.classes.get(info.key);
      const isTold = storageClass !== undefined && storageClass !== hidden;
      yield {
        ...info,
        ...(storageClass !== undefined && { storageClass }),
        ...(isTold && { access: 'cold' }),
      };
    }
  }

  override async delete(key: string, o: Sig): Promise<void> {
    await super.delete(key, o);
    this.#place.classes.delete(key);
    this.#place.thaws.delete(key);
  }

  #described(info: ObjectInfo, access: ObjectAccess | undefined): ObjectInfo {
    return { ...info, ...(access && { storageClass: this.#place.classes.get(info.key) ?? '', access }) };
  }

  #accessTo(key: string): ObjectAccess | undefined {
    if (!this.#place.classes.has(key)) return undefined;
    const nowMs = this.#place.options.clock.elapsed();
    const thaw = this.#place.thaws.get(key);
    if (!thaw || nowMs >= thaw.untilMs) return 'cold';
    return nowMs < thaw.readyAtMs ? 'thawing' : 'thawed';
  }

  #assertReadable(key: string): void {
    const access = this.#accessTo(key);
    if (access !== 'cold' && access !== 'thawing') return;
    throw new HoldfastError(
      'precondition_failed',
      `${key} is in ${this.#place.classes.get(key)} and has to be thawed before it can be read`,
    );
  }

  async #thaw(key: string, o: Sig & { readonly tier: ThawTier; readonly days: number }): Promise<void> {
    throwIfAborted(o.signal);
    const storageClass = this.#place.classes.get(key);
    if (storageClass === undefined || this.#accessTo(key) !== 'cold') return;
    const chosen = ways.find((one) => one.storageClass === storageClass && one.tier === o.tier);
    if (!chosen) throw new HoldfastError('unsupported', `${storageClass} has no tier ${o.tier}`);
    this.#place.asked.push({ key, tier: o.tier, days: o.days });
    const readyAtMs = this.#place.options.clock.elapsed() + chosen.waitMsMax;
    this.#place.thaws.set(key, { readyAtMs, untilMs: readyAtMs + o.days * dayMs });
  }
}

function nameOf(token: DriverToken): string {
  return (token.data as { readonly name: string }).name;
}

export async function openDestination(data: unknown, o: Sig): Promise<Destination> {
  throwIfAborted(o.signal);
  const { name } = data as { readonly name: string };
  const place = places.get(name);
  if (!place) throw new HoldfastError('not_found', `no cold memory ${name} in this thread`);
  return new ColdMemoryDestination({ ...place.options, over: new MemoryDestination(name) });
}
