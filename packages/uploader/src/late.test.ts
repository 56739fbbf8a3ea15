import { readdir, rm } from 'node:fs/promises';
import { type Destination, HoldfastError, manifestName, type SegmentEntry } from '@holdfast/core';
import {
  bodyOf,
  collect,
  failing,
  listedKeys,
  MemoryDestination,
  seededBytes,
  sha256Of,
} from '@holdfast/testing';
import { describe, expect, test } from 'vitest';
import {
  type AreaUnderTest,
  chain,
  fill,
  fillAndSeal,
  fullManifest,
  manifestOf,
  openArea,
  prefix,
  runOf,
  signal,
  uploads,
  whole,
} from './staging.fixture.ts';

const staged = (under: AreaUnderTest): Promise<string[]> => readdir(under.folder.join('shop'));

/** One whole backup, of which `far` has nothing yet. */
async function leftBehind(
  under: AreaUnderTest,
  near: Destination,
  far: Destination,
): Promise<SegmentEntry[]> {
  const error = new HoldfastError('unavailable', 'it is away');
  const absent = [{ destination: far, error }];
  await using stage = await under.area.openRun(runOf(), [near, far], { signal, absent });
  const segments = await fillAndSeal(stage);
  await stage.commit({ signal });
  return segments;
}

function deliveryOf(segments: readonly SegmentEntry[], to: Destination, from: readonly Destination[]) {
  const manifest = manifestOf(segments);
  return {
    task: 'shop',
    chain,
    sequence: 0,
    name: manifestName(0, 'full'),
    manifest,
    segments,
    to,
    index: 1,
    from,
  };
}

describe('a destination that is late when enough hold the backup', () => {
  test('is not waited for when the run is told to leave it, and is told as behind', async () => {
    await using under = await openArea({ require: 1, late: 'leave' });
    const near = new MemoryDestination();
    const stuck = failing(new MemoryDestination(), { write: ['hang', 'hang', 'hang'] });
    {
      await using stage = await under.area.openRun(runOf(), [near, stuck], { signal });
      await fillAndSeal(stage);
      await stage.commit({ signal });
      expect(stage.outcomes).toEqual([
        { destination: near.description, stored: true },
        { destination: stuck.description, stored: false, behind: true },
      ]);
    }
    expect(await listedKeys(near)).toEqual(whole);
    expect(await listedKeys(stuck)).toEqual([]);
    expect(
      uploads(under)
        .filter(({ index }) => index === 1)
        .at(-1)?.state,
    ).toBe('behind');
    expect(await staged(under)).toHaveLength(1);
  });

  test('is waited for otherwise, and then nothing is kept', async () => {
    await using under = await openArea({ require: 1, late: 'wait' });
    const gate = Promise.withResolvers<void>();
    const near = new MemoryDestination();
    const slow = new Proxy(new MemoryDestination(), {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target);
        if (name !== 'write') return typeof value === 'function' ? value.bind(target) : value;
        return async (...args: Parameters<Destination['write']>) => {
          await gate.promise;
          return target.write(...args);
        };
      },
    });
    {
      await using stage = await under.area.openRun(runOf(), [near, slow], { signal });
      await fillAndSeal(stage);
      const committed = stage.commit({ signal });
      await expect.poll(() => near.objects.get(fullManifest)).toBeDefined();
      gate.resolve();
      await committed;
    }
    expect(await listedKeys(slow)).toEqual(whole);
    expect(await staged(under)).toEqual([]);
  });

  test('that fails before the manifest leaves the backup to the others', async () => {
    await using under = await openArea({ require: 2 });
    const places = [new MemoryDestination(), new MemoryDestination()];
    const full = failing(new MemoryDestination(), { write: ['ok', 'exhausted'] });
    await using stage = await under.area.openRun(runOf(), [...places, full], { signal });
    await fillAndSeal(stage);
    await stage.commit({ signal });
    expect(stage.outcomes.at(-1)).toMatchObject({
      stored: false,
      behind: true,
      error: { code: 'exhausted' },
    });
  });
});

test('too few that take part fail a commit at once, and no manifest is written', async () => {
  await using under = await openArea({ require: 2 });
  const near = new MemoryDestination();
  const far = new MemoryDestination();
  const error = new HoldfastError('unavailable', 'it is away');
  await using stage = await under.area.openRun(runOf(), [near, far], {
    signal,
    absent: [{ destination: far, error }],
  });
  await fillAndSeal(stage);
  await expect(stage.commit({ signal })).rejects.toBe(error);
  expect(await listedKeys(near)).not.toContain(fullManifest);
});

describe('catching up', () => {
  test('comes from staging while that has the files: no other destination is read', async () => {
    await using under = await openArea({ require: 1 });
    const near = failing(new MemoryDestination());
    const far = new MemoryDestination();
    const segments = await leftBehind(under, near, far);
    const before = near.calls.length;
    await under.area.deliver(deliveryOf(segments, far, [near]), { signal });
    expect(near.calls.slice(before)).toEqual([]);
    expect(await listedKeys(far)).toEqual(whole);
  });

  test('comes from another destination when staging has lost them, and from the next when that one is damaged', async () => {
    await using under = await openArea({ require: 1 });
    const [near, second, far] = [new MemoryDestination(), new MemoryDestination(), new MemoryDestination()];
    const segments = await leftBehind(under, near, far);
    await under.area.deliver(deliveryOf(segments, second, [near]), { signal });
    const [kept = ''] = await staged(under);
    await rm(under.folder.join('shop', kept), { recursive: true });
    const [key = ''] = whole;
    near.objects.set(key, Buffer.alloc(near.objects.get(key)?.bytes.length ?? 0));
    // As a wrapper that retries: what a damaged copy gives is refused, and the body is asked for again.
    const delivery = deliveryOf(segments, retryingOnce(far), [near, second]);
    await under.area.deliver(delivery, { signal }).catch(() => under.area.deliver(delivery, { signal }));
    expect(await listedKeys(far)).toEqual(whole);
    for (const { name, sha256 } of segments)
      expect(sha256Of(await collect(far.read(prefix + name, { signal })))).toBe(sha256);
  });

  test('writes the manifest last, and sends again only what is missing', async () => {
    await using under = await openArea({ require: 1 });
    const near = new MemoryDestination();
    const inner = new MemoryDestination();
    const segments = await leftBehind(under, near, inner);
    const far = failing(inner, { write: ['ok', 'ok', 'unavailable'] });
    await expect(under.area.deliver(deliveryOf(segments, far, [near]), { signal })).rejects.toMatchObject({
      code: 'unavailable',
    });
    expect(await listedKeys(inner)).not.toContain(fullManifest);
    const there = await listedKeys(inner);
    const before = far.calls.length;
    await under.area.deliver(deliveryOf(segments, far, [near]), { signal });
    const sent = far.calls.slice(before).filter((call) => call.startsWith('write'));
    expect(sent.at(-1)).toBe(`write ${fullManifest}`);
    expect(sent.filter((call) => there.includes(call.slice(6)))).toEqual([]);
    expect(await listedKeys(inner)).toEqual(whole);
  });

  test('never writes over another object of the same name', async () => {
    await using under = await openArea({ require: 1 });
    const [near, far] = [new MemoryDestination(), new MemoryDestination()];
    const segments = await leftBehind(under, near, far);
    const [key = ''] = whole;
    const foreign = seededBytes(segments[0]?.bytes ?? 0, 99);
    await far.write(key, bodyOf(foreign), { signal });
    await expect(under.area.deliver(deliveryOf(segments, far, [near]), { signal })).rejects.toMatchObject({
      code: 'conflict',
    });
    expect(sha256Of(await collect(far.read(key, { signal })))).toBe(sha256Of(foreign));
    expect(await listedKeys(far)).not.toContain(fullManifest);
  });

  test('that is done lets staging go, once nobody else waits', async () => {
    await using under = await openArea({ require: 1 });
    const near = new MemoryDestination();
    const far = new MemoryDestination();
    await leftBehind(under, near, far);
    await under.area.settle('shop', near, () => true, { signal });
    await under.area.settle('shop', far, () => false, { signal });
    expect(await staged(under)).toHaveLength(1);
    await under.area.settle('shop', far, ({ sequence }) => sequence === 0, { signal });
    expect(await staged(under)).toEqual([]);
  });
});

describe('what is kept for destinations that are behind', () => {
  test('makes room for a run that needs it: others have it', async () => {
    await using under = await openArea({ require: 1, bytesMax: 2_000_000 });
    const [near, far] = [new MemoryDestination(), new MemoryDestination()];
    await leftBehind(under, near, far);
    await using next = await under.area.openRun(runOf({ sequence: 1, scope: 'incremental' }), [near], {
      signal,
    });
    await next.reserve(1_900_000, { signal });
    expect(await staged(under)).toHaveLength(1);
  });

  test('goes when the task has that destination no more', async () => {
    await using under = await openArea({ require: 1 });
    const [near, far] = [new MemoryDestination(), new MemoryDestination()];
    await leftBehind(under, near, far);
    expect(await under.area.recover('shop', [near, far], { signal })).toEqual([]);
    expect(await staged(under)).toHaveLength(1);
    expect(await under.area.recover('shop', [near], { signal })).toEqual([]);
    expect(await staged(under)).toEqual([]);
  });
});

test('what staging may use is a limit, with numbers', async () => {
  await using under = await openArea({ bytesMax: 1_000_000 });
  await using stage = await under.area.openRun(runOf(), [new MemoryDestination()], { signal });
  await fill(stage, 2);
  const refused = stage.reserve(800_000, { signal });
  await expect(refused).rejects.toMatchObject({
    code: 'exhausted',
    hint: expect.stringContaining('stagingMax'),
  });
  await expect(refused).rejects.toThrow(/of the .* that staging may use are used/);
});

test('one writer at a time at a destination: others are told, or wait', async () => {
  await using under = await openArea();
  const place = new MemoryDestination();
  const first = await under.area.lockDestination('shop', place, { signal, wait: false });
  expect(await under.area.lockDestination('shop', place, { signal, wait: false })).toBeUndefined();
  await using _other = await under.area.lockDestination('shop', new MemoryDestination(), {
    signal,
    wait: false,
  });
  const waiting = under.area.lockDestination('shop', place, { signal, wait: true });
  await first?.[Symbol.asyncDispose]();
  await using second = await waiting;
  expect(second).toBeDefined();
});

/** A write that met bytes of a damaged copy is refused; as a wrapper would see it, the next one may succeed. */
function retryingOnce(inner: MemoryDestination): Destination {
  return new Proxy(inner, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (name !== 'write') return typeof value === 'function' ? value.bind(target) : value;
      return async (...args: Parameters<Destination['write']>) => {
        try {
          return await target.write(...args);
        } catch {
          return target.write(...args);
        }
      };
    },
  });
}
