import { FakeClock } from '@holdfast/testing';
import { describe, expect, test } from 'vitest';
import { final } from './final.ts';

describe('a request that is final', () => {
  test('is not begun once the signal has aborted', async () => {
    let begun = false;
    const acting = final({ signal: AbortSignal.abort(), clock: new FakeClock() }, async () => {
      begun = true;
    });
    await expect(acting).rejects.toMatchObject({ code: 'cancelled' });
    expect(begun).toBe(false);
  });

  test('that is answered soon after an abort has its answer', async () => {
    const controller = new AbortController();
    const answer = Promise.withResolvers<string>();
    const acting = final({ signal: controller.signal, clock: new FakeClock() }, () => answer.promise);
    controller.abort();
    answer.resolve('stored');
    expect(await acting).toBe('stored');
  });

  test('that is not answered is cut off some seconds after an abort', async () => {
    const clock = new FakeClock();
    const controller = new AbortController();
    const acting = final(
      { signal: controller.signal, clock },
      (signal) =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason));
        }),
    );
    acting.catch(() => undefined);
    const reason = new Error('stopped');
    controller.abort(reason);
    await clock.advance(10_000);
    await expect(acting).rejects.toBe(reason);
  });
});
