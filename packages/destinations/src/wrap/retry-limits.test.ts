/** How long, how often and until when is tried again, and what the caller is told. */
import { type Destination, HoldfastError, type WriteOptions } from '@holdfast/core';
import {
  bodyOf,
  FakeClock,
  failing,
  gatedBody,
  MemoryDestination,
  type Script,
  seededBytes,
  sha256Of,
} from '@holdfast/testing';
import { expect, test } from 'vitest';
import { type RetryNotice, type RetryOptions, withRetries } from './retry.ts';
import { RetryBudget } from './retry-budget.ts';

const { signal } = new AbortController();
const mebibyte = 1_048_576;
const bytes = seededBytes(5 * mebibyte, 1);
const sure = { signal, ifAbsent: true, sizeBytes: bytes.length, sha256: sha256Of(bytes) };

interface Retrying {
  readonly place: Destination;
  readonly clock: FakeClock;
  readonly notices: RetryNotice[];
}

function retrying(inner: Destination, o: Partial<RetryOptions> = {}): Retrying {
  const clock = new FakeClock();
  const notices: RetryNotice[] = [];
  const onRetry = (notice: RetryNotice): void => void notices.push(notice);
  return { place: withRetries(inner, { clock, random: () => 0, onRetry, ...o }), clock, notices };
}

function scripted(script: Script): Destination {
  return failing(new MemoryDestination(), script);
}

/** A place where some calls are other than in memory. */
function changed(changes: Partial<Destination>): Destination {
  const inner = new MemoryDestination();
  return Object.defineProperties(
    Object.create(inner),
    Object.getOwnPropertyDescriptors(changes),
  ) as Destination;
}

/** A place whose `stat` fails so, each time. */
function failingStat(error: HoldfastError): Destination {
  return changed({ stat: () => Promise.reject(error) });
}

test('a destination that says when to come again is not asked sooner', async () => {
  const busy = new HoldfastError('unavailable', 'slow down', { retryAfterMs: 20_000 });
  const { place, clock, notices } = retrying(failingStat(busy), { random: () => 0.5 });
  const outcome = expect(place.stat('a', { signal })).rejects.toMatchObject({
    code: 'unavailable',
    retryAfterMs: 20_000,
  });
  await clock.advance(1_000_000);
  await outcome;
  // 20 s, and a bit more by chance; not the fraction of a second with which waits begin.
  expect(notices.map(({ waitMs }) => waitMs)).toEqual([21_000, 21_000, 21_000, 21_000]);
});

test('a destination that says to come again tomorrow is asked after five minutes', async () => {
  const busy = new HoldfastError('unavailable', 'slow down', { retryAfterMs: 86_400_000 });
  const { place, clock, notices } = retrying(failingStat(busy), { attemptsMax: 2 });
  const outcome = expect(place.stat('a', { signal })).rejects.toMatchObject({ code: 'unavailable' });
  await clock.advance(300_000);
  await outcome;
  expect(notices.map(({ waitMs }) => waitMs)).toEqual([300_000]);
});

test('what the caller is told is what the destination said last, and how often it was tried', async () => {
  const cause = new Error('socket hang up');
  const told = new HoldfastError('timeout', 'no answer', { hint: 'look at the router', cause });
  const { place, clock } = retrying(failingStat(told), { attemptsMax: 3 });
  const outcome = expect(place.stat('a', { signal })).rejects.toMatchObject({
    code: 'timeout',
    reason: 'no answer (tried 3 times)',
    hint: 'look at the router',
    cause: told,
  });
  await clock.advance(60_000);
  await outcome;
});

test('a budget of retries is shared by all that share it, and its end is told', async () => {
  const budget = new RetryBudget({ retriesMax: 3 });
  const two = { stat: ['unavailable', 'unavailable'] } as const;
  const first = retrying(scripted(two), { budget });
  const found = first.place.stat('a', { signal });
  await first.clock.advance(60_000);
  expect(await found).toBeUndefined();
  const second = retrying(scripted(two), { budget });
  const outcome = expect(second.place.stat('a', { signal })).rejects.toMatchObject({
    code: 'unavailable',
    reason: "stat a fails as scripted (tried 2 times; this run's 3 retries there are used up)",
  });
  await second.clock.advance(60_000);
  await outcome;
  expect(budget.retries).toBe(3);
});

test('a budget of time is not overdrawn', async () => {
  const busy = new HoldfastError('unavailable', 'slow down', { retryAfterMs: 40_000 });
  const budget = new RetryBudget({ waitMaxMs: 100_000 });
  const { place, clock } = retrying(failingStat(busy), { budget });
  const outcome = expect(place.stat('a', { signal })).rejects.toMatchObject({
    reason: 'slow down (tried 3 times; the 100 seconds that this run may wait for it are used up)',
  });
  await clock.advance(100_000);
  await outcome;
  expect(budget.waitedMs).toBe(80_000);
});

/** Writes that each get so far and then break off; what they are asked is noted. */
function breaking(
  sent: readonly number[],
  resumableWrite: boolean,
): { place: Destination; asked: WriteOptions[] } {
  const asked: WriteOptions[] = [];
  const place = changed({
    features: { conditionalWrite: true, rangedRead: true, resumableWrite },
    async write(key, body, o) {
      asked.push(o);
      const limit = sent[asked.length - 1] ?? Number.POSITIVE_INFINITY;
      let taken = 0;
      for await (const block of body) {
        taken += block.length;
        if (taken >= limit) throw new HoldfastError('unavailable', 'the line was cut');
      }
      return { key, bytes: taken };
    },
  });
  return { place, asked };
}

test('each attempt of a write is asked what the caller asked', async () => {
  const { place: inner, asked } = breaking([1], true);
  const { place, clock } = retrying(inner);
  const writing = place.write('a', bodyOf(bytes), { ...sure, resumable: true, hot: true });
  await clock.advance(60_000);
  await writing;
  const same = { ifAbsent: true, resumable: true, hot: true, sizeBytes: sure.sizeBytes, sha256: sure.sha256 };
  expect(asked).toEqual([expect.objectContaining(same), expect.objectContaining(same)]);
});

test('a resumable write that gets further each time is not given up', async () => {
  const further = [1, 2, 3, 4, 5].map((count) => count * mebibyte);
  const { place: inner, asked } = breaking(further, true);
  const { place, clock } = retrying(inner, { attemptsMax: 2 });
  const writing = place.write('a', bodyOf(bytes), { ...sure, resumable: true });
  await clock.advance(60_000);
  expect(await writing).toMatchObject({ bytes: bytes.length });
  expect(asked).toHaveLength(6);
});

test('one that stops at the same place each time is, and so is one that begins anew each time', async () => {
  for (const [sent, resumableWrite] of [
    [[mebibyte, mebibyte, mebibyte], true],
    [[mebibyte, 2 * mebibyte, 3 * mebibyte], false],
  ] as const) {
    const { place: inner, asked } = breaking(sent, resumableWrite);
    const { place, clock } = retrying(inner, { attemptsMax: 2 });
    const writing = place.write('a', bodyOf(bytes), { ...sure, resumable: true });
    const outcome = expect(writing).rejects.toMatchObject({ code: 'unavailable' });
    await clock.advance(60_000);
    await outcome;
    expect(asked).toHaveLength(2);
  }
});

test('a body that takes hours for a block is not the destination standing still', async () => {
  const { place, clock, notices } = retrying(new MemoryDestination());
  const body = gatedBody(bytes, bytes);
  const writing = place.write('a', body, { signal });
  await body.reached;
  await clock.advance(10 * 3_600_000);
  body.open();
  expect(await writing).toMatchObject({ bytes: 2 * bytes.length });
  expect(notices).toEqual([]);
});

test('no attempt begins before the one that timed out has ended', async () => {
  const log: string[] = [];
  const release = Promise.withResolvers<void>();
  const inner = changed({
    async stat(_, o) {
      log.push('begins');
      if (log.length > 1) return undefined;
      await new Promise((resolve) => o.signal.addEventListener('abort', resolve, { once: true }));
      log.push('is told to stop');
      await release.promise;
      log.push('has closed its connection');
      throw o.signal.reason;
    },
  });
  const { place, clock } = retrying(inner);
  const found = place.stat('a', { signal });
  await clock.advance(310_000);
  expect(log).toEqual(['begins', 'is told to stop']);
  release.resolve();
  await clock.advance(10_000);
  await found;
  expect(log).toEqual(['begins', 'is told to stop', 'has closed its connection', 'begins']);
});

test('one that does not end when told to is left behind, and nothing is tried again', async () => {
  let calls = 0;
  const deaf = changed({
    stat: () => {
      calls += 1;
      return new Promise(() => undefined);
    },
  });
  const { place, clock } = retrying(deaf);
  const outcome = expect(place.stat('a', { signal })).rejects.toMatchObject({ code: 'internal' });
  await clock.advance(331_000);
  await outcome;
  // Nor is it waited for for ever when the caller gives up.
  const controller = new AbortController();
  const reason = new HoldfastError('lease_lost', 'another node is responsible now');
  const aborted = place.stat('a', { signal: controller.signal });
  const given = expect(aborted).rejects.toMatchObject({ code: 'internal', cause: reason });
  controller.abort(reason);
  await clock.advance(31_000);
  await given;
  expect(calls).toBe(2);
});

test('after a lost answer, a place that may not be read says that there is a conflict', async () => {
  const inner = scripted({ write: ['lost'], stat: ['permission_denied'] });
  const { place, clock } = retrying(inner);
  const outcome = expect(place.write('a', bodyOf(bytes), sure)).rejects.toMatchObject({ code: 'conflict' });
  await clock.advance(60_000);
  await outcome;
});

test('asking for cold objects is tried again, and what there is to choose from is passed on', async () => {
  const asked: unknown[] = [];
  const ways = [
    { storageClass: 'GLACIER', tier: 'bulk', wait: '12 hours', waitMsMax: 1, cost: 'cheap' },
  ] as const;
  const inner = changed({
    cold: {
      ways,
      minimumDays: { GLACIER: 90 },
      async thaw(key, o) {
        asked.push([key, o.tier, o.days]);
        if (asked.length < 3) throw new HoldfastError('unavailable', 'slow down');
      },
    },
  });
  const { place, clock } = retrying(inner);
  expect(place.cold).toMatchObject({ ways, minimumDays: { GLACIER: 90 } });
  const thawing = place.cold?.thaw('a', { signal, tier: 'bulk', days: 3 });
  await clock.advance(60_000);
  await thawing;
  expect(asked).toEqual(Array(3).fill(['a', 'bulk', 3]));
  expect(retrying(new MemoryDestination()).place.cold).toBeUndefined();
});
