import { type Destination, HoldfastError, SystemClock } from '@holdfast/core';
import {
  bodyOf,
  collect,
  describeDestination,
  FakeClock,
  failing,
  MemoryDestination,
  reopen,
  seededBytes,
  sha256Of,
} from '@holdfast/testing';
import { expect, test } from 'vitest';
import { tellUnsent } from '../body.ts';
import { RateLimit } from './rate-limit.ts';
import { withRateLimit } from './throttle.ts';
import { wrapDestination } from './wrap-destination.ts';

const { signal } = new AbortController();
const bytes = seededBytes(1_000_000, 1);

describeDestination(
  'throttle',
  async () => {
    const limit = new RateLimit({ bytesPerSecond: 1e10 }, new SystemClock());
    return withRateLimit(new MemoryDestination(), { write: [limit], read: [limit] });
  },
  { largeBytes: 1_000_000 },
);

function limited(bytesPerSecond: number, clock: FakeClock): { limit: RateLimit; place: Destination } {
  const limit = new RateLimit({ bytesPerSecond }, clock);
  return { limit, place: withRateLimit(new MemoryDestination(), { write: [limit], read: [limit] }) };
}

/** How many seconds have passed when it is done. */
async function seconds(clock: FakeClock, act: () => Promise<unknown>): Promise<number> {
  const startedMs = clock.elapsed();
  let done = false;
  const acting = act().finally(() => {
    done = true;
  });
  while (!done) await clock.advance(100);
  await acting;
  return (clock.elapsed() - startedMs) / 1000;
}

test('a body is written, and read, at the rate, and arrives as it is', async () => {
  const clock = new FakeClock();
  const { place } = limited(100_000, clock);
  const write = (): Promise<unknown> =>
    place.write('a', bodyOf(bytes), { signal, sha256: sha256Of(bytes), ifAbsent: true });
  expect(await seconds(clock, write)).toBeCloseTo(10, 0);
  let read: Uint8Array = new Uint8Array();
  const take = async (): Promise<void> => {
    read = await collect(place.read('a', { signal }));
  };
  expect(await seconds(clock, take)).toBeCloseTo(10, 0);
  expect(sha256Of(read)).toBe(sha256Of(bytes));
});

test('writers at the same time share the rate, and all end at about the same time', async () => {
  const clock = new FakeClock();
  const { place } = limited(100_000, clock);
  const ends: number[] = [];
  await seconds(clock, () =>
    Promise.all(
      ['a', 'b', 'c'].map(async (key) => {
        await place.write(key, bodyOf(bytes), { signal });
        ends.push(clock.elapsed() / 1000);
      }),
    ),
  );
  for (const end of ends) expect(end).toBeCloseTo(30, -0.5);
});

test('two destinations of a node keep their own limits and the common one', async () => {
  const clock = new FakeClock();
  const node = new RateLimit({ bytesPerSecond: 100_000 }, clock);
  const ownLimits = [20_000, 1_000_000].map((rate) => new RateLimit({ bytesPerSecond: rate }, clock));
  const ends: number[] = [];
  await seconds(clock, () =>
    Promise.all(
      ownLimits.map(async (own, i) => {
        const place = withRateLimit(new MemoryDestination(), { write: [own, node] });
        await place.write('a', bodyOf(bytes), { signal });
        ends[i] = clock.elapsed() / 1000;
      }),
    ),
  );
  expect(ends[0]).toBeCloseTo(50, -0.5);
  // It gets what the slow one leaves: 80 000 bytes per second.
  expect(ends[1]).toBeCloseTo(12.5, -0.5);
});

test('blocks are split, so that a large one does not go at once', async () => {
  const clock = new FakeClock();
  const { limit } = limited(100_000, clock);
  expect(limit.pieceBytes).toBe(25_000);
  const sizes: number[] = [];
  const inner = Object.create(new MemoryDestination(), {
    write: {
      value: async (key: string, body: AsyncIterable<Uint8Array>) => {
        for await (const block of body) sizes.push(block.length);
        return { key, bytes: bytes.length };
      },
    },
  }) as Destination;
  const slow = withRateLimit(inner, { write: [limit] });
  await seconds(clock, () => slow.write('a', bodyOf(bytes, bytes.length), { signal }));
  expect(new Set(sizes)).toEqual(new Set([25_000]));
});

test('an abort ends a wait for the rate, for its reason, and nothing is stored', async () => {
  const clock = new FakeClock();
  const { place } = limited(10, clock);
  const controller = new AbortController();
  const reason = new HoldfastError('lease_lost', 'another node is responsible now');
  const writing = place.write('a', bodyOf(bytes), { signal: controller.signal });
  const outcome = expect(writing).rejects.toBe(reason);
  await clock.advance(5000);
  controller.abort(reason);
  await outcome;
  expect(await place.stat('a', { signal })).toBeUndefined();
});

test('what a driver compares and does not send costs nothing', async () => {
  const clock = new FakeClock();
  const limit = new RateLimit({ bytesPerSecond: 1000 }, clock);
  const inner = new MemoryDestination();
  const comparing = Object.create(inner, {
    write: {
      value: async (key: string, body: AsyncIterable<Uint8Array>) => {
        let taken = 0;
        for await (const block of body) {
          taken += block.length;
          if (taken <= 990_000) tellUnsent(body, block.length);
        }
        return { key, bytes: taken };
      },
    },
  }) as Destination;
  const place = wrapDestination(comparing, { clock, rate: { write: [limit] } });
  expect(await seconds(clock, () => place.write('a', bodyOf(bytes), { signal }))).toBeCloseTo(10, 0);
});

test('a rate so low that a block takes hours is not taken for a destination that stands still', async () => {
  const clock = new FakeClock();
  const limit = new RateLimit({ bytesPerSecond: 1 }, clock);
  const notices: unknown[] = [];
  const place = wrapDestination(new MemoryDestination(), {
    clock,
    rate: { write: [limit], read: [limit] },
    retry: { onRetry: (notice) => notices.push(notice) },
  });
  const small = bytes.subarray(0, 5000);
  const write = place.write('a', bodyOf(small), { signal });
  await clock.advance(6000_000);
  expect(await write).toMatchObject({ bytes: 5000 });
  const read = collect(place.read('a', { signal }));
  await clock.advance(6000_000);
  expect(await read).toHaveLength(5000);
  expect(notices).toEqual([]);
});

test('each attempt pays for what it sends, and a body that is read only once is not sent twice', async () => {
  const clock = new FakeClock();
  const limit = new RateLimit({ bytesPerSecond: 100_000 }, clock);
  const script = { write: ['lost'] } as const;
  const wrap = (): Destination =>
    wrapDestination(failing(new MemoryDestination(), script), { clock, rate: { write: [limit] } });
  expect(await seconds(clock, () => wrap().write('a', bodyOf(bytes), { signal }))).toBeGreaterThan(19);
  const once = (async function* () {
    yield* bodyOf(bytes);
  })();
  let outcome: unknown;
  await seconds(clock, () =>
    wrap()
      .write('a', once, { signal })
      .catch((error: unknown) => {
        outcome = error;
      }),
  );
  expect(outcome).toMatchObject({ code: 'unavailable' });
});

test('another thread gets limits of the same rates', async () => {
  const clock = new FakeClock();
  const { place } = limited(1e9, clock);
  await place.write('a', bodyOf(bytes), { signal });
  await using other = await reopen(place);
  expect(other.description).toBe(place.description);
  expect(other.token).toEqual(place.token);
  expect(await collect(other.read('a', { signal }))).toHaveLength(bytes.length);
});
