import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Destination, RecoveredRun } from '@holdfast/core';
import {
  bodyOf,
  collect,
  failing,
  listedKeys,
  MemoryDestination,
  SqliteDestination,
  sha256Of,
} from '@holdfast/testing';
import { describe, expect, test } from 'vitest';
import { runChild } from './crash.fixture.ts';
import {
  type AreaUnderTest,
  fill,
  fillAndSeal,
  fullManifest,
  manifestOf,
  openArea,
  prefix,
  runOf,
  signal,
} from './staging.fixture.ts';

async function finish(found: readonly RecoveredRun[]): Promise<string[]> {
  for (const run of found) {
    if (run.kind === 'litter') {
      await run.collect({ signal });
    } else {
      await using stage = run.stage;
      await stage.commit({ signal });
    }
  }
  return found.map(({ kind }) => kind);
}

/** A manifest is there, and all that it names, whole; or nothing is. Says which. */
async function wholeOrNothing(place: Destination): Promise<'whole' | 'nothing'> {
  const keys = await listedKeys(place);
  if (!keys.includes(fullManifest)) {
    expect(keys).toEqual([]);
    return 'nothing';
  }
  const manifest = JSON.parse((await collect(place.read(fullManifest, { signal }))).toString());
  expect(manifest.segments).toHaveLength(keys.length - 1);
  for (const { name, sha256 } of manifest.segments) {
    expect(sha256Of(await collect(place.read(prefix + name, { signal })))).toBe(sha256);
  }
  return 'whole';
}

/** A run that ends here as if its process had been killed: nothing is disposed, but the lock is free. */
async function abandoned(under: AreaUnderTest, places: readonly Destination[], seal: boolean): Promise<void> {
  const stage = await under.area.openRun(runOf(), places, { signal });
  const segments = await (seal ? fillAndSeal(stage) : fill(stage, 3));
  await expect.poll(() => under.steps()).toHaveLength(segments.length * places.length);
  const { directory } = stage;
  const files = await readdir(directory);
  const kept = await Promise.all(
    files.map(async (name) => [name, await readFile(join(directory, name))] as const),
  );
  const objects = await Promise.all(
    places.map(async (place) =>
      Promise.all(
        (await listedKeys(place)).map(
          async (key) => [key, await collect(place.read(key, { signal }))] as const,
        ),
      ),
    ),
  );
  await stage[Symbol.asyncDispose]();
  await mkdir(directory, { recursive: true });
  for (const [name, content] of kept) await writeFile(join(directory, name), content);
  for (const [i, list] of objects.entries()) {
    for (const [key, content] of list) await places[i]?.write(key, bodyOf(content), { signal });
  }
}

describe('a process killed at', { timeout: 60_000 }, () => {
  const points = [
    ['opened', 1, 'litter', 'nothing'],
    ['segment-stored', 1, 'litter or sealed', 'either'],
    ['segment-stored', 6, 'litter or sealed', 'either'],
    ['sealed', 1, 'sealed', 'whole'],
    ['manifest-stored', 1, 'sealed', 'whole'],
    ['manifest-stored', 2, 'sealed', 'whole'],
    ['manifest-confirmed', 1, 'sealed', 'whole'],
    ['manifest-confirmed', 2, 'sealed', 'whole'],
    ['committed', 1, 'sealed', 'whole'],
    ['disposed', 1, 'none', 'whole'],
  ] as const;

  for (const [point, number, kind, result] of points) {
    test(`${point} ${number}: what is found is finished or removed, never half there`, async () => {
      await using under = await openArea();
      const paths = ['a', 'b'].map((name) => under.folder.join(`${name}.objects`));
      const staging = under.folder.join('staging');
      expect(await runChild(['backup', staging, point, String(number), ...paths])).toBe('SIGKILL');

      await using after = await openArea({ directory: staging });
      await using first = new SqliteDestination(paths[0] as string);
      await using second = new SqliteDestination(paths[1] as string);
      const places = [failing(first), failing(second)];
      const stored = await Promise.all([listedKeys(first), listedKeys(second)]);
      await using _lock = await after.area.lock('shop', places);
      const kinds = await finish(await after.area.recover('shop', places, { signal }));
      if (kind !== 'litter or sealed') expect(kinds).toEqual(kind === 'none' ? [] : [kind]);
      const results = await Promise.all(places.map(wholeOrNothing));
      expect(results[0]).toBe(results[1]);
      if (result !== 'either') expect(results[0]).toBe(result);
      // What was there already was not sent again.
      for (const [i, place] of places.entries()) {
        const sent = place.calls.filter((call) => call.startsWith('write')).map((call) => call.slice(6));
        const segments = sent.filter((key) => key !== fullManifest);
        expect(segments.filter((key) => stored[i]?.includes(key))).toEqual([]);
      }
      expect((await readdir(join(staging, 'shop'))).filter((name) => name !== '.kept')).toEqual([]);
    });
  }
});

describe('what an interrupted run left', () => {
  test('a sealed run is pushed and committed, and only what is missing is sent', async () => {
    await using under = await openArea();
    const place = failing(new MemoryDestination());
    await abandoned(under, [place], true);
    await place.delete(`${prefix}0000-full-002.ndjson.zst`, { signal });
    const before = place.calls.length;
    expect(await finish(await under.area.recover('shop', [place], { signal }))).toEqual(['sealed']);
    expect(await wholeOrNothing(place)).toBe('whole');
    const sent = place.calls.slice(before).filter((call) => call.startsWith('write'));
    expect(sent).toEqual([`write ${prefix}0000-full-002.ndjson.zst`, `write ${fullManifest}`]);
  });

  test('a sealed run whose manifest is stored already is not read again', async () => {
    await using under = await openArea();
    const place = failing(new MemoryDestination());
    await abandoned(under, [place], true);
    const [found] = await under.area.recover('shop', [place], { signal });
    if (found?.kind !== 'sealed') throw new Error('it should be sealed');
    await place.write(fullManifest, bodyOf(found.manifest), { signal });
    const before = place.calls.length;
    await finish([found]);
    const calls = place.calls.slice(before);
    expect(calls.filter((call) => call.startsWith('read') && !call.endsWith('.json'))).toEqual([]);
    expect(await wholeOrNothing(place)).toBe('whole');
  });

  test('a stored segment of the right size and other bytes is a conflict, not a success', async () => {
    await using under = await openArea();
    const place = new MemoryDestination();
    await abandoned(under, [place], true);
    const key = `${prefix}0000-full-001.ndjson.zst`;
    const size = place.objects.get(key)?.bytes.length ?? 0;
    place.objects.set(key, Buffer.alloc(size));
    const [found] = await under.area.recover('shop', [place], { signal });
    if (found?.kind !== 'sealed') throw new Error('it should be sealed');
    {
      await using stage = found.stage;
      await expect(stage.commit({ signal })).rejects.toMatchObject({ code: 'conflict' });
    }
    // It will not succeed another time either: nothing stays for that, but what is not this run's.
    expect(await listedKeys(place)).toEqual([key]);
    expect(await under.area.recover('shop', [place], { signal })).toEqual([]);
  });

  test('a sealed run that fails for a reason that passes is there for the next attempt', async () => {
    await using under = await openArea();
    const inner = new MemoryDestination();
    await abandoned(under, [inner], true);
    const place = failing(inner, { write: ['unavailable'] });
    const [found] = await under.area.recover('shop', [place], { signal });
    if (found?.kind !== 'sealed') throw new Error('it should be sealed');
    {
      await using stage = found.stage;
      await expect(stage.commit({ signal })).rejects.toMatchObject({ code: 'unavailable' });
    }
    expect(await finish(await under.area.recover('shop', [place], { signal }))).toEqual(['sealed']);
    expect(await wholeOrNothing(place)).toBe('whole');
  });

  test('a sealed run that is disposed without a commit is removed', async () => {
    await using under = await openArea();
    const place = new MemoryDestination();
    await abandoned(under, [place], true);
    const [found] = await under.area.recover('shop', [place], { signal });
    if (found?.kind !== 'sealed') throw new Error('it should be sealed');
    await found.stage[Symbol.asyncDispose]();
    expect(await listedKeys(place)).toEqual([]);
    expect(await readdir(under.folder.join('shop'))).toEqual([]);
  });

  test('an unsealed run is litter: its objects and files are collected', async () => {
    await using under = await openArea();
    const places = [new MemoryDestination(), new MemoryDestination()];
    await abandoned(under, places, false);
    const foreign = `${prefix}0000-full-009.ndjson.zst`;
    await places[0]?.write(foreign, bodyOf(Buffer.from('not in the journal')), { signal });
    expect(await finish(await under.area.recover('shop', places, { signal }))).toEqual(['litter']);
    expect(await listedKeys(places[0] as Destination)).toEqual([foreign]);
    expect(await listedKeys(places[1] as Destination)).toEqual([]);
    expect(await readdir(under.folder.join('shop'))).toEqual([]);
  });

  test('litter is never collected from under a manifest of the same number', async () => {
    await using under = await openArea();
    const place = new MemoryDestination();
    await abandoned(under, [place], false);
    await place.write(fullManifest, bodyOf(manifestOf([])), { signal });
    const before = await listedKeys(place);
    await finish(await under.area.recover('shop', [place], { signal }));
    expect(await listedKeys(place)).toEqual(before);
  });

  test('an object that is not of the size that was sent is not deleted', async () => {
    await using under = await openArea();
    const place = new MemoryDestination();
    await abandoned(under, [place], false);
    const key = `${prefix}0000-full-001.ndjson.zst`;
    await place.write(key, bodyOf(Buffer.from('of somebody else')), { signal });
    await finish(await under.area.recover('shop', [place], { signal }));
    expect(await listedKeys(place)).toEqual([key]);
  });

  test('a damaged manifest in staging makes a sealed run litter', async () => {
    await using under = await openArea();
    const place = new MemoryDestination();
    await abandoned(under, [place], true);
    const [folder] = await readdir(under.folder.join('shop'));
    await writeFile(under.folder.join('shop', folder as string, '0000-full.manifest.json'), '{}');
    expect(await finish(await under.area.recover('shop', [place], { signal }))).toEqual(['litter']);
    expect(await listedKeys(place)).toEqual([]);
  });

  test('a segment lost from staging fails the commit; the run does not come back for ever', async () => {
    await using under = await openArea();
    const place = new MemoryDestination();
    await abandoned(under, [place], true);
    const [folder] = await readdir(under.folder.join('shop'));
    const segment = '0000-full-002.ndjson.zst';
    await writeFile(under.folder.join('shop', folder as string, segment), 'short');
    await place.delete(prefix + segment, { signal });
    const [found] = await under.area.recover('shop', [place], { signal });
    if (found?.kind !== 'sealed') throw new Error('it should be sealed');
    {
      await using stage = found.stage;
      await expect(stage.commit({ signal })).rejects.toMatchObject({ code: 'corrupt' });
    }
    expect(await listedKeys(place)).toEqual([]);
    expect(await under.area.recover('shop', [place], { signal })).toEqual([]);
  });
});

describe('what recover leaves alone', () => {
  test('a run whose process lives', async () => {
    await using under = await openArea();
    const place = new MemoryDestination();
    await using stage = await under.area.openRun(runOf(), [place], { signal });
    await fillAndSeal(stage);
    expect(await under.area.recover('shop', [place], { signal })).toEqual([]);
    await stage.commit({ signal });
    expect(await wholeOrNothing(place)).toBe('whole');
  });

  test('runs of other tasks, and runs to other destinations, of which it tells', async () => {
    await using under = await openArea();
    const place = new MemoryDestination();
    await abandoned(under, [place], true);
    expect(await under.area.recover('other', [place], { signal })).toEqual([]);
    expect(await under.area.recover('shop', [new MemoryDestination()], { signal })).toEqual([]);
    expect(under.notices().join()).toContain('to other destinations');
    const more = [new MemoryDestination(), place];
    expect(await finish(await under.area.recover('shop', more, { signal }))).toEqual(['sealed']);
  });

  test('foreign files and folders', async () => {
    await using under = await openArea();
    const place = new MemoryDestination();
    await abandoned(under, [place], true);
    await mkdir(under.folder.join('shop', 'somebody', 'else'), { recursive: true });
    await writeFile(under.folder.join('shop', 'notes.txt'), 'mine');
    await writeFile(under.folder.join('notes.txt'), 'mine');
    await finish(await under.area.recover('shop', [place], { signal }));
    expect((await readdir(under.folder.join('shop'))).sort()).toEqual(['notes.txt', 'somebody']);
    await rm(under.folder.join('notes.txt'));
  });
});
