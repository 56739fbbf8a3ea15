import { failing, MemoryDestination } from '@holdfast/testing';
import { describe, expect, test } from 'vitest';
import {
  backUp,
  fillSealAndCommit,
  finishOnly,
  openArea,
  runOf,
  signal,
  uploads,
  writeSegment,
} from './staging.fixture.ts';

describe('what is told of each destination', () => {
  test('begins with the run, grows to its end, and ends with `stored`', async () => {
    await using under = await openArea();
    const places = [new MemoryDestination(), new MemoryDestination()];
    await backUp(under.area, places);
    for (const [index, { description }] of places.entries()) {
      const told = uploads(under).filter((event) => event.index === index);
      const common = { kind: 'upload', destination: description, index } as const;
      expect(told[0]).toEqual({ ...common, doneBytes: 0, totalBytes: 0, state: 'pending' });
      expect(told.at(-1)).toEqual({ ...common, doneBytes: 900_000, totalBytes: 900_000, state: 'stored' });
      expect(told.slice(0, -1).every(({ state }) => state !== 'stored')).toBe(true);
      expect(told.every(({ doneBytes, totalBytes }) => doneBytes <= totalBytes)).toBe(true);
      const done = told.map(({ doneBytes }) => doneBytes);
      expect(done).toEqual([...done].sort((a, b) => a - b));
    }
  });

  test('counts bytes as they are taken, block by block', async () => {
    await using under = await openArea();
    const place = new MemoryDestination();
    await using stage = await under.area.openRun(runOf(), [place], { signal });
    stage.push(await writeSegment(stage, 1, 3_000_000));
    await expect.poll(() => under.steps()).toEqual(['segment-stored']);
    const done = uploads(under).map(({ doneBytes }) => doneBytes);
    expect([...new Set(done)]).toEqual([0, 1_048_576, 2_097_152, 3_000_000]);
  });

  test('goes back where an attempt begins again', async () => {
    await using under = await openArea();
    const place = new MemoryDestination();
    // As a wrapper that retries does: the body is read twice.
    const twice = new Proxy(place, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== 'function') return value;
        if (name !== 'write') return value.bind(target);
        return async (key: string, body: AsyncIterable<Uint8Array>, o: unknown) => {
          for await (const _ of body);
          return value.call(target, key, body, o);
        };
      },
    });
    await using stage = await under.area.openRun(runOf(), [twice], { signal });
    stage.push(await writeSegment(stage, 1, 2_000_000));
    await expect.poll(() => under.steps()).toEqual(['segment-stored']);
    const done = uploads(under).map(({ doneBytes }) => doneBytes);
    expect(done).toEqual([0, 0, 1_048_576, 2_000_000, 1_048_576, 2_000_000, 2_000_000, 2_000_000]);
    expect(uploads(under).at(-2)?.state).toBe('confirming');
  });

  test('says which one failed, and not the others', async () => {
    await using under = await openArea();
    const good = new MemoryDestination();
    const bad = failing(new MemoryDestination(), { write: ['permission_denied'] });
    {
      await using stage = await under.area.openRun(runOf(), [good, bad], { signal });
      await expect(fillSealAndCommit(stage)).rejects.toMatchObject({ code: 'permission_denied' });
    }
    expect(uploads(under).filter(({ state }) => state === 'failed')).toMatchObject([
      { index: 1, error: { code: 'permission_denied' } },
    ]);
    expect(
      uploads(under)
        .filter(({ index }) => index === 1)
        .at(-1)?.state,
    ).toBe('failed');
  });

  test('of a run that is finished later names the destination by its place in the task', async () => {
    await using under = await openArea();
    const place = failing(new MemoryDestination(), { list: ['unavailable'] });
    {
      await using stage = await under.area.openRun(runOf(), [place], { signal });
      await expect(fillSealAndCommit(stage)).rejects.toMatchObject({ code: 'unavailable' });
    }
    under.events.length = 0;
    await finishOnly(under, [new MemoryDestination(), place]);
    const told = uploads(under);
    expect(new Set(told.map(({ index }) => index))).toEqual(new Set([1]));
    expect(told.at(-1)).toMatchObject({ state: 'stored', doneBytes: 900_000, totalBytes: 900_000 });
  });
});
