import { createHash } from 'node:crypto';
import {
  abortError,
  type ByteRange,
  type Clock,
  type ColdStorage,
  type Destination,
  type DriverToken,
  HoldfastError,
  type ObjectInfo,
  type Sig,
  throwIfAborted,
  type WriteOptions,
} from '@holdfast/core';
import { Forwarding } from './forwarding.ts';
import { Idle } from './idle.ts';
import { Replay } from './replay.ts';
import type { RetryBudget } from './retry-budget.ts';

export interface RetryNotice {
  /** `write task/chain/file` */
  readonly call: string;
  /** Which attempt failed, from 1. */
  readonly attempt: number;
  readonly error: HoldfastError;
  readonly waitMs: number;
}

export interface RetryLimits {
  readonly attemptsMax: number;
  /** The first wait; each further one is twice as long. */
  readonly waitFirstMs: number;
  readonly waitMaxMs: number;
  /** A destination that says when to come again is waited for at least so long as it says, but no longer than this. */
  readonly retryAfterMaxMs: number;
  /** An attempt in which nothing moves for so long is ended as `timeout`. */
  readonly idleMaxMs: number;
}

export interface RetryOptions extends Partial<RetryLimits> {
  readonly clock: Clock;
  readonly onRetry?: (notice: RetryNotice) => void;
  /** Shared by all that a run does at one destination. */
  readonly budget?: RetryBudget | undefined;
  /** Between 0 and 1. */
  readonly random?: () => number;
}

const defaults: RetryLimits = {
  attemptsMax: 5,
  waitFirstMs: 500,
  waitMaxMs: 30_000,
  retryAfterMaxMs: 300_000,
  idleMaxMs: 300_000,
};

/** A resumable write that came so much further than before is not a failed attempt at the same thing. */
const gainedBytesMin = 1_048_576;

/** Other codes that may be tried again are about the run, not about the destination. */
const passing: readonly string[] = ['unavailable', 'exhausted', 'timeout'];

/**
 * Tries again what failed for a reason that passes, with growing waits. Exactly one layer retries a call: this one;
 * drivers and the uploader do not.
 *
 * A body is sent again only if it can be read again (each `Symbol.asyncIterator` call gives a new iterator). A read
 * that breaks off goes on where it was; that its two halves are of one object is certain because stored objects are
 * never rewritten, and is checked by whoever knows the checksum.
 */
export function withRetries(destination: Destination, options: RetryOptions): Destination {
  return new Retrying(destination, options);
}

class Retrying extends Forwarding {
  readonly #o: RetryOptions;
  readonly #limits: RetryLimits;

  constructor(inner: Destination, options: RetryOptions) {
    super(inner);
    this.#o = options;
    const { attemptsMax, waitFirstMs, waitMaxMs, retryAfterMaxMs, idleMaxMs } = { ...defaults, ...options };
    this.#limits = { attemptsMax, waitFirstMs, waitMaxMs, retryAfterMaxMs, idleMaxMs };
  }

  override get token(): DriverToken {
    const data = { inner: this.inner.token, limits: this.#limits };
    return { module: new URL('./retry-worker.ts', import.meta.url).href, data };
  }

  override prepare(o: Sig & { readonly neverOn?: readonly string[] }): Promise<readonly string[]> {
    return this.#attempt('prepare', o, (signal) => this.inner.prepare({ ...o, signal }));
  }

  override async write(key: string, body: AsyncIterable<Uint8Array>, o: WriteOptions): Promise<ObjectInfo> {
    const replay = new Replay(body);
    let attempts = 0;
    const write = async (signal: AbortSignal, idle: Idle): Promise<ObjectInfo> => {
      attempts += 1;
      try {
        return await this.inner.write(key, replay.watched(idle), { ...o, signal });
      } catch (error) {
        // The attempt before may have stored it, and only its answer was lost.
        const lost = attempts > 1 && o.ifAbsent && HoldfastError.from(error).code === 'conflict';
        const stored = lost && (await this.#sameAs(key, { ...o, signal }, idle));
        if (stored) return stored;
        throw error;
      }
    };
    // What an attempt has stored of a resumable write, the next one does not send again.
    const goesOn = (): boolean =>
      replay.gained() >= gainedBytesMin && !!o.resumable && !!this.features.resumableWrite;
    return this.#attempt(`write ${key}`, o, write, { possible: () => replay.possible, goesOn });
  }

  override async *read(key: string, o: Sig & { readonly range?: ByteRange }): AsyncGenerator<Uint8Array> {
    let delivered = 0;
    for (let attempt = 1; ; attempt += 1) {
      const before = delivered;
      const idle = new Idle(this.#o.clock, this.#limits.idleMaxMs, o.signal);
      try {
        const range = await this.#rest(key, delivered, { ...o, signal: idle.signal });
        const blocks = this.inner.read(key, { signal: idle.signal, ...(range && { range }) });
        for await (const block of idle.watch(blocks)) {
          // Counted before it is given away: the reader may keep it and never come back.
          delivered += block.length;
          yield block;
        }
        return;
      } catch (error) {
        // One that got further is not a failed attempt at the same thing.
        if (delivered > before) attempt = 1;
        await this.#wait({ call: `read ${key}`, attempt, error, possible: true, signal: o.signal, idle });
      } finally {
        idle.end();
      }
    }
  }

  override stat(key: string, o: Sig): Promise<ObjectInfo | undefined> {
    return this.#attempt(`stat ${key}`, o, (signal) => this.inner.stat(key, { signal }));
  }

  override async *list(prefix: string, o: Sig): AsyncGenerator<ObjectInfo> {
    const given = new Set<string>();
    for (let attempt = 1; ; attempt += 1) {
      const idle = new Idle(this.#o.clock, this.#limits.idleMaxMs, o.signal);
      try {
        for await (const info of idle.watch(this.inner.list(prefix, { signal: idle.signal }))) {
          if (given.has(info.key)) continue;
          given.add(info.key);
          yield info;
        }
        return;
      } catch (error) {
        await this.#wait({ call: `list ${prefix}`, attempt, error, possible: true, signal: o.signal, idle });
      } finally {
        idle.end();
      }
    }
  }

  override delete(key: string, o: Sig): Promise<void> {
    return this.#attempt(`delete ${key}`, o, (signal) => this.inner.delete(key, { signal }));
  }

  override get cold(): ColdStorage | undefined {
    const cold = this.inner.cold;
    if (!cold) return undefined;
    const thaw: ColdStorage['thaw'] = (key, o) =>
      this.#attempt(`thaw ${key}`, o, (signal) => cold.thaw(key, { ...o, signal }));
    return { ways: cold.ways, minimumDays: cold.minimumDays, thaw };
  }

  async #attempt<T>(
    call: string,
    o: Sig,
    act: (signal: AbortSignal, idle: Idle) => Promise<T>,
    body: { readonly possible: () => boolean; readonly goesOn: () => boolean } = {
      possible: () => true,
      goesOn: () => false,
    },
  ): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      throwIfAborted(o.signal);
      const idle = new Idle(this.#o.clock, this.#limits.idleMaxMs, o.signal);
      try {
        return await idle.settled(act(idle.signal, idle));
      } catch (error) {
        if (body.goesOn()) attempt = 1;
        await this.#wait({ call, attempt, error, possible: body.possible(), signal: o.signal, idle });
      } finally {
        idle.end();
      }
    }
  }

  /** Returns when it is time for another attempt; rejects with the error when there is to be none. */
  async #wait(
    o: Sig & { call: string; attempt: number; error: unknown; possible: boolean; idle: Idle },
  ): Promise<void> {
    const { call, attempt, error, signal } = o;
    const failure = HoldfastError.from(error);
    if (o.idle.leftBehind) throw error;
    throwIfAborted(signal);
    if (!o.possible || !passing.includes(failure.code)) throw error;
    const waitMs = this.#waitMs(attempt, failure.retryAfterMs ?? 0);
    const over = attempt < this.#limits.attemptsMax ? this.#o.budget?.take(waitMs) : '';
    if (over !== undefined) {
      const why = over === '' ? '' : `; ${over}`;
      throw new HoldfastError(failure.code, `${failure.reason} (tried ${times(attempt)}${why})`, {
        hint: failure.hint,
        retryAfterMs: failure.retryAfterMs,
        cause: error,
      });
    }
    this.#o.onRetry?.({ call, attempt, error: failure, waitMs });
    await this.#o.clock.sleep(waitMs, signal).catch(() => {
      throw abortError(signal);
    });
  }

  #waitMs(attempt: number, saidMs: number): number {
    const { waitFirstMs, waitMaxMs, retryAfterMaxMs } = this.#limits;
    const random = (this.#o.random ?? Math.random)();
    const longestMs = Math.min(waitMaxMs, waitFirstMs * 2 ** (attempt - 1));
    // Between half and all of it, so that many who failed together do not come back together; and never sooner than
    // the destination has said, for many of whom it said the same.
    const ownMs = longestMs * (0.5 + 0.5 * random);
    return Math.round(Math.max(ownMs, Math.min(saidMs, retryAfterMaxMs) * (1 + 0.1 * random)));
  }

  async #rest(
    key: string,
    delivered: number,
    o: Sig & { readonly range?: ByteRange },
  ): Promise<ByteRange | undefined> {
    if (delivered === 0) return o.range;
    if (o.range) return { start: o.range.start + delivered, length: o.range.length - delivered };
    const info = await this.inner.stat(key, o);
    if (info && info.bytes >= delivered) return { start: delivered, length: info.bytes - delivered };
    throw new HoldfastError('corrupt', `${key} changed in ${this.description} while it was read`);
  }

  /** The object, if it is what was to be written. With credentials that may not read, and of cold ones, nobody knows. */
  async #sameAs(key: string, o: WriteOptions, idle: Idle): Promise<ObjectInfo | undefined> {
    try {
      const info = await this.inner.stat(key, o);
      if (!info || o.sha256 === undefined || (o.sizeBytes ?? info.bytes) !== info.bytes) return undefined;
      const hash = createHash('sha256');
      for await (const block of this.inner.read(key, o)) {
        hash.update(block);
        idle.touch();
      }
      return hash.digest('hex') === o.sha256 ? info : undefined;
    } catch (error) {
      const { code } = HoldfastError.from(error);
      if (code === 'permission_denied' || code === 'precondition_failed') return undefined;
      throw error;
    }
  }
}

function times(count: number): string {
  return count === 1 ? 'once' : `${count} times`;
}
