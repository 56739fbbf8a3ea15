import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError } from '@holdfast/core';
import { bodyOf, failing, listedKeys, MemoryDestination } from '@holdfast/testing';
import { describe, expect, test } from 'vitest';
import {
  fillAndSeal,
  fillSealAndCommit,
  finishOnly,
  fullManifest,
  openArea,
  runOf,
  signal,
  uploads,
  whole,
} from './staging.fixture.ts';

describe('a sealed run whose commit fails for a reason that passes', () => {
  const failures = [
    ['the check of what is stored fails', { list: ['unavailable'] }, 'unavailable'],
    ['the destination is full', { write: ['ok', 'ok', 'ok', 'exhausted'] }, 'exhausted'],
    ['the manifest meets a dead line', { write: ['ok', 'ok', 'ok', 'unavailable'] }, 'unavailable'],
  ] as const;

  for (const [what, script, code] of failures) {
    test(`${what}: it stays whole, with what is stored, and the next run finishes it`, async () => {
      await using under = await openArea();
      const place = failing(new MemoryDestination(), script);
      const stage = await under.area.openRun(runOf(), [place], { signal });
      await expect(fillSealAndCommit(stage)).rejects.toMatchObject({ code });
      expect(stage.survives).toBe(false);
      await stage[Symbol.asyncDispose]();
      expect(stage.survives).toBe(true);
      expect(under.notices().join()).toContain('the next run of the task finishes it');
      const stored = await listedKeys(place);
      expect(stored).toHaveLength(3);
      const sent = place.calls.length;
      await finishOnly(under, [place]);
      expect(await listedKeys(place)).toEqual(whole);
      expect(place.calls.slice(sent).filter((call) => call.startsWith('write'))).toEqual([
        `write ${fullManifest}`,
      ]);
      expect(await readdir(under.folder.join('shop'))).toEqual([]);
    });
  }

  const reasons = [
    new HoldfastError('lease_lost', 'another node is responsible now'),
    new HoldfastError('cancelled', 'stopped by SIGTERM'),
  ];
  for (const reason of reasons) {
    test(`${reason.code} in the middle of a push: it stays`, async () => {
      await using under = await openArea({ pushesMax: 1 });
      const place = failing(new MemoryDestination(), { write: ['ok', 'hang'] });
      const controller = new AbortController();
      const stage = await under.area.openRun(runOf(), [place], { signal: controller.signal });
      await fillAndSeal(stage);
      const committed = stage.commit({ signal: controller.signal });
      controller.abort(reason);
      await expect(committed).rejects.toBe(reason);
      await stage[Symbol.asyncDispose]();
      expect(stage.survives).toBe(true);
      await finishOnly(under, [place]);
      expect(await listedKeys(place)).toEqual(whole);
      // The run was ended; the destination did nothing wrong.
      expect(uploads(under).filter(({ state }) => state === 'failed')).toEqual([]);
    });
  }

  test('under whose name another manifest lies by then is given up, not waited for without end', async () => {
    await using under = await openArea();
    const inner = new MemoryDestination();
    const place = failing(inner, { write: ['ok', 'ok', 'ok', 'unavailable'] });
    const stage = await under.area.openRun(runOf(), [place], { signal });
    await expect(fillSealAndCommit(stage)).rejects.toMatchObject({ code: 'unavailable' });
    await stage[Symbol.asyncDispose]();
    await inner.write(fullManifest, bodyOf(Buffer.from('{"half":')), { signal });
    const [found] = await under.area.recover('shop', [place], { signal });
    if (found?.kind !== 'sealed') throw new Error('the run is not found');
    await expect(found.stage.commit({ signal })).rejects.toMatchObject({ code: 'conflict' });
    await found.stage[Symbol.asyncDispose]();
    expect(found.stage.survives).toBe(false);
    expect(await readdir(under.folder.join('shop'))).toEqual([]);
    // Below a manifest, whosever it is, nothing is deleted.
    expect(await listedKeys(place)).toEqual(whole);
  });

  test('however often it fails, it is the only one', async () => {
    await using under = await openArea();
    const place = failing(new MemoryDestination(), { list: ['unavailable', 'ok', 'unavailable'] });
    {
      await using stage = await under.area.openRun(runOf(), [place], { signal });
      await expect(fillSealAndCommit(stage)).rejects.toMatchObject({ code: 'unavailable' });
    }
    for (const outcome of ['rejected', 'fulfilled'] as const) {
      const found = await under.area.recover('shop', [place], { signal });
      expect(found).toHaveLength(1);
      const [run] = found;
      if (run?.kind !== 'sealed') throw new Error('it should be sealed');
      await using stage = run.stage;
      const [settled] = await Promise.allSettled([stage.commit({ signal })]);
      expect(settled.status).toBe(outcome);
    }
    expect(await under.area.recover('shop', [place], { signal })).toEqual([]);
  });

  test('one of whose segments is gone from staging is given up: no attempt can succeed', async () => {
    await using under = await openArea({ pushesMax: 1 });
    const place = failing(new MemoryDestination(), { write: ['hang'] });
    const controller = new AbortController();
    const stage = await under.area.openRun(runOf(), [place], { signal: controller.signal });
    await fillAndSeal(stage);
    const committed = stage.commit({ signal: controller.signal });
    controller.abort(new HoldfastError('cancelled', 'stopped on request'));
    await expect(committed).rejects.toMatchObject({ code: 'cancelled' });
    await stage[Symbol.asyncDispose]();
    await rm(join(stage.directory, '0000-full-002.ndjson.zst'));
    const [found] = await under.area.recover('shop', [place], { signal });
    if (found?.kind !== 'sealed') throw new Error('it should be sealed');
    await expect(found.stage.commit({ signal })).rejects.toMatchObject({ code: 'unavailable' });
    await found.stage[Symbol.asyncDispose]();
    expect(found.stage.survives).toBe(false);
    expect(await listedKeys(place)).toEqual([]);
    expect(await readdir(under.folder.join('shop'))).toEqual([]);
  });
});
