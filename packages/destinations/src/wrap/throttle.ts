import type { ByteRange, Destination, DriverToken, ObjectInfo, Sig, WriteOptions } from '@holdfast/core';
import { passing } from '../body.ts';
import { Forwarding } from './forwarding.ts';
import type { RateLimit } from './rate-limit.ts';
import type { RatePlan } from './rate-plan.ts';

/** Limits that hold at the same time, the narrowest first: of the destination, then of the node. */
export interface RateLimits {
  readonly write?: readonly RateLimit[] | undefined;
  readonly read?: readonly RateLimit[] | undefined;
}

/** The form in which limits reach another thread. */
export interface RatePlans {
  readonly write: readonly RatePlan[];
  readonly read: readonly RatePlan[];
}

/**
 * Lets bodies through no faster than all limits allow. What is limited is how fast a driver gets its bytes, and how
 * fast a reader does: a driver that gathers parts sends each of them as fast as it can, and then waits for the next.
 *
 * Another thread that opens the token has limits of its own with the same rates: what changes here does not reach it.
 */
export function withRateLimit(destination: Destination, limits: RateLimits): Destination {
  return new Throttled(destination, limits);
}

class Throttled extends Forwarding {
  readonly #write: readonly RateLimit[];
  readonly #read: readonly RateLimit[];

  constructor(inner: Destination, { write = [], read = [] }: RateLimits) {
    super(inner);
    this.#write = write;
    this.#read = read;
  }

  override get token(): DriverToken {
    const plansOf = (limits: readonly RateLimit[]): RatePlan[] => limits.map(({ plan }) => plan);
    const plans: RatePlans = { write: plansOf(this.#write), read: plansOf(this.#read) };
    const data = { inner: this.inner.token, plans };
    return { module: new URL('./throttle-worker.ts', import.meta.url).href, data };
  }

  override write(key: string, body: AsyncIterable<Uint8Array>, o: WriteOptions): Promise<ObjectInfo> {
    if (this.#write.length === 0) return this.inner.write(key, body, o);
    const slow = passing(body, {
      iterate: (blocks) => new Slowed(blocks, { signal: o.signal, limits: this.#write }),
      unsent: (bytes) => {
        for (const limit of this.#write) limit.giveBack(bytes);
      },
    });
    return this.inner.write(key, slow, o);
  }

  override async *read(key: string, o: Sig & { readonly range?: ByteRange }): AsyncGenerator<Uint8Array> {
    const blocks = this.inner.read(key, o)[Symbol.asyncIterator]();
    const { signal } = o;
    for await (const block of new Slowed(blocks, { signal, limits: this.#read })) yield block;
  }
}

/**
 * Not a generator: to end one that waits for a block has to wait, too, and then a body that hangs would never be told
 * that no more is asked of it.
 */
class Slowed implements AsyncIterableIterator<Uint8Array> {
  readonly #blocks: AsyncIterator<Uint8Array>;
  readonly #limits: readonly RateLimit[];
  readonly #signal: AbortSignal;
  /** What is left of the block that came last. */
  #rest: Uint8Array = new Uint8Array();

  constructor(blocks: AsyncIterator<Uint8Array>, o: Sig & { readonly limits: readonly RateLimit[] }) {
    this.#blocks = blocks;
    this.#limits = o.limits;
    this.#signal = o.signal;
  }

  async next(): Promise<IteratorResult<Uint8Array>> {
    while (this.#rest.length === 0) {
      const step = await this.#blocks.next();
      if (step.done) return step;
      this.#rest = step.value;
    }
    const bytes = Math.min(this.#rest.length, ...this.#limits.map(({ pieceBytes }) => pieceBytes));
    for (const limit of this.#limits) await limit.take(bytes, { signal: this.#signal });
    const value = this.#rest.subarray(0, bytes);
    this.#rest = this.#rest.subarray(bytes);
    return { done: false, value };
  }

  async return(): Promise<IteratorResult<Uint8Array>> {
    return (await this.#blocks.return?.()) ?? { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
