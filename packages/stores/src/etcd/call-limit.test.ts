import { FakeClock } from '@holdfast/testing';
import { expect, test } from 'vitest';
import { CallLimit } from './call-limit.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function pass(clock: FakeClock, ms: number): Promise<void> {
  await clock.advance(ms);
  await turn();
}

test('time ends a call, and it is said to be late', async () => {
  const clock = new FakeClock();
  using limit = new CallLimit({ clock, signals: [], maxMs: 100 });
  await pass(clock, 99);
  expect([limit.signal.aborted, limit.isLate]).toEqual([false, false]);
  await pass(clock, 1);
  expect([limit.signal.aborted, limit.isLate]).toEqual([true, true]);
});

test('an abort ends a call at once, with its reason, and it is not late', async () => {
  const clock = new FakeClock();
  const abort = new AbortController();
  using limit = new CallLimit({ clock, signals: [abort.signal], maxMs: 100 });
  const reason = new Error('enough');
  const within = limit.within(new Promise(() => {}));
  abort.abort(reason);
  await expect(within).rejects.toBe(reason);
  await pass(clock, 200);
  expect(limit.isLate).toBe(false);
});

test('an abort after the request was sent leaves the answer a moment', async () => {
  const clock = new FakeClock();
  const abort = new AbortController();
  using limit = new CallLimit({ clock, signals: [abort.signal], maxMs: 100 });
  limit.restart(10_000, 50);
  abort.abort();
  expect(limit.signal.aborted).toBe(false);
  await pass(clock, 49);
  expect(limit.signal.aborted).toBe(false);
  await pass(clock, 1);
  expect([limit.signal.aborted, limit.isLate]).toEqual([true, true]);
});

test('a call that began when it was aborted already is over', () => {
  using limit = new CallLimit({ clock: new FakeClock(), signals: [AbortSignal.abort()] });
  expect(limit.signal.aborted).toBe(true);
});

test('what is disposed waits for nothing and listens to nothing', async () => {
  const clock = new FakeClock();
  const abort = new AbortController();
  const limit = new CallLimit({ clock, signals: [abort.signal], maxMs: 100 });
  limit.restart(200, 50);
  limit[Symbol.dispose]();
  abort.abort();
  await pass(clock, 1_000);
  expect(clock.sleeping).toBe(0);
  expect(limit.signal.aborted).toBe(false);
});
