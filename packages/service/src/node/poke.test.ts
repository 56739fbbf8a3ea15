import { FakeClock } from '@holdfast/testing';
import { expect, it } from 'vitest';
import { Poke } from './poke.ts';

const { signal } = new AbortController();

it('wakes who sleeps before its time', async () => {
  const clock = new FakeClock();
  const poke = new Poke();
  const sleeping = poke.sleep(clock, 60_000, { signal });
  await clock.advance(10);
  poke.now();
  await sleeping;
  expect(clock.elapsed()).toBe(10);
  expect(clock.sleeping).toBe(0);
});

it('ends the next sleep at once when nobody slept, and only that one', async () => {
  const clock = new FakeClock();
  const poke = new Poke();
  poke.now();
  poke.now();
  await poke.sleep(clock, 60_000, { signal });
  const sleeping = poke.sleep(clock, 60_000, { signal });
  await clock.advance(59_999);
  expect(clock.sleeping).toBe(1);
  await clock.advance(1);
  await sleeping;
});

it('ends with the signal, without an error', async () => {
  const clock = new FakeClock();
  const end = new AbortController();
  const sleeping = new Poke().sleep(clock, 60_000, { signal: end.signal });
  end.abort();
  await sleeping;
  expect(clock.sleeping).toBe(0);
});
