import { storeLimits } from '@holdfast/core';

/** A put, or without a value a delete. */
export interface KeyChange {
  readonly key: string;
  readonly value?: string | undefined;
}

/** Of one request etcd takes one and a half megabytes: with a batch there is room for a value of the largest kind. */
const bytesMax = storeLimits.valueBytesMax / 2;

/** Changes as so many transactions; `reserve` operations of each are left for others. */
export function batches(changes: readonly KeyChange[], reserve = 0): readonly (readonly KeyChange[])[] {
  const result: KeyChange[][] = [];
  let bytes = 0;
  for (const change of changes) {
    const size = Buffer.byteLength(change.key) + Buffer.byteLength(change.value ?? '');
    const last = result.at(-1);
    if (last && last.length < storeLimits.operationsMax - reserve && bytes + size <= bytesMax) {
      last.push(change);
      bytes += size;
    } else {
      result.push([change]);
      bytes = size;
    }
  }
  return result;
}

export function transactionOf(changes: readonly KeyChange[]): {
  readonly puts: readonly { readonly key: string; readonly value: string }[];
  readonly deletes: readonly string[];
} {
  return {
    puts: changes.flatMap(({ key, value }) => (value === undefined ? [] : [{ key, value }])),
    deletes: changes.flatMap(({ key, value }) => (value === undefined ? [key] : [])),
  };
}
