import { SystemClock } from '@holdfast/core';
import {
  bodyOf,
  collect,
  describeDestination,
  FakeClock,
  failing,
  listedKeys,
  MemoryDestination,
  seededBytes,
} from '@holdfast/testing';
import { expect, test } from 'vitest';
import { tellUnsent } from '../body.ts';
import { DestinationMeter, withMeter } from './meter.ts';
import { RateLimit } from './rate-limit.ts';
import { wrapDestination } from './wrap-destination.ts';

const { signal } = new AbortController();
const bytes = seededBytes(300_000, 1);
const none = { prepare: 0, write: 0, read: 0, stat: 0, list: 0, delete: 0, thaw: 0 };

describeDestination('meter', async () => withMeter(new MemoryDestination(), new DestinationMeter()), {
  largeBytes: 1_000_000,
});

describeDestination(
  'all wrappers together',
  async () => {
    const clock = new SystemClock();
    const limit = new RateLimit({ bytesPerSecond: 1e10 }, clock);
    const script = { write: ['unavailable'], read: ['timeout'], list: ['unavailable'] } as const;
    return wrapDestination(failing(new MemoryDestination(), script), {
      clock,
      meter: new DestinationMeter(),
      rate: { write: [limit], read: [limit] },
      retry: { waitFirstMs: 1 },
    });
  },
  { largeBytes: 1_000_000 },
);

test('what was asked, and what went through, is counted', async () => {
  const meter = new DestinationMeter();
  const place = withMeter(new MemoryDestination(), meter);
  expect(meter.counts).toEqual({
    bytesWritten: 0,
    bytesRead: 0,
    calls: none,
    failures: {},
    retries: 0,
    waitedMs: 0,
  });
  await place.prepare({ signal });
  await place.write('a', bodyOf(bytes), { signal });
  await collect(place.read('a', { signal, range: { start: 7, length: 1000 } }));
  await place.stat('a', { signal });
  await listedKeys(place);
  await place.delete('a', { signal });
  await expect(collect(place.read('a', { signal }))).rejects.toMatchObject({ code: 'not_found' });
  expect(meter.counts).toMatchObject({
    bytesWritten: 300_000,
    bytesRead: 1000,
    calls: { prepare: 1, write: 1, read: 2, stat: 1, list: 1, delete: 1, thaw: 0 },
    failures: { not_found: 1 },
  });
});

test('attempts are counted one by one, and retries with their waits', async () => {
  const meter = new DestinationMeter();
  const clock = new FakeClock();
  const told: number[] = [];
  const inner = failing(new MemoryDestination(), {
    write: ['lost', 'unavailable'],
    stat: Array(9).fill('timeout'),
  });
  const place = wrapDestination(inner, {
    clock,
    meter,
    retry: { random: () => 1, onRetry: ({ waitMs }) => told.push(waitMs) },
  });
  const writing = place.write('a', bodyOf(bytes), { signal });
  await clock.advance(60_000);
  await writing;
  const outcome = expect(place.stat('a', { signal })).rejects.toMatchObject({ code: 'timeout' });
  await clock.advance(60_000);
  await outcome;
  expect(told).toEqual([500, 1000, 500, 1000, 2000, 4000]);
  expect(meter.counts).toEqual({
    bytesWritten: 600_000,
    bytesRead: 0,
    calls: { ...none, write: 3, stat: 5 },
    failures: { unavailable: 2, timeout: 5 },
    retries: 6,
    waitedMs: 9000,
  });
});

test('what was there already is not counted as written', async () => {
  const meter = new DestinationMeter();
  const inner = Object.create(new MemoryDestination(), {
    write: {
      value: async (key: string, body: AsyncIterable<Uint8Array>) => {
        for await (const block of body) tellUnsent(body, block.length - 1);
        return { key, bytes: bytes.length };
      },
    },
  });
  await withMeter(inner, meter).write('a', bodyOf(bytes, 100_000), { signal });
  expect(meter.counts.bytesWritten).toBe(3);
});

test('counts that were taken do not change any more', async () => {
  const meter = new DestinationMeter();
  const place = withMeter(new MemoryDestination(), meter);
  const before = structuredClone(meter.counts);
  const taken = meter.counts;
  await place.stat('a', { signal });
  expect(taken).toEqual(before);
});
