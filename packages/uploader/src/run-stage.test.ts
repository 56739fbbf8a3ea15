import { existsSync } from 'node:fs';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError, manifestName } from '@holdfast/core';
import { bodyOf, collect, failing, listedKeys, MemoryDestination, sha256Of } from '@holdfast/testing';
import { describe, expect, test } from 'vitest';
import {
  backUp,
  chain,
  fill,
  fillAndSeal,
  fillSealAndCommit,
  fullManifest,
  manifestOf,
  openArea,
  prefix,
  runOf,
  signal,
  whole,
  writeSegment,
} from './staging.fixture.ts';

describe('a run that succeeds', () => {
  test('is at every destination, manifest last, and gone from staging', async () => {
    await using under = await openArea();
    const places = [failing(new MemoryDestination()), failing(new MemoryDestination())];
    await backUp(under.area, places);
    for (const place of places) {
      const writes = place.calls.filter((call) => call.startsWith('write'));
      expect(writes.at(-1)).toBe(`write ${fullManifest}`);
      const after = place.calls.slice(place.calls.indexOf(`write ${fullManifest}`) + 1);
      expect(after).toEqual([`read ${fullManifest}`]);
      expect(await listedKeys(place)).toEqual(whole);
    }
    expect(await readdir(under.folder.join('shop'))).toEqual([]);
    expect(under.steps().filter((step) => step === 'segment-stored')).toHaveLength(6);
    expect(under.steps().slice(6).sort()).toEqual([
      'manifest-confirmed',
      'manifest-confirmed',
      'manifest-stored',
      'manifest-stored',
    ]);
  });

  test('is verified at each destination in its own way', async () => {
    const places = [new MemoryDestination('sampled'), new MemoryDestination('whole')].map((place) =>
      failing(place),
    );
    await using under = await openArea({
      verify: ({ description }) => (description === places[1]?.description ? 'full' : 'sample'),
    });
    await backUp(under.area, places);
    const reads = places.map(({ calls }) => calls.filter((call) => /^read .*zst$/.test(call)).length);
    // Beginning, middle and end of each of three segments; or each of them once.
    expect(reads).toEqual([9, 3]);
  });

  test('stores exactly the bytes of its segments', async () => {
    await using under = await openArea();
    const place = new MemoryDestination();
    await using stage = await under.area.openRun(runOf(), [place], { signal });
    const segments = await fillAndSeal(stage);
    await stage.commit({ signal });
    for (const { name, sha256 } of segments) {
      expect(sha256Of(await collect(place.read(prefix + name, { signal })))).toBe(sha256);
    }
  });

  test('a segment is on its way as soon as it is pushed', async () => {
    await using under = await openArea();
    const place = new MemoryDestination();
    await using stage = await under.area.openRun(runOf(), [place], { signal });
    stage.push(await writeSegment(stage, 1));
    await expect.poll(() => place.objects.get(whole[0] as string)).toBeDefined();
    expect(place.objects.get(fullManifest)).toBeUndefined();
  });

  test('keeps its folder until it is disposed: who dies before telling the source finds it again', async () => {
    await using under = await openArea();
    const stage = await under.area.openRun(runOf(), [new MemoryDestination()], { signal });
    await fillAndSeal(stage);
    await stage.commit({ signal });
    expect(existsSync(join(stage.directory, 'sealed.json'))).toBe(true);
    await stage[Symbol.asyncDispose]();
    expect(existsSync(stage.directory)).toBe(false);
  });

  test('a backup without segments is a manifest alone', async () => {
    await using under = await openArea();
    const place = new MemoryDestination();
    await using stage = await under.area.openRun(runOf(), [place], { signal });
    await fillAndSeal(stage, 0);
    await stage.commit({ signal });
    expect(await listedKeys(place)).toEqual([fullManifest]);
  });
});

describe('a run that fails for good before its manifest is stored', () => {
  const failures = [
    ['a push is refused', { write: ['ok', 'permission_denied'] }, 'permission_denied'],
    ['a segment was stored short', { write: ['ok', 'short'] }, 'corrupt'],
    ['the check of what is stored is refused', { list: ['permission_denied'] }, 'permission_denied'],
    ['the manifest is refused', { write: ['ok', 'ok', 'ok', 'permission_denied'] }, 'permission_denied'],
    ['the manifest was stored short', { write: ['ok', 'ok', 'ok', 'short'] }, 'corrupt'],
  ] as const;

  for (const [what, script, code] of failures) {
    test(`${what}: nothing stays anywhere`, async () => {
      await using under = await openArea({ pushesMax: 1 });
      const places = [failing(new MemoryDestination(), script)];
      const stage = await under.area.openRun(runOf(), places, { signal });
      await expect(fillSealAndCommit(stage)).rejects.toMatchObject({ code });
      await stage[Symbol.asyncDispose]();
      expect(stage.survives).toBe(false);
      expect(await readdir(under.folder.join('shop'))).toEqual([]);
      // What was stored short is not of the size that was sent: nobody can say that it is ours.
      const left = what === 'a segment was stored short' ? 1 : 0;
      for (const place of places) expect(await listedKeys(place)).toHaveLength(left);
    });
  }

  test('one of two destinations fails: the other one is cleaned up too', async () => {
    await using under = await openArea();
    const good = new MemoryDestination();
    const bad = failing(new MemoryDestination(), { write: ['ok', 'ok', 'permission_denied'] });
    {
      await using stage = await under.area.openRun(runOf(), [good, bad], { signal });
      await expect(fillSealAndCommit(stage)).rejects.toMatchObject({ code: 'permission_denied' });
    }
    expect(await listedKeys(good)).toEqual([]);
    expect(await listedKeys(bad)).toEqual([]);
  });

  test('the stage says so at once, so that the run does not go on in vain', async () => {
    await using under = await openArea();
    const place = failing(new MemoryDestination(), { write: ['permission_denied'] });
    await using stage = await under.area.openRun(runOf(), [place], { signal });
    stage.push(await writeSegment(stage, 1));
    await expect.poll(() => stage.signal.aborted).toBe(true);
    expect(stage.signal.reason).toMatchObject({ code: 'permission_denied' });
    const refused = { code: 'permission_denied' };
    await expect(stage.reserve(1, { signal })).rejects.toMatchObject(refused);
    await expect(stage.seal(manifestName(0, 'full'), manifestOf([]), { signal })).rejects.toMatchObject(
      refused,
    );
  });

  test('an abort before it is sealed ends it, and nothing stays', async () => {
    await using under = await openArea();
    const place = failing(new MemoryDestination(), { write: ['ok', 'hang'] });
    const controller = new AbortController();
    const stage = await under.area.openRun(runOf(), [place], { signal: controller.signal });
    const segments = await fill(stage, 3);
    const reason = new HoldfastError('lease_lost', 'another node is responsible now');
    controller.abort(reason);
    const sealed = stage.seal(manifestName(0, 'full'), manifestOf(segments), { signal });
    await expect(sealed).rejects.toBe(reason);
    await stage[Symbol.asyncDispose]();
    expect(stage.survives).toBe(false);
    expect(await listedKeys(place)).toEqual([]);
    expect(await readdir(under.folder.join('shop'))).toEqual([]);
  });

  test('disposed before anything was pushed, it leaves nothing', async () => {
    await using under = await openArea();
    const place = failing(new MemoryDestination());
    {
      await using stage = await under.area.openRun(runOf(), [place], { signal });
      await writeSegment(stage, 1);
    }
    expect(place.calls).toEqual([]);
    expect(await readdir(under.folder.join('shop'))).toEqual([]);
  });

  test('what cannot be deleted is told, stays in the journal, and is deleted by the next run', async () => {
    await using under = await openArea();
    const place = failing(new MemoryDestination(), { delete: ['unavailable'] });
    {
      await using stage = await under.area.openRun(runOf(), [place], { signal });
      await fill(stage, 2);
      await expect.poll(() => under.steps()).toHaveLength(2);
    }
    expect(await listedKeys(place)).toHaveLength(2);
    expect(under.notices().join()).toContain('0000-full-001.ndjson.zst');
    const [litter] = await under.area.recover('shop', [place], { signal });
    expect(litter).toMatchObject({ kind: 'litter', run: { label: 'shop_1' } });
    if (litter?.kind === 'litter') await litter.collect({ signal });
    expect(await listedKeys(place)).toEqual([]);
    expect(await readdir(under.folder.join('shop'))).toEqual([]);
  });
});

describe('once the manifest is at a destination', () => {
  test('a failure at another one does not undo the backup; the next run finishes it', async () => {
    const controller = new AbortController();
    await using under = await openArea({
      observer: (event) => {
        under.events.push(event);
        if (event.kind === 'step' && event.step === 'manifest-confirmed') controller.abort();
      },
    });
    const near = new MemoryDestination();
    const far = failing(new MemoryDestination(), { write: ['ok', 'ok', 'ok', 'hang'] });
    {
      await using stage = await under.area.openRun(runOf(), [near, far], { signal });
      await fillAndSeal(stage);
      await expect(stage.commit({ signal: controller.signal })).rejects.toMatchObject({ code: 'cancelled' });
    }
    expect(await listedKeys(near)).toEqual(whole);
    expect(under.notices().join()).toMatch(/and at .* already; the next run of the task finishes it/);
    const [found] = await under.area.recover('shop', [near, far], { signal });
    if (found?.kind !== 'sealed') throw new Error('it should be sealed');
    {
      await using stage = found.stage;
      await stage.commit({ signal });
    }
    expect(await listedKeys(far)).toEqual(whole);
    expect(await readdir(under.folder.join('shop'))).toEqual([]);
  });

  test('the lost answer of a manifest counts as stored until the next run knows', async () => {
    await using under = await openArea();
    const place = failing(new MemoryDestination(), { write: ['ok', 'ok', 'ok', 'lost'] });
    {
      await using stage = await under.area.openRun(runOf(), [place], { signal });
      await fillAndSeal(stage);
      await expect(stage.commit({ signal })).rejects.toMatchObject({ code: 'unavailable' });
    }
    expect(await listedKeys(place)).toEqual(whole);
    const [found] = await under.area.recover('shop', [place], { signal });
    if (found?.kind !== 'sealed') throw new Error('it should be sealed');
    await using stage = found.stage;
    await stage.commit({ signal });
  });
});

describe('what is stored already', () => {
  test('a segment of another run is a conflict, and stays as it is', async () => {
    await using under = await openArea();
    const place = new MemoryDestination();
    const key = `${prefix}0000-full-002.ndjson.zst`;
    await place.write(key, bodyOf(Buffer.from('of another run')), { signal });
    {
      await using stage = await under.area.openRun(runOf(), [place], { signal });
      await expect(fillSealAndCommit(stage)).rejects.toMatchObject({ code: 'conflict' });
    }
    expect(await listedKeys(place)).toEqual([key]);
    expect((await collect(place.read(key, { signal }))).toString()).toBe('of another run');
  });

  test('another manifest of this name is a conflict, and nothing of it is touched', async () => {
    await using under = await openArea();
    const place = new MemoryDestination();
    await place.write(fullManifest, bodyOf(Buffer.from('another')), { signal });
    {
      await using stage = await under.area.openRun(runOf(), [place], { signal });
      await expect(fillSealAndCommit(stage)).rejects.toMatchObject({ code: 'conflict' });
    }
    expect((await collect(place.read(fullManifest, { signal }))).toString()).toBe('another');
  });
});

describe('what the caller must not do', () => {
  test('a manifest that names other segments than were pushed is refused', async () => {
    await using under = await openArea();
    await using stage = await under.area.openRun(runOf(), [new MemoryDestination()], { signal });
    const segments = await fill(stage, 2);
    const name = manifestName(0, 'full');
    const internal = { code: 'internal' };
    for (const named of [segments.slice(1), [...segments, { ...segments[0], name: 'x' }]] as const) {
      const sealed = stage.seal(name, manifestOf(named as typeof segments), { signal });
      await expect(sealed).rejects.toMatchObject(internal);
    }
    await expect(stage.seal(manifestName(1, 'full'), manifestOf(segments), { signal })).rejects.toMatchObject(
      internal,
    );
    await expect(stage.commit({ signal })).rejects.toMatchObject(internal);
  });

  test('a segment that changed in staging after it was closed is not stored', async () => {
    await using under = await openArea();
    const place = new MemoryDestination();
    await using stage = await under.area.openRun(runOf(), [place], { signal });
    const segment = await writeSegment(stage, 1);
    await writeFile(join(stage.directory, segment.name), Buffer.alloc(segment.bytes));
    stage.push(segment);
    await expect.poll(() => stage.signal.reason).toMatchObject({ code: 'corrupt' });
    expect(await listedKeys(place)).toEqual([]);
  });

  test('a segment that vanished from staging is told with its path', async () => {
    await using under = await openArea();
    await using stage = await under.area.openRun(runOf(), [new MemoryDestination()], { signal });
    const segment = await writeSegment(stage, 1);
    await rm(join(stage.directory, segment.name));
    stage.push(segment);
    await expect.poll(() => stage.signal.reason).toMatchObject({ code: 'unavailable' });
    expect((stage.signal.reason as HoldfastError).message).toContain(segment.name);
  });

  test('names that could lead out of staging are refused', async () => {
    await using under = await openArea();
    const places = [new MemoryDestination()];
    const invalid = { code: 'config_invalid' };
    for (const run of [
      runOf({ task: '../shop' }),
      runOf({ task: '' }),
      runOf({ chain: '../x' }),
      runOf({ sequence: -1 }),
    ]) {
      await expect(under.area.openRun(run, places, { signal })).rejects.toMatchObject(invalid);
    }
    await expect(under.area.lock('a/b', places)).rejects.toMatchObject(invalid);
    await expect(under.area.recover('..', places, { signal })).rejects.toMatchObject(invalid);
  });

  test('one destination given twice, or none, is refused', async () => {
    await using under = await openArea();
    const place = new MemoryDestination();
    for (const places of [[place, place], []]) {
      await expect(under.area.openRun(runOf(), places, { signal })).rejects.toMatchObject({
        code: 'config_invalid',
      });
    }
  });

  test('two runs of one chain and number do not share a folder', async () => {
    await using under = await openArea();
    await using _first = await under.area.openRun(runOf(), [new MemoryDestination()], { signal });
    await expect(under.area.openRun(runOf(), [new MemoryDestination()], { signal })).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining(chain),
    });
  });
});

describe('when fewer than all destinations are required', () => {
  test('the backup counts when enough have it, and is kept here for the others', async () => {
    await using under = await openArea({ require: 1 });
    const good = new MemoryDestination();
    const bad = failing(new MemoryDestination(), { write: ['ok', 'permission_denied'] });
    {
      await using stage = await under.area.openRun(runOf(), [good, bad], { signal });
      await fillAndSeal(stage);
      await stage.commit({ signal });
    }
    expect(await listedKeys(good)).toEqual(whole);
    expect(await listedKeys(bad)).not.toContain(fullManifest);
    expect(under.notices().join()).toContain('does not have the backup yet');
    const [kept] = await readdir(under.folder.join('shop'));
    expect(await readdir(under.folder.join('shop', kept as string))).toContain('late.json');
    expect(await under.area.recover('shop', [good, bad], { signal })).toEqual([]);
  });

  test('it is known which have it, and why the others do not', async () => {
    await using under = await openArea({ require: 1 });
    const good = new MemoryDestination();
    const bad = failing(new MemoryDestination(), { write: ['permission_denied'] });
    await using stage = await under.area.openRun(runOf(), [bad, good], { signal });
    await fillSealAndCommit(stage);
    expect(stage.outcomes).toMatchObject([
      { destination: bad.description, stored: false, behind: true, error: { code: 'permission_denied' } },
      { destination: good.description, stored: true },
    ]);
    expect(stage.outcomes[1]).not.toHaveProperty('error');
  });

  test.each([0, 3, 1.5])('%s of two is refused', async (require) => {
    await using under = await openArea({ require });
    const places = [new MemoryDestination(), new MemoryDestination()];
    await expect(under.area.openRun(runOf(), places, { signal })).rejects.toMatchObject({
      code: 'config_invalid',
    });
  });
});
