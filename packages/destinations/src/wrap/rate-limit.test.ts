import { HoldfastError } from '@holdfast/core';
import { FakeClock } from '@holdfast/testing';
import { expect, test } from 'vitest';
import { RateLimit } from './rate-limit.ts';
import { type RatePlan, rateAt } from './rate-plan.ts';

const { signal } = new AbortController();

/** Takes pieces one after the other, for ever; what it got so far. */
function taking(limit: RateLimit, pieceBytes: number, o = { signal }): { bytes: number } {
  const got = { bytes: 0 };
  void (async () => {
    for (;;) {
      await limit.take(pieceBytes, o);
      got.bytes += pieceBytes;
    }
  })().catch(() => undefined);
  return got;
}

test('no more goes through than the rate, but for a burst at the beginning', async () => {
  const clock = new FakeClock();
  const controller = new AbortController();
  const got = taking(new RateLimit({ bytesPerSecond: 1000 }, clock), 50, controller);
  for (let second = 1; second <= 20; second += 1) {
    await clock.advance(1000);
    expect(got.bytes).toBeGreaterThanOrEqual(second * 1000);
    expect(got.bytes).toBeLessThanOrEqual(second * 1000 + 300);
  }
  controller.abort();
});

test('a pause does not save up more than the burst', async () => {
  const clock = new FakeClock();
  const limit = new RateLimit({ bytesPerSecond: 1000 }, clock);
  await clock.advance(3_600_000);
  const controller = new AbortController();
  const got = taking(limit, 50, controller);
  await clock.advance(1000);
  expect(got.bytes).toBeLessThanOrEqual(1300);
  controller.abort();
});

test('those who take at the same time get equal shares, whoever came first', async () => {
  const clock = new FakeClock();
  const limit = new RateLimit({ bytesPerSecond: 1000 }, clock);
  const controller = new AbortController();
  const first = taking(limit, 50, controller);
  await clock.advance(5000);
  const before = first.bytes;
  const others = [taking(limit, 50, controller), taking(limit, 50, controller)];
  await clock.advance(30_000);
  for (const bytes of [first.bytes - before, ...others.map((other) => other.bytes)]) {
    expect(bytes).toBeGreaterThanOrEqual(9_900);
    expect(bytes).toBeLessThanOrEqual(10_100);
  }
  controller.abort();
});

test('a piece larger than the burst is paid for afterwards', async () => {
  const clock = new FakeClock();
  const limit = new RateLimit({ bytesPerSecond: 1000 }, clock);
  await limit.take(10_000, { signal });
  let next = false;
  const taken = limit.take(1, { signal }).then(() => {
    next = true;
  });
  await clock.advance(9_700);
  expect(next).toBe(false);
  await clock.advance(100);
  await taken;
});

test('without a rate nothing waits, and nothing is owed when one comes', async () => {
  const clock = new FakeClock();
  const limit = new RateLimit({}, clock);
  for (let i = 0; i < 100; i += 1) await limit.take(1_000_000, { signal });
  limit.change({ bytesPerSecond: 1000 });
  await limit.take(100, { signal });
  expect(clock.sleeping).toBe(0);
});

test('another rate holds at once, also for those who wait', async () => {
  const clock = new FakeClock();
  const limit = new RateLimit({ bytesPerSecond: 1 }, clock);
  await limit.take(1_000_000, { signal });
  const waiting = limit.take(1, { signal });
  await clock.advance(60_000);
  limit.change({});
  await waiting;
  expect(limit.bytesPerSecond).toBeUndefined();
});

test('an abort ends a wait, in whatever place of the queue, and lets the others on', async () => {
  const clock = new FakeClock();
  const limit = new RateLimit({ bytesPerSecond: 1000 }, clock);
  await limit.take(2000, { signal });
  const controllers = [new AbortController(), new AbortController(), new AbortController()];
  const waits = controllers.map((controller) => limit.take(100, { signal: controller.signal }));
  const reason = new HoldfastError('lease_lost', 'another node is responsible now');
  const outcomes = waits.slice(0, 2).map((wait) => expect(wait).rejects.toBe(reason));
  controllers[1]?.abort(reason);
  await outcomes[1];
  controllers[0]?.abort(reason);
  await outcomes[0];
  await clock.advance(2000);
  await waits[2];
  await expect(limit.take(1, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
});

test('what did not go is given back', async () => {
  const clock = new FakeClock();
  const limit = new RateLimit({ bytesPerSecond: 1000 }, clock);
  for (let i = 0; i < 1000; i += 1) {
    await limit.take(200, { signal });
    limit.giveBack(200);
  }
  // But no more than what goes at once after a pause.
  limit.giveBack(1_000_000);
  await limit.take(251, { signal });
  const waiting = limit.take(1, { signal });
  expect(clock.sleeping).toBe(0);
  await clock.advance(10);
  await waiting;
});

const office: RatePlan = {
  bytesPerSecond: 9000,
  schedule: [
    { from: '08:00', to: '18:00', timezone: 'Europe/Berlin', bytesPerSecond: 1000 },
    { from: '22:00', to: '06:00', timezone: 'Europe/Berlin', bytesPerSecond: 50_000 },
  ],
};

test.each([
  ['2026-11-20T06:59:59Z', 9000],
  ['2026-11-20T07:00:00Z', 1000],
  ['2026-11-20T16:59:59Z', 1000],
  ['2026-11-20T17:00:00Z', 9000],
  ['2026-11-20T21:00:00Z', 50_000],
  ['2026-11-21T04:59:59Z', 50_000],
  ['2026-11-21T05:00:00Z', 9000],
  // In summer clocks there show one hour more.
  ['2026-07-20T06:00:00Z', 1000],
  ['2026-07-20T16:00:00Z', 9000],
])('by the time of day: at %s the rate is %i', (at, rate) => {
  expect(rateAt(office, Date.parse(at))).toBe(rate);
});

test('a window may last to the end of the day, or all of it', () => {
  const at = Date.parse('2026-11-20T23:59:00Z');
  for (const [from, to] of [
    ['20:00', '24:00'],
    ['12:00', '12:00'],
  ] as const) {
    expect(rateAt({ schedule: [{ from, to, timezone: 'UTC', bytesPerSecond: 7 }] }, at)).toBe(7);
  }
});

test('the rate changes with the time of day, also for who waits', async () => {
  const clock = new FakeClock({ startMs: Date.parse('2026-11-20T16:59:00Z') });
  const limit = new RateLimit(office, clock);
  await limit.take(200_000, { signal });
  expect(limit.bytesPerSecond).toBe(1000);
  let over = false;
  const waiting = limit.take(1, { signal }).then(() => {
    over = true;
  });
  await clock.advance(60_000);
  expect([over, limit.bytesPerSecond]).toEqual([false, 9000]);
  // 140 000 bytes are owed yet: 140 s at the old rate.
  await clock.advance(20_000);
  await waiting;
});

test.each([
  [{ bytesPerSecond: 0 }, /0 bytes per second/],
  [{ bytesPerSecond: Number.NaN }, /NaN/],
  [{ schedule: [{ from: '8:00', to: '18:00', timezone: 'UTC', bytesPerSecond: 1 }] }, /"8:00"/],
  [{ schedule: [{ from: '24:00', to: '18:00', timezone: 'UTC', bytesPerSecond: 1 }] }, /"24:00"/],
  [{ schedule: [{ from: '08:00', to: '18:60', timezone: 'UTC', bytesPerSecond: 1 }] }, /"18:60"/],
  [{ schedule: [{ from: '08:00', to: '18:00', timezone: 'Mars/Base', bytesPerSecond: 1 }] }, /Mars/],
  [{ schedule: [{ from: '08:00', to: '18:00', timezone: 'UTC', bytesPerSecond: -1 }] }, /-1/],
])('the plan %j is refused', (plan, message) => {
  const refused = expect.objectContaining({
    code: 'config_invalid',
    message: expect.stringMatching(message),
  });
  expect(() => new RateLimit(plan, new FakeClock())).toThrow(refused);
  const limit = new RateLimit({}, new FakeClock());
  expect(() => limit.change(plan)).toThrow(refused);
});
