import { expect, test } from 'vitest';
import { SessionObserver } from './session-observer.ts';

const row = (id: string, beat: number, ttlMs = 1_000): { id: string; beat: number; ttlMs: number } => ({
  id,
  beat,
  ttlMs,
});

test('a session is silent when its beat was not seen to change for its time to live and a tenth', () => {
  const observer = new SessionObserver();
  observer.take([row('a', 7)], 5_000);
  expect(observer.silent(6_099)).toEqual([]);
  expect(observer.silent(6_100)).toMatchObject([{ id: 'a', beat: 7 }]);
});

test('a beat that changes begins the time anew, one that was seen before does not', () => {
  const observer = new SessionObserver();
  observer.take([row('a', 1), row('b', 1)], 0);
  observer.take([row('a', 2), row('b', 1)], 1_000);
  expect(observer.silent(1_100)).toMatchObject([{ id: 'b' }]);
  expect(observer.silent(2_100)).toMatchObject([{ id: 'a' }, { id: 'b' }]);
});

test('sessions that are gone, or were ended, are not silent; each has its own time to live', () => {
  const observer = new SessionObserver();
  observer.take([row('a', 1), row('b', 1), row('c', 1, 9_000)], 0);
  expect(observer.shortestMs).toBe(1_000);
  observer.take([row('b', 1), row('c', 1, 9_000)], 10);
  observer.forget('b');
  expect(observer.silent(9_899)).toEqual([]);
  expect(observer.silent(9_900)).toMatchObject([{ id: 'c' }]);
});
