import { randomUUID } from 'node:crypto';
import {
  type ByteRange,
  type Destination,
  type DriverToken,
  HoldfastError,
  type ObjectInfo,
  type Sig,
  throwIfAborted,
  type WriteOptions,
} from '@holdfast/core';
import { checked } from './checked.ts';
import { tapeError } from './errors.ts';
import { assertKey } from './keys.ts';
import { type Recording, TapeFile } from './tape-file.ts';
import type { TapeLocation } from './url.ts';

export interface TapeOptions extends TapeLocation {
  /** `repositoryId` as it was when this tape was last used. */
  readonly expectedId?: string | undefined;
}

/** A place in a single file: what its neighbours do by servers, as small as the port allows. */
export class TapeDestination implements Destination {
  readonly type = 'tape';
  readonly features = { conditionalWrite: true, rangedRead: true } as const;
  readonly description: string;
  readonly #options: TapeOptions;
  #tape: TapeFile | undefined;
  #repositoryId: string | undefined;

  constructor(options: TapeOptions) {
    this.#options = options;
    this.description = `tape:${options.file}`;
  }

  get repositoryId(): string | undefined {
    return this.#repositoryId;
  }

  get token(): DriverToken {
    return { module: new URL('./worker.ts', import.meta.url).href, data: this.#options };
  }

  async prepare(o: Sig): Promise<readonly string[]> {
    throwIfAborted(o.signal);
    const { expectedId, label = '' } = this.#options;
    const found = this.#run((tape) => tape.identify({ id: expectedId ?? randomUUID(), label }));
    if (expectedId !== undefined && found.id !== expectedId)
      throw this.#other(`holds repository ${found.id}, but held ${expectedId} when it was last used`);
    if (label !== '' && found.label !== label)
      throw this.#other(`is labelled ${JSON.stringify(found.label)}`);
    this.#repositoryId = found.id;
    return [];
  }

  async write(key: string, body: AsyncIterable<Uint8Array>, o: WriteOptions): Promise<ObjectInfo> {
    assertKey(key);
    throwIfAborted(o.signal);
    if (o.ifAbsent && this.#run((tape) => tape.find(key))) throw this.#taken(key);
    const recording = this.#run((tape) => tape.begin(key));
    try {
      for await (const block of checked(body, { ...o, key })) this.#run(() => recording.add(block));
      throwIfAborted(o.signal);
      // One transaction, without a pause: from here on it is seen, and an abort comes too late.
      const isPublished = this.#run(() => recording.publish({ ifAbsent: o.ifAbsent ?? false }));
      if (!isPublished) throw this.#taken(key);
    } catch (error) {
      this.#run(() => recording.discard());
      throw error;
    }
    return { key, bytes: recording.bytes };
  }

  async *read(key: string, o: Sig & { readonly range?: ByteRange }): AsyncGenerator<Uint8Array> {
    assertKey(key);
    throwIfAborted(o.signal);
    const found = this.#run((tape) => tape.find(key));
    if (!found) throw new HoldfastError('not_found', `no object ${key} on ${this.description}`);
    const { start, length } = o.range ?? { start: 0, length: found.bytes };
    if (!(start >= 0 && length >= 0 && start + length <= found.bytes)) {
      const text = `${key} has ${found.bytes} bytes, asked for ${length} from ${start}`;
      throw new HoldfastError('out_of_range', text);
    }
    yield* this.#blocks(found, { start, length }, o);
  }

  async stat(key: string, o: Sig): Promise<ObjectInfo | undefined> {
    assertKey(key);
    throwIfAborted(o.signal);
    const found = this.#run((tape) => tape.find(key));
    return found && { key, bytes: found.bytes };
  }

  async *list(prefix: string, o: Sig): AsyncGenerator<ObjectInfo> {
    throwIfAborted(o.signal);
    for (let after = ''; ; ) {
      const page = this.#run((tape) => tape.page(prefix, after));
      for (const info of page) {
        throwIfAborted(o.signal);
        yield info;
      }
      const last = page.at(-1);
      if (last === undefined) return;
      after = last.key;
    }
  }

  async delete(key: string, o: Sig): Promise<void> {
    assertKey(key);
    throwIfAborted(o.signal);
    this.#run((tape) => tape.erase(key));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#tape?.[Symbol.dispose]();
    this.#tape = undefined;
  }

  async *#blocks(recording: Recording, range: ByteRange, o: Sig): AsyncGenerator<Uint8Array> {
    const end = range.start + range.length;
    for (let at = range.start; at < end; ) {
      throwIfAborted(o.signal);
      const block = this.#run((tape) => tape.blockAt(recording, at));
      if (!block)
        throw new HoldfastError('corrupt', `${recording.key} ended at byte ${at} while it was read`);
      const piece = block.subarray(0, end - at);
      at += piece.length;
      yield piece;
    }
  }

  /** The file is opened by the first call: a driver's `open` meets no tape yet. */
  #run<T>(act: (tape: TapeFile) => T): T {
    try {
      this.#tape ??= new TapeFile(this.#options.file);
      return act(this.#tape);
    } catch (error) {
      throw tapeError(error, this.description);
    }
  }

  #taken(key: string): HoldfastError {
    return new HoldfastError('conflict', `${key} is already there on ${this.description}`);
  }

  #other(what: string): HoldfastError {
    return new HoldfastError('precondition_failed', `${this.description} ${what}`, {
      hint: 'put in the right tape',
    });
  }
}
