import { createHash } from 'node:crypto';
import type { WriteOptions } from '@holdfast/core';

export const largeKey = 'task/chain/large';
/** What the process that is killed does not get to send. */
export const restBytes = 1_000_003;

/** The same in every process. */
export function largeObject(size: number): Uint8Array {
  const block = createHash('sha512').update('large').digest();
  return Buffer.alloc(size).map((_, at) => (block[at % 64] as number) ^ (at >> 6) ^ (at >> 14));
}

export function promiseOf(bytes: Uint8Array): Pick<WriteOptions, 'resumable' | 'sizeBytes' | 'sha256'> {
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { resumable: true, sizeBytes: bytes.length, sha256 };
}
