import {
  abortError,
  type ByteRange,
  type ColdStorage,
  type Destination,
  type DestinationFeatures,
  type DriverToken,
  type ErrorCode,
  HoldfastError,
  type ObjectInfo,
  type Sig,
  throwIfAborted,
  type WriteOptions,
} from '@holdfast/core';
import { drain } from './drain.ts';

/**
 * What one call does.
 * - `ok`: what the destination does;
 * - an error's code: that error, before anything happens;
 * - `hang`: nothing, until its signal aborts;
 * - `short`: only the first half of the bytes gets through, and success is claimed; from `list`, half the objects;
 * - `lost`: everything is done, but the answer is lost: `unavailable`.
 */
export type Step = 'ok' | 'hang' | 'short' | 'lost' | ErrorCode;

export type Verb = 'prepare' | 'write' | 'read' | 'stat' | 'list' | 'delete' | 'thaw';

/** Steps for the calls of each verb, in order; after the last one everything is `ok`. */
export type Script = Partial<Record<Verb, readonly Step[]>>;

export type FailingDestination = Destination & {
  /** Verb and key of each call so far. */
  readonly calls: readonly string[];
};

/** A destination that fails as scripted: `failing(destination, { write: ['ok', 'unavailable', 'hang'] })`. */
export function failing(destination: Destination, script: Script = {}): FailingDestination {
  return new Failing(destination, script);
}

class Failing implements Destination {
  readonly type: string;
  readonly description: string;
  readonly token: DriverToken;
  readonly calls: string[] = [];
  readonly #inner: Destination;
  readonly #steps: Map<Verb, Step[]>;

  constructor(destination: Destination, script: Script) {
    this.#inner = destination;
    this.type = destination.type;
    this.description = destination.description;
    this.token = destination.token;
    const entries = Object.entries(script) as [Verb, readonly Step[]][];
    this.#steps = new Map(entries.map(([verb, steps]) => [verb, [...steps]]));
  }

  get features(): DestinationFeatures {
    return this.#inner.features;
  }

  get repositoryId(): string | undefined {
    return this.#inner.repositoryId;
  }

  get cold(): ColdStorage | undefined {
    const cold = this.#inner.cold;
    return (
      cold && {
        ways: cold.ways,
        minimumDays: cold.minimumDays,
        thaw: (key, o) => this.#take('thaw', key, o, () => cold.thaw(key, o)),
      }
    );
  }

  async prepare(o: Sig & { readonly neverOn?: readonly string[] }): Promise<readonly string[]> {
    return this.#take('prepare', '', o, () => this.#inner.prepare(o));
  }

  async write(key: string, body: AsyncIterable<Uint8Array>, o: WriteOptions): Promise<ObjectInfo> {
    const short = async (): Promise<ObjectInfo> => {
      const whole = await drain(body, o.signal);
      const { ifAbsent, signal } = o;
      const half = whole.subarray(0, Math.floor(whole.length / 2));
      await this.#inner.write(key, once(half), { signal, ...(ifAbsent && { ifAbsent }) });
      return { key, bytes: whole.length };
    };
    return this.#take('write', key, o, () => this.#inner.write(key, body, o), short);
  }

  async *read(key: string, o: Sig & { readonly range?: ByteRange }): AsyncGenerator<Uint8Array> {
    const half = async (): Promise<AsyncIterable<Uint8Array>> => {
      const whole = await drain(this.#inner.read(key, o), o.signal);
      return once(whole.subarray(0, Math.floor(whole.length / 2)));
    };
    yield* await this.#take('read', key, o, async () => this.#inner.read(key, o), half);
  }

  async stat(key: string, o: Sig): Promise<ObjectInfo | undefined> {
    const half = async (): Promise<ObjectInfo | undefined> => {
      const info = await this.#inner.stat(key, o);
      return info && { ...info, bytes: Math.floor(info.bytes / 2) };
    };
    return this.#take('stat', key, o, () => this.#inner.stat(key, o), half);
  }

  async *list(prefix: string, o: Sig): AsyncGenerator<ObjectInfo> {
    const inner = this.#inner;
    const half = async function* (): AsyncGenerator<ObjectInfo> {
      const all: ObjectInfo[] = [];
      for await (const info of inner.list(prefix, o)) all.push(info);
      yield* all.slice(0, Math.floor(all.length / 2));
    };
    yield* await this.#take(
      'list',
      prefix,
      o,
      async () => inner.list(prefix, o),
      async () => half(),
    );
  }

  async delete(key: string, o: Sig): Promise<void> {
    await this.#take('delete', key, o, () => this.#inner.delete(key, o));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#inner[Symbol.asyncDispose]();
  }

  async #take<T>(
    verb: Verb,
    key: string,
    o: Sig,
    act: () => Promise<T>,
    short: () => Promise<T> = act,
  ): Promise<T> {
    this.calls.push(`${verb} ${key}`.trimEnd());
    const step = this.#steps.get(verb)?.shift() ?? 'ok';
    switch (step) {
      case 'ok':
        return act();
      case 'short':
        return short();
      case 'lost':
        await act();
        throw new HoldfastError('unavailable', `the answer to ${verb} ${key} was lost, as scripted`);
      case 'hang':
        return hang(o.signal);
      default:
        throwIfAborted(o.signal);
        throw new HoldfastError(step, `${verb} ${key} fails as scripted`);
    }
  }
}

function hang(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const stop = (): void => reject(abortError(signal));
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
  });
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
