import { createHash } from 'node:crypto';
import {
  type ByteRange,
  type Destination,
  type DestinationFeatures,
  type DriverToken,
  HoldfastError,
  type ObjectInfo,
  type Sig,
  type WriteOptions,
} from '@holdfast/core';

interface Stored {
  readonly bytes: Buffer;
  readonly modifiedAtMs: number;
}

type Place = Map<string, Stored>;

/** Places by name, so that a token opens the same one. Threads have their own. */
const places = new Map<string, Place>();
const readBlockBytes = 65_536;
let written = 0;

/** A destination in this thread's memory, under the same contract as the real ones. */
export class MemoryDestination implements Destination {
  readonly type = 'memory';
  readonly features: DestinationFeatures = { conditionalWrite: true, rangedRead: true };
  readonly description: string;
  readonly token: DriverToken;
  /** What is stored, to look at and to damage in tests. */
  readonly objects: Place;

  /** Two with the same name are the same place. */
  constructor(name: string = crypto.randomUUID()) {
    this.description = `memory:${name}`;
    this.token = { module: import.meta.url, data: { name } };
    this.objects = places.get(name) ?? new Map();
    places.set(name, this.objects);
  }

  async prepare(o: Sig): Promise<readonly string[]> {
    throwIfAborted(o.signal);
    return [];
  }

  async write(key: string, body: AsyncIterable<Uint8Array>, o: WriteOptions): Promise<ObjectInfo> {
    assertKey(key);
    throwIfAborted(o.signal);
    this.#assertAbsent(key, o);
    const parts: Uint8Array[] = [];
    await drain(body, o.signal, (block) => parts.push(block.slice()));
    const bytes = Buffer.concat(parts);
    if (o.sizeBytes !== undefined && o.sizeBytes !== bytes.length) {
      throw new HoldfastError(
        'corrupt',
        `${key} should have ${o.sizeBytes} bytes, its body has ${bytes.length}`,
      );
    }
    if (o.sha256 !== undefined && o.sha256 !== createHash('sha256').update(bytes).digest('hex')) {
      throw new HoldfastError('corrupt', `the body of ${key} has another SHA-256 than was said`);
    }
    this.#assertAbsent(key, o);
    written += 1;
    const stored = { bytes, modifiedAtMs: written };
    this.objects.set(key, stored);
    return infoOf(key, stored);
  }

  async *read(key: string, o: Sig & { readonly range?: ByteRange }): AsyncGenerator<Uint8Array> {
    assertKey(key);
    throwIfAborted(o.signal);
    const stored = this.objects.get(key);
    if (!stored) throw new HoldfastError('not_found', `no object ${key} in ${this.description}`);
    const { start, length } = o.range ?? { start: 0, length: stored.bytes.length };
    if (start < 0 || length < 0 || start + length > stored.bytes.length) {
      throw new HoldfastError(
        'out_of_range',
        `${key} has ${stored.bytes.length} bytes, asked for ${length} from ${start}`,
      );
    }
    for (let at = start; at < start + length; at += readBlockBytes) {
      throwIfAborted(o.signal);
      yield Buffer.from(stored.bytes.subarray(at, Math.min(at + readBlockBytes, start + length)));
    }
  }

  async stat(key: string, o: Sig): Promise<ObjectInfo | undefined> {
    assertKey(key);
    throwIfAborted(o.signal);
    const stored = this.objects.get(key);
    return stored && infoOf(key, stored);
  }

  async *list(prefix: string, o: Sig): AsyncGenerator<ObjectInfo> {
    for (const [key, stored] of [...this.objects]) {
      throwIfAborted(o.signal);
      if (key.startsWith(prefix)) yield infoOf(key, stored);
    }
    throwIfAborted(o.signal);
  }

  async delete(key: string, o: Sig): Promise<void> {
    assertKey(key);
    throwIfAborted(o.signal);
    this.objects.delete(key);
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  #assertAbsent(key: string, o: WriteOptions): void {
    if (o.ifAbsent && this.objects.has(key)) {
      throw new HoldfastError('conflict', `${key} is already there in ${this.description}`);
    }
  }
}

export async function openDestination(data: unknown, o: Sig): Promise<Destination> {
  throwIfAborted(o.signal);
  return new MemoryDestination((data as { name: string }).name);
}

function infoOf(key: string, stored: Stored): ObjectInfo {
  return { key, bytes: stored.bytes.length, modifiedAtMs: stored.modifiedAtMs };
}

function assertKey(key: string): void {
  const bad = key.split('/').some((part) => part === '' || part === '.' || part === '..');
  if (bad) throw new HoldfastError('config_invalid', `not a key: ${JSON.stringify(key)}`);
}

function abortError(signal: AbortSignal): HoldfastError {
  const reason: unknown = signal.reason;
  if (reason instanceof HoldfastError) return reason;
  return new HoldfastError('cancelled', 'stopped on request', { cause: reason });
}

function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw abortError(signal);
}

/** Takes every block, and stops waiting for one that never comes when the signal aborts. */
async function drain(
  body: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
  take: (block: Uint8Array) => void,
): Promise<void> {
  const iterator = body[Symbol.asyncIterator]();
  const aborted = Promise.withResolvers<never>();
  aborted.promise.catch(() => undefined);
  const stop = (): void => aborted.reject(abortError(signal));
  signal.addEventListener('abort', stop, { once: true });
  let ended = false;
  try {
    for (;;) {
      const step = await Promise.race([iterator.next(), aborted.promise]);
      throwIfAborted(signal);
      if (step.done) {
        ended = true;
        return;
      }
      take(step.value);
    }
  } finally {
    signal.removeEventListener('abort', stop);
    // Not awaited: a body that hangs would hang here too.
    if (!ended) void iterator.return?.().catch(() => undefined);
  }
}
