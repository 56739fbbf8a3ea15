import type { Readable } from 'node:stream';
import { HoldfastError } from '@holdfast/core';
import { FakeClock } from '@holdfast/testing';
import { describe, expect, test } from 'vitest';
import { commit, piecesOf, sendOutgoing } from './outgoing.ts';
import { never } from './s3.fixture.ts';

const clock = new FakeClock();

function rejectWhenAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(new DOMException('aborted', 'AbortError')));
  });
}

async function drained(body: Readable): Promise<number> {
  let bytes = 0;
  for await (const block of body) bytes += (block as Buffer).length;
  return bytes;
}

describe('a body on its way', () => {
  test('arrives whole, of any size', async () => {
    for (const size of [0, 1, 262_144, 262_145, 3_000_000]) {
      const pieces = piecesOf(Buffer.alloc(size));
      expect(await sendOutgoing({ signal: never, clock, pieces, send: drained })).toBe(size);
    }
  });

  test('an abort before the last piece was given away stops it', async () => {
    const controller = new AbortController();
    async function* pieces(): AsyncGenerator<Buffer> {
      yield Buffer.from('first');
      controller.abort();
      yield Buffer.from('last');
    }
    let arrived = '';
    const sending = sendOutgoing({
      signal: controller.signal,
      clock,
      pieces: pieces(),
      send: async (body, { signal }) => {
        body.on('data', (block: Buffer) => {
          arrived += block;
        });
        return rejectWhenAborted(signal);
      },
    });
    await expect(sending).rejects.toMatchObject({ code: 'cancelled' });
    expect(arrived).not.toContain('last');
  });

  test('an abort after the last piece waits for the answer, and what it says counts', async () => {
    const controller = new AbortController();
    const sending = sendOutgoing({
      signal: controller.signal,
      clock,
      pieces: piecesOf(Buffer.from('all')),
      send: async (body) => {
        await drained(body);
        controller.abort();
        await new Promise((resolve) => setImmediate(resolve));
        return 'stored';
      },
    });
    expect(await sending).toBe('stored');
  });

  test('an answer that does not come is not waited for without end', async () => {
    const controller = new AbortController();
    const waiting = commit({ signal: controller.signal, clock }, ({ signal }) => rejectWhenAborted(signal));
    const told = expect(waiting).rejects.toMatchObject({ code: 'cancelled' });
    controller.abort();
    await clock.advance(5_000);
    await told;
  });

  test('a body that fails ends the request, and its own error is told', async () => {
    const failure = new HoldfastError('source_failed', 'it ended early');
    async function* pieces(): AsyncGenerator<Buffer> {
      yield Buffer.from('x');
      throw failure;
    }
    const send = (body: Readable, { signal }: { signal: AbortSignal }): Promise<never> => {
      body.resume();
      return rejectWhenAborted(signal);
    };
    await expect(sendOutgoing({ signal: never, clock, pieces: pieces(), send })).rejects.toBe(failure);
  });
});
