import type { Clock } from '@holdfast/core';
import { describe, expect, test } from 'vitest';

export interface ClockUnderTest {
  readonly clock: Clock;
  /** Lets at least this much time pass on that clock. */
  pass(ms: number): Promise<void>;
}

/** The contract of `Clock`: one test per clause of its comment. */
export function describeClock(name: string, open: () => ClockUnderTest): void {
  describe(`clock ${name}`, () => {
    test('the wall clock says milliseconds since 1970', () => {
      const { clock } = open();
      expect(clock.now()).toBeGreaterThan(Date.UTC(2020));
      expect(clock.now()).toBeLessThan(Date.UTC(2200));
    });

    test('elapsed time never goes back and grows as time passes', async () => {
      const { clock, pass } = open();
      const before = clock.elapsed();
      expect(clock.elapsed()).toBeGreaterThanOrEqual(before);
      await pass(20);
      expect(clock.elapsed() - before).toBeGreaterThanOrEqual(19);
    });

    test('a sleep resolves no earlier than asked', async () => {
      const { clock, pass } = open();
      const before = clock.elapsed();
      const slept = clock.sleep(30, new AbortController().signal);
      await pass(40);
      await slept;
      // A timer's and a counter's idea of a millisecond differ by their rounding.
      expect(clock.elapsed() - before).toBeGreaterThanOrEqual(29);
    });

    test('sleeps end in the order in which they are due', async () => {
      const { clock, pass } = open();
      const signal = new AbortController().signal;
      const ended: number[] = [];
      const sleeps = [60, 10, 35].map((ms) => clock.sleep(ms, signal).then(() => ended.push(ms)));
      await pass(90);
      await Promise.all(sleeps);
      expect(ended).toEqual([10, 35, 60]);
    });

    test("an aborted sleep rejects at once with the signal's reason", async () => {
      const { clock } = open();
      const controller = new AbortController();
      const slept = clock.sleep(3_600_000, controller.signal);
      const reason = new Error('enough');
      controller.abort(reason);
      await expect(slept).rejects.toBe(reason);
    });

    test('a signal aborted before the sleep begins rejects it', async () => {
      const { clock } = open();
      const reason = new Error('too late');
      await expect(clock.sleep(3_600_000, AbortSignal.abort(reason))).rejects.toBe(reason);
    });
  });
}
