import {
  type ByteRange,
  type ColdStorage,
  type Destination,
  type ErrorCode,
  HoldfastError,
  type ObjectInfo,
  type Sig,
  type WriteOptions,
} from '@holdfast/core';
import { passing } from '../body.ts';
import { Forwarding } from './forwarding.ts';

export type DestinationCall = 'prepare' | 'write' | 'read' | 'stat' | 'list' | 'delete' | 'thaw';

/** What was asked of a destination so far. Plain data; attempts count one by one, also those that were tried again. */
export interface DestinationCounts {
  /** Taken from bodies, also by writes that failed later; without what was there already. */
  readonly bytesWritten: number;
  readonly bytesRead: number;
  readonly calls: Readonly<Record<DestinationCall, number>>;
  /** Calls that rejected, by the code of their error; what is left after `retries` was told to the caller. */
  readonly failures: Readonly<Partial<Record<ErrorCode, number>>>;
  readonly retries: number;
  /** Passed between a failed attempt and the next one. */
  readonly waitedMs: number;
}

/** Counts for one destination; many wrappers may share it, one after the other or at the same time. */
export class DestinationMeter {
  #bytesWritten = 0;
  #bytesRead = 0;
  #retries = 0;
  #waitedMs = 0;
  readonly #calls = { prepare: 0, write: 0, read: 0, stat: 0, list: 0, delete: 0, thaw: 0 };
  readonly #failures: Partial<Record<ErrorCode, number>> = {};

  /** As it is now; does not change any more. */
  get counts(): DestinationCounts {
    return {
      bytesWritten: this.#bytesWritten,
      bytesRead: this.#bytesRead,
      calls: { ...this.#calls },
      failures: { ...this.#failures },
      retries: this.#retries,
      waitedMs: this.#waitedMs,
    };
  }

  called(call: DestinationCall): void {
    this.#calls[call] += 1;
  }

  failed(error: unknown): void {
    const { code } = HoldfastError.from(error);
    this.#failures[code] = (this.#failures[code] ?? 0) + 1;
  }

  retried(waitMs: number): void {
    this.#retries += 1;
    this.#waitedMs += waitMs;
  }

  /** Less than zero for what was not sent after all. */
  wrote(bytes: number): void {
    this.#bytesWritten += bytes;
  }

  read(bytes: number): void {
    this.#bytesRead += bytes;
  }
}

/**
 * Counts what a destination is asked. Belongs directly around a driver, below whoever tries again. Another thread that
 * opens the token counts nothing here.
 */
export function withMeter(destination: Destination, meter: DestinationMeter): Destination {
  return new Metered(destination, meter);
}

class Metered extends Forwarding {
  readonly #meter: DestinationMeter;

  constructor(inner: Destination, meter: DestinationMeter) {
    super(inner);
    this.#meter = meter;
  }

  override get cold(): ColdStorage | undefined {
    const cold = this.inner.cold;
    if (!cold) return undefined;
    const thaw: ColdStorage['thaw'] = (key, o) => this.#counted('thaw', () => cold.thaw(key, o));
    return { ways: cold.ways, minimumDays: cold.minimumDays, thaw };
  }

  override prepare(o: Sig & { readonly neverOn?: readonly string[] }): Promise<readonly string[]> {
    return this.#counted('prepare', () => this.inner.prepare(o));
  }

  override write(key: string, body: AsyncIterable<Uint8Array>, o: WriteOptions): Promise<ObjectInfo> {
    const wrote = (bytes: number): void => this.#meter.wrote(bytes);
    const counted = passing(body, {
      iterate: (blocks) => ({
        next: async () => {
          const step = await blocks.next();
          if (!step.done) wrote(step.value.length);
          return step;
        },
        return: async () => (await blocks.return?.()) ?? { done: true, value: undefined },
      }),
      unsent: (bytes) => wrote(-bytes),
    });
    return this.#counted('write', () => this.inner.write(key, counted, o));
  }

  override read(key: string, o: Sig & { readonly range?: ByteRange }): AsyncIterable<Uint8Array> {
    return this.#countedItems('read', this.inner.read(key, o), (block) => this.#meter.read(block.length));
  }

  override stat(key: string, o: Sig): Promise<ObjectInfo | undefined> {
    return this.#counted('stat', () => this.inner.stat(key, o));
  }

  override list(prefix: string, o: Sig): AsyncIterable<ObjectInfo> {
    return this.#countedItems('list', this.inner.list(prefix, o), () => undefined);
  }

  override delete(key: string, o: Sig): Promise<void> {
    return this.#counted('delete', () => this.inner.delete(key, o));
  }

  async #counted<T>(call: DestinationCall, act: () => Promise<T>): Promise<T> {
    this.#meter.called(call);
    try {
      return await act();
    } catch (error) {
      this.#meter.failed(error);
      throw error;
    }
  }

  async *#countedItems<T>(
    call: DestinationCall,
    items: AsyncIterable<T>,
    came: (item: T) => void,
  ): AsyncGenerator<T> {
    this.#meter.called(call);
    try {
      for await (const item of items) {
        came(item);
        yield item;
      }
    } catch (error) {
      this.#meter.failed(error);
      throw error;
    }
  }
}
