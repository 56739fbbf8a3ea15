import { create } from '@bufbuild/protobuf';
import { HoldfastError } from '@holdfast/core';
import { expect, test } from 'vitest';
import { type RangeRequest, type RangeResponse, RangeResponseSchema } from './etcd.generated.ts';
import type { Answered, Call } from './etcd-calls.ts';
import type { EtcdMember } from './etcd-member.ts';
import { KeySpace } from './key-space.ts';
import { listEntries } from './list-entries.ts';

const { signal } = new AbortController();

/** A member that has so many entries, and answers with a function of ours. */
function listing(range: (request: RangeRequest) => RangeResponse) {
  const requests: RangeRequest[] = [];
  const member = {
    kv: {
      range: async (request: RangeRequest) => {
        requests.push({ ...request });
        return range(request);
      },
    },
  } as unknown as EtcdMember;
  const calls = {
    repeatable: <T extends Answered>(call: Call<T>): Promise<T> => call.run(member, { signal, headers: {} }),
  };
  const list = () => listEntries({ calls, keys: new KeySpace('/p/') }, '', { signal });
  return { requests, list };
}

function page(count: number, o: { readonly from: number; readonly bytes: number; readonly more: boolean }) {
  return create(RangeResponseSchema, {
    header: { revision: 50n },
    more: o.more,
    kvs: Array.from({ length: count }, (_, i) => ({
      key: Buffer.from(`/p/${o.from + i}`),
      value: Buffer.alloc(o.bytes),
      modRevision: 5n,
    })),
  });
}

test('pages of large entries become small ones, and of small entries large ones, up to a limit', async () => {
  const sizes = async (bytes: number): Promise<number[]> => {
    let from = 10_000;
    const { requests, list } = listing(({ limit }) => {
      from += Number(limit);
      return page(Number(limit), { from: from - Number(limit), bytes, more: requests.length < 6 });
    });
    await list();
    return requests.map(({ limit }) => Number(limit));
  };
  expect(await sizes(10)).toEqual([100, 400, 500, 500, 500, 500]);
  expect((await sizes(200_000)).slice(1)).toEqual([6, 6, 6, 6, 6]);
  expect((await sizes(1024 * 1024)).slice(1)).toEqual([1, 1, 1, 1, 1]);
});

test('all pages are read at the revision of the first; when that is forgotten meanwhile the list begins anew', async () => {
  let forgotten = 2;
  const { requests, list } = listing(({ revision }) => {
    if (revision === 0n) return page(100, { from: 100, bytes: 1, more: true });
    if (forgotten > 0) {
      forgotten -= 1;
      throw new HoldfastError('out_of_range', 'compacted');
    }
    return page(10, { from: 200, bytes: 1, more: false });
  });
  const { entries, revision } = await list();
  expect([entries.length, revision]).toEqual([110, 50]);
  expect(requests.map((request) => request.revision)).toEqual([0n, 50n, 0n, 50n, 0n, 50n]);
});

test('a revision that is forgotten again and again ends the list with out_of_range', async () => {
  const { list } = listing(({ revision }) => {
    if (revision === 0n) return page(100, { from: 100, bytes: 1, more: true });
    throw new HoldfastError('out_of_range', 'compacted');
  });
  await expect(list()).rejects.toMatchObject({ code: 'out_of_range' });
});
