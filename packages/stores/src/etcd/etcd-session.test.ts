import { create } from '@bufbuild/protobuf';
import { HoldfastError } from '@holdfast/core';
import { FakeClock } from '@holdfast/testing';
import { expect, test } from 'vitest';
import {
  LeaseGrantResponseSchema,
  LeaseKeepAliveResponseSchema,
  LeaseRevokeResponseSchema,
  RangeResponseSchema,
} from './etcd.generated.ts';
import type { Call } from './etcd-calls.ts';
import type { EtcdMember } from './etcd-member.ts';
import { EtcdSession, type EtcdSessionParts } from './etcd-session.ts';
import { KeySpace } from './key-space.ts';

const { signal } = new AbortController();
const ttlMs = 8_000;

/** A member that answers as it is told, on a clock that stands still unless it is moved. */
class Bench {
  readonly clock = new FakeClock();
  beats = 0;
  revoked = 0;
  askedTtl = 0n;
  beat: () => Promise<{ ttl: bigint; term: bigint }> = async () => ({ ttl: 9n, term: 7n });
  readTerm = 7n;
  isReachable = true;

  open(): Promise<EtcdSession> {
    const terms = { signal, headers: {} };
    const member = this.#member();
    const run = async <T>(call: Call<T>): Promise<T> => {
      if (!this.isReachable) throw new HoldfastError('unavailable', 'not reachable');
      return call.run(member, terms);
    };
    const calls: EtcdSessionParts['calls'] = {
      callMaxMs: 5_000,
      members: 1,
      once: run,
      attempt: (call) =>
        run(call).then(
          (value) => ({ value }),
          (error) => ({ error: HoldfastError.from(error), at: 'call', isLate: false, url: 'http://fake' }),
        ),
    };
    const parts = { calls, clock: this.clock, keys: new KeySpace('/'), ended: () => {} };
    return EtcdSession.open(parts, { signal, ttlMs });
  }

  #member(): EtcdMember {
    const bench = this;
    return {
      lease: {
        leaseGrant: async ({ TTL }: { TTL: bigint }) => {
          bench.askedTtl = TTL;
          return create(LeaseGrantResponseSchema, { TTL });
        },
        async *leaseKeepAlive() {
          bench.beats += 1;
          const { ttl, term } = await bench.beat();
          yield create(LeaseKeepAliveResponseSchema, { TTL: ttl, header: { raftTerm: term } });
        },
        leaseRevoke: async () => {
          bench.revoked += 1;
          return create(LeaseRevokeResponseSchema);
        },
      },
      kv: { range: async () => create(RangeResponseSchema, { header: { raftTerm: bench.readTerm } }) },
    } as unknown as EtcdMember;
  }
}

async function pass(bench: Bench, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 100) await bench.clock.advance(100);
}

test('etcd is asked for more time than the owner takes for itself', async () => {
  const bench = new Bench();
  await using _ = await bench.open();
  expect(Number(bench.askedTtl) * 1_000).toBeGreaterThanOrEqual(1.1 * ttlMs);
});

test('a session lives for as long as signs of life are answered, and ends with the first that say it is gone', async () => {
  const bench = new Bench();
  await using session = await bench.open();
  await pass(bench, 10 * ttlMs);
  expect(session.signal.aborted).toBe(false);
  bench.beat = async () => ({ ttl: 0n, term: 7n });
  await pass(bench, ttlMs / 2);
  expect(session.signal.reason).toMatchObject({ code: 'lease_lost' });
});

test('the time counts from when a sign of life was sent, not from its answer', async () => {
  const bench = new Bench();
  await using session = await bench.open();
  const answer = Promise.withResolvers<{ ttl: bigint; term: bigint }>();
  bench.beat = () => answer.promise;
  await pass(bench, ttlMs / 4);
  expect(bench.beats).toBe(1);
  await pass(bench, ttlMs / 2);
  bench.isReachable = false;
  answer.resolve({ ttl: 9n, term: 7n });
  await pass(bench, ttlMs / 2 - 100);
  expect(session.signal.aborted).toBe(false);
  await pass(bench, 100);
  expect(session.signal.reason).toMatchObject({ code: 'lease_lost' });
});

test('a sign of life that an old leader may have answered does not count', async () => {
  const bench = new Bench();
  await using session = await bench.open();
  bench.readTerm = 8n;
  await pass(bench, ttlMs - 100);
  expect(bench.beats).toBeGreaterThan(1);
  expect(session.signal.aborted).toBe(false);
  await pass(bench, 100);
  expect(session.signal.aborted).toBe(true);
});

test('when nobody can be reached the session ends at its time, and a put under it is refused', async () => {
  const bench = new Bench();
  await using session = await bench.open();
  bench.isReachable = false;
  await pass(bench, ttlMs - 100);
  expect(() => session.demandAlive()).not.toThrow();
  await pass(bench, 100);
  expect(() => session.demandAlive()).toThrow(expect.objectContaining({ code: 'lease_lost' }));
  expect(bench.revoked).toBe(0);
});

test('an owner whose timer is late knows when he looks', async () => {
  const bench = new Bench();
  await using session = await bench.open();
  bench.isReachable = false;
  const elapsed = bench.clock.elapsed.bind(bench.clock);
  // Its process stood still: the clock went on, and no timer has fired yet.
  bench.clock.elapsed = () => elapsed() + ttlMs;
  expect(session.signal.aborted).toBe(false);
  expect(() => session.demandAlive()).toThrow(expect.objectContaining({ code: 'lease_lost' }));
  expect(session.signal.aborted).toBe(true);
});

test('a session that is disposed is revoked, once', async () => {
  const bench = new Bench();
  const session = await bench.open();
  await session[Symbol.asyncDispose]();
  await session[Symbol.asyncDispose]();
  expect(bench.revoked).toBe(1);
  expect(bench.clock.sleeping).toBe(0);
});

test('a time to live that is none is refused', async () => {
  for (const wrong of [0, 99, 1.5, Number.NaN]) {
    const parts = {} as EtcdSessionParts;
    await expect(EtcdSession.open(parts, { signal, ttlMs: wrong })).rejects.toMatchObject({
      code: 'config_invalid',
    });
  }
});
