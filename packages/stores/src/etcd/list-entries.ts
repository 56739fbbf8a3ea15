import type { MessageInitShape } from '@bufbuild/protobuf';
import { type ClusterStore, type Entry, HoldfastError, type ListLimits, type Sig } from '@holdfast/core';
import { RangeRequest_SortOrder, type RangeRequestSchema, type RangeResponse } from './etcd.generated.ts';
import type { EtcdCalls } from './etcd-calls.ts';
import { type KeySpace, revisionOf } from './key-space.ts';

export type ListOptions = Sig & ListLimits;

interface ListParts {
  readonly calls: Pick<EtcdCalls, 'repeatable'>;
  readonly keys: KeySpace;
}

/** An answer has so many entries at most, and is meant to have so many bytes: values are up to a mebibyte each. */
const pageEntriesMax = 500;
const pageEntriesFirst = 100;
const pageBytesWanted = 1024 * 1024;

const attemptsMax = 5;

/** All pages at the revision of the first one. */
export async function listEntries(
  parts: ListParts,
  prefix: string,
  o: ListOptions,
): Promise<Awaited<ReturnType<ClusterStore['list']>>> {
  checkLimits(o);
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await listOnce(parts, prefix, o);
    } catch (error) {
      // That revision is no longer kept: a later one will do as well.
      const isForgotten = error instanceof HoldfastError && error.code === 'out_of_range';
      if (!isForgotten || attempt === attemptsMax) throw error;
    }
  }
}

async function listOnce(
  { calls, keys }: ListParts,
  prefix: string,
  { first, last, signal }: ListOptions,
): Promise<Awaited<ReturnType<ClusterStore['list']>>> {
  const backwards = last !== undefined;
  const wanted = last ?? first ?? Number.POSITIVE_INFINITY;
  const range = keys.range(prefix);
  const read = (request: MessageInitShape<typeof RangeRequestSchema>): Promise<RangeResponse> =>
    calls.repeatable({ what: 'list from etcd', signal, run: ({ kv }, terms) => kv.range(request, terms) });
  if (wanted === 0) {
    const { header } = await read({ ...range, countOnly: true });
    return { entries: [], revision: revisionOf(header?.revision ?? 0n) };
  }
  const entries: Entry[] = [];
  let revision = 0n;
  for (let size = pageEntriesFirst; ; ) {
    const page = await read({
      ...range,
      revision,
      limit: BigInt(Math.min(size, wanted - entries.length)),
      sortOrder: backwards ? RangeRequest_SortOrder.DESCEND : RangeRequest_SortOrder.NONE,
    });
    if (revision === 0n) revision = page.header?.revision ?? 0n;
    let bytes = 0;
    for (const pair of page.kvs) {
      entries.push(keys.entryOf(pair));
      bytes += pair.value.length;
    }
    const end = page.kvs.at(-1)?.key;
    if (!page.more || entries.length >= wanted || !end) break;
    if (backwards) range.rangeEnd = Buffer.from(end);
    else range.key = after(end);
    size = Math.ceil(Math.min(pageEntriesMax, 4 * size, (size * pageBytesWanted) / (bytes + 1)));
  }
  return { entries: backwards ? entries.reverse() : entries, revision: revisionOf(revision) };
}

/** The first key after that one. */
function after(key: Uint8Array): Buffer {
  return Buffer.concat([key, Buffer.of(0)]);
}

function checkLimits({ first, last }: ListLimits): void {
  for (const limit of [first, last]) {
    if (limit === undefined || (Number.isSafeInteger(limit) && limit >= 0)) continue;
    throw new HoldfastError('config_invalid', `a list of ${limit} keys`);
  }
  if (first !== undefined && last !== undefined) {
    throw new HoldfastError('config_invalid', 'a list has its first keys or its last ones, not both');
  }
}
