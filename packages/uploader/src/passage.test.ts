import { readdir } from 'node:fs/promises';
import type { Destination } from '@holdfast/core';
import { listedKeys, MemoryDestination } from '@holdfast/testing';
import { expect, test } from 'vitest';
import {
  fill,
  fillAndSeal,
  finishOnly,
  openArea,
  runOf,
  signal,
  whole,
  writeSegment,
} from './staging.fixture.ts';

const passageBytes = 500_000;

/** Takes nothing before it is let go. */
function gated(): { readonly place: MemoryDestination; readonly open: () => void } {
  const gate = Promise.withResolvers<void>();
  const place = new Proxy(new MemoryDestination(), {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (name !== 'write') return typeof value === 'function' ? value.bind(target) : value;
      return async (...args: Parameters<Destination['write']>) => {
        await gate.promise;
        return target.write(...args);
      };
    },
  });
  return { place, open: () => gate.resolve() };
}

const segmentsIn = async (folder: string): Promise<string[]> =>
  (await readdir(folder)).filter((name) => name.endsWith('.zst'));

test('a segment goes as soon as every destination holds it', async () => {
  await using under = await openArea({ passageBytes });
  const slow = gated();
  await using stage = await under.area.openRun(runOf(), [new MemoryDestination(), slow.place], { signal });
  await fill(stage, 2);
  await expect.poll(() => under.steps()).toHaveLength(2);
  expect(await segmentsIn(stage.directory)).toHaveLength(2);
  slow.open();
  await expect.poll(() => segmentsIn(stage.directory)).toEqual([]);
});

test('reading waits while too much lies here, and goes on when the slowest destination has taken it', async () => {
  await using under = await openArea({ passageBytes });
  const slow = gated();
  await using stage = await under.area.openRun(runOf(), [slow.place], { signal });
  await stage.room({ signal });
  await fill(stage, 2);
  let isFree = false;
  const free = stage.room({ signal }).then(() => {
    isFree = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  expect(isFree).toBe(false);
  slow.open();
  await free;
});

test('the wait for room ends with the signal', async () => {
  await using under = await openArea({ passageBytes });
  const slow = gated();
  await using stage = await under.area.openRun(runOf(), [slow.place], { signal });
  await fill(stage, 2);
  const stop = new AbortController();
  const waiting = stage.room({ signal: stop.signal });
  stop.abort();
  await expect(waiting).rejects.toMatchObject({ code: 'cancelled' });
  slow.open();
});

test('no more room is reserved than may lie here at once', async () => {
  await using under = await openArea({ passageBytes, bytesMax: 2_000_000 });
  await using stage = await under.area.openRun(runOf(), [new MemoryDestination()], { signal });
  await stage.reserve(1_000_000_000, { signal });
});

test('a backup that passed through is committed whole, and one that is interrupted after its seal is finished', async () => {
  await using under = await openArea({ passageBytes });
  const place = new MemoryDestination();
  {
    const stop = new AbortController();
    await using stage = await under.area.openRun(runOf(), [place], { signal: stop.signal });
    await fillAndSeal(stage);
    await expect.poll(() => segmentsIn(stage.directory)).toEqual([]);
    stop.abort();
    await expect(stage.commit({ signal })).rejects.toMatchObject({ code: 'cancelled' });
  }
  await finishOnly(under, [place]);
  expect(await listedKeys(place)).toEqual(whole);
});

test('staged whole, nothing goes and nobody waits', async () => {
  await using under = await openArea();
  await using stage = await under.area.openRun(runOf(), [new MemoryDestination()], { signal });
  stage.push(await writeSegment(stage, 1, 3_000_000));
  await stage.room({ signal });
  await expect.poll(() => under.steps()).toHaveLength(1);
  expect(await segmentsIn(stage.directory)).toHaveLength(1);
});
