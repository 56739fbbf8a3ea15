import { type Destination, HoldfastError, SystemClock } from '@holdfast/core';
import {
  bodyOf,
  collect,
  describeDestination,
  FakeClock,
  failing,
  listedKeys,
  MemoryDestination,
  type Script,
  seededBytes,
  sha256Of,
} from '@holdfast/testing';
import { expect, test } from 'vitest';
import { type RetryNotice, withRetries } from './retry.ts';

const { signal } = new AbortController();
const limits = { attemptsMax: 4, waitFirstMs: 1, waitMaxMs: 2 };

describeDestination(
  'retry',
  async () => withRetries(new MemoryDestination(), { clock: new SystemClock(), ...limits }),
  { largeBytes: 1_000_000 },
);

describeDestination(
  'retry, over a place where every verb fails three times',
  async () => {
    const three = ['unavailable', 'timeout', 'exhausted'] as const;
    const script: Script = {
      prepare: three,
      write: three,
      read: three,
      stat: three,
      list: three,
      delete: three,
    };
    return withRetries(failing(new MemoryDestination(), script), { clock: new SystemClock(), ...limits });
  },
  { largeBytes: 1_000_000 },
);

function retrying(script: Script): {
  inner: ReturnType<typeof failing>;
  place: Destination;
  clock: FakeClock;
  notices: RetryNotice[];
} {
  const inner = failing(new MemoryDestination(), script);
  const clock = new FakeClock();
  const notices: RetryNotice[] = [];
  const place = withRetries(inner, {
    clock,
    random: () => 1,
    onRetry: (notice) => notices.push(notice),
  });
  return { inner, place, clock, notices };
}

const bytes = seededBytes(300_000, 1);
const sure = { signal, ifAbsent: true, sizeBytes: bytes.length, sha256: sha256Of(bytes) };

test('waits grow, up to a limit, and each retry is told', async () => {
  const { place, clock, notices } = retrying({ stat: Array(4).fill('unavailable') });
  const found = place.stat('a', { signal });
  await clock.advance(500 + 1000 + 2000 + 4000);
  expect(await found).toBeUndefined();
  expect(notices.map(({ call, attempt, waitMs }) => [call, attempt, waitMs])).toEqual([
    ['stat a', 1, 500],
    ['stat a', 2, 1000],
    ['stat a', 3, 2000],
    ['stat a', 4, 4000],
  ]);
});

test('after the last attempt the error says how often it was tried', async () => {
  const { place, clock, inner } = retrying({ delete: Array(9).fill('unavailable') });
  const deleted = place.delete('a', { signal });
  const outcome = expect(deleted).rejects.toMatchObject({
    code: 'unavailable',
    reason: 'delete a fails as scripted (tried 5 times)',
  });
  await clock.advance(60_000);
  await outcome;
  expect(inner.calls).toHaveLength(5);
});

test('what does not pass is not tried again', async () => {
  for (const code of ['permission_denied', 'unauthenticated', 'conflict', 'corrupt', 'internal'] as const) {
    const { place, inner } = retrying({ write: [code] });
    await expect(place.write('a', bodyOf(bytes), sure)).rejects.toMatchObject({ code });
    expect(inner.calls).toEqual(['write a']);
  }
});

test('a body that can be read again is sent again', async () => {
  const { place, clock } = retrying({ write: ['unavailable', 'unavailable'] });
  const writing = place.write('a', bodyOf(bytes), sure);
  await clock.advance(10_000);
  expect(await writing).toMatchObject({ bytes: bytes.length });
  expect(sha256Of(await collect(place.read('a', { signal })))).toBe(sure.sha256);
});

test('a body that can be read only once is not sent twice', async () => {
  const once = (async function* () {
    yield bytes.subarray(0, 100);
    throw new HoldfastError('unavailable', 'the disk of the body stumbled');
  })();
  const { place, inner } = retrying({});
  await expect(place.write('a', once, { signal })).rejects.toMatchObject({ code: 'unavailable' });
  expect(inner.calls).toEqual(['write a']);
});

test('an object whose answer was lost counts as stored, because it is the same', async () => {
  const { place, clock } = retrying({ write: ['lost'] });
  const writing = place.write('a', bodyOf(bytes), sure);
  await clock.advance(10_000);
  expect(await writing).toMatchObject({ key: 'a', bytes: bytes.length });
});

test('after a lost answer, an object of another writer is still a conflict', async () => {
  const { place, clock, inner } = retrying({ write: ['unavailable'] });
  const writing = place.write('a', bodyOf(bytes), sure);
  const outcome = expect(writing).rejects.toMatchObject({ code: 'conflict' });
  await inner.write('a', bodyOf(seededBytes(bytes.length, 2)), { signal, ifAbsent: true });
  await clock.advance(10_000);
  await outcome;
});

test('a read that breaks off goes on where it was', async () => {
  const inner = new MemoryDestination();
  await inner.write('a', bodyOf(bytes), { signal });
  let broken = 0;
  const breaking = Object.create(inner, {
    read: {
      value: async function* (key: string, o: Parameters<Destination['read']>[1]) {
        let given = 0;
        for await (const block of inner.read(key, o)) {
          if (given > 100_000 && broken < 3) {
            broken += 1;
            throw new HoldfastError('unavailable', 'the line was cut');
          }
          given += block.length;
          yield block;
        }
      },
    },
  }) as Destination;
  const place = withRetries(breaking, { clock: new SystemClock(), waitFirstMs: 1, attemptsMax: 2 });
  expect(sha256Of(await collect(place.read('a', { signal })))).toBe(sha256Of(bytes));
  const range = { start: 7, length: 250_000 };
  broken = 0;
  const part = await collect(place.read('a', { signal, range }));
  expect(sha256Of(part)).toBe(sha256Of(bytes.subarray(7, 250_007)));
});

test('an attempt in which nothing moves ends as timeout, and the next one succeeds', async () => {
  const { place, clock, notices } = retrying({ write: ['hang'], read: ['hang'] });
  const writing = place.write('a', bodyOf(bytes), sure);
  await clock.advance(301_000);
  expect(await writing).toMatchObject({ bytes: bytes.length });
  const reading = collect(place.read('a', { signal }));
  await clock.advance(301_000);
  expect(sha256Of(await reading)).toBe(sure.sha256);
  expect(notices.map(({ error }) => error.code)).toEqual(['timeout', 'timeout']);
});

test('an abort during a wait ends it at once', async () => {
  const { place, inner } = retrying({ write: Array(5).fill('unavailable') });
  const controller = new AbortController();
  const writing = place.write('a', bodyOf(bytes), { signal: controller.signal });
  await new Promise((resolve) => setImmediate(resolve));
  const reason = new HoldfastError('lease_lost', 'another node is responsible now');
  controller.abort(reason);
  await expect(writing).rejects.toBe(reason);
  expect(inner.calls).toEqual(['write a']);
});

test('a list that breaks off yields each object once', async () => {
  const inner = new MemoryDestination();
  for (let i = 0; i < 50; i += 1) await inner.write(`l/${i}`, bodyOf(new Uint8Array(i)), { signal });
  let broken = false;
  const breaking = Object.create(inner, {
    list: {
      value: async function* (prefix: string, o: { signal: AbortSignal }) {
        let given = 0;
        for await (const info of inner.list(prefix, o)) {
          if (given === 20 && !broken) {
            broken = true;
            throw new HoldfastError('unavailable', 'the second page did not come');
          }
          given += 1;
          yield info;
        }
      },
    },
  }) as Destination;
  const place = withRetries(breaking, { clock: new SystemClock(), waitFirstMs: 1 });
  const keys = await listedKeys(place, 'l/');
  expect(keys).toHaveLength(50);
  expect(new Set(keys).size).toBe(50);
});
