import { type Entry, HoldfastError, type Revision } from '@holdfast/core';
import type { KeyValue } from './etcd.generated.ts';

/** The store's keys among all those of etcd: what they have before them there, and how they become bytes. */
export class KeySpace {
  readonly #prefix: string;
  readonly #prefixBytes: number;

  constructor(prefix: string) {
    this.#prefix = prefix;
    this.#prefixBytes = Buffer.byteLength(prefix);
  }

  key(key: string): Buffer {
    // Half a character would become another one, and so another key.
    if (!key.isWellFormed()) throw new HoldfastError('config_invalid', `a key with half a character: ${key}`);
    return Buffer.from(this.#prefix + key);
  }

  /** All keys with that prefix, as etcd has it: from the first to the one after the last. */
  range(prefix: string): { key: Buffer; rangeEnd: Buffer } {
    const key = this.key(prefix);
    const rangeEnd = Buffer.from(key);
    // No byte of UTF-8 is 255, so that there is always one more.
    rangeEnd[rangeEnd.length - 1] = (rangeEnd.at(-1) as number) + 1;
    return { key, rangeEnd };
  }

  keyOf(pair: KeyValue): string {
    return textOf(pair.key.subarray(this.#prefixBytes));
  }

  entryOf(pair: KeyValue): Entry {
    return { key: this.keyOf(pair), value: textOf(pair.value), revision: revisionOf(pair.modRevision) };
  }
}

/** @throws HoldfastError internal, when it is beyond what a number holds exactly: after 9·10¹⁵ changes */
export function revisionOf(revision: bigint): Revision {
  const number = Number(revision);
  if (Number.isSafeInteger(number)) return number;
  throw new HoldfastError('internal', `etcd is at revision ${revision}, which is beyond our numbers`);
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}
