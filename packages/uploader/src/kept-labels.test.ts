import { existsSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import type { Destination, KeptLabel } from '@holdfast/core';
import { failing, MemoryDestination, SqliteDestination } from '@holdfast/testing';
import { describe, expect, test } from 'vitest';
import { runChild } from './crash.fixture.ts';
import {
  type AreaUnderTest,
  backUp,
  chain,
  fill,
  fillAndSeal,
  fillSealAndCommit,
  openArea,
  runOf,
  signal,
} from './staging.fixture.ts';

const near = new MemoryDestination();
const far = new MemoryDestination();

const keptOf = (changes: Partial<KeptLabel> = {}): KeptLabel => ({
  task: 'shop',
  label: 'shop_1',
  chain,
  identity: 'memory:1',
  ...changes,
});

async function labels({ area }: AreaUnderTest, places: readonly Destination[] = [near]): Promise<string[]> {
  return (await area.listKept('shop', places, { signal })).map(({ label }) => label);
}

test('what is remembered outlives the process, until it is released', async () => {
  await using under = await openArea();
  expect(await labels(under)).toEqual([]);
  await under.area.rememberKept(keptOf(), [near], { signal });
  await under.area.rememberKept(keptOf({ label: 'shop_2', chain: 'other' }), [near], { signal });
  await under.area.rememberKept(keptOf({ task: 'crm' }), [near], { signal });
  await using later = await openArea({ directory: under.folder.path });
  expect(await later.area.listKept('shop', [near], { signal })).toEqual([
    { ...keptOf(), mayBeElsewhere: false },
    { ...keptOf({ label: 'shop_2', chain: 'other' }), mayBeElsewhere: false },
  ]);
  await later.area.releaseKept('shop', 'shop_1', { signal });
  await later.area.releaseKept('shop', 'shop_1', { signal });
  expect(await labels(under)).toEqual(['shop_2']);
});

test('a run that went quite elsewhere is of someone else who uses this staging', async () => {
  await using under = await openArea();
  await under.area.rememberKept(keptOf(), [far], { signal });
  expect(await labels(under, [near])).toEqual([]);
  expect(await labels(under, [near, far])).toEqual(['shop_1']);
});

test('a label that would be no file of its own is refused', async () => {
  await using under = await openArea();
  for (const label of ['../x', '', 'A', 'a'.repeat(41)]) {
    await expect(under.area.rememberKept(keptOf({ label }), [near], { signal })).rejects.toThrow('no label');
    await expect(under.area.releaseKept('shop', label, { signal })).rejects.toThrow('no label');
  }
  const o = { signal };
  await expect(under.area.rememberKept(keptOf({ task: '../x' }), [near], o)).rejects.toThrow('no name');
});

test('a damaged record is told, and its label is still known', async () => {
  await using under = await openArea();
  await under.area.rememberKept(keptOf(), [near], { signal });
  const folder = under.folder.join('shop', '.kept');
  for (const [label, content] of Object.entries({ cut: '{"format":1,"la', other: '{"format":2}', empty: '' }))
    await writeFile(`${folder}/${label}.json`, content);
  expect(await under.area.listKept('shop', [near], { signal })).toEqual([
    { label: 'cut', mayBeElsewhere: true },
    { label: 'empty', mayBeElsewhere: true },
    { label: 'other', mayBeElsewhere: true },
    { ...keptOf(), mayBeElsewhere: false },
  ]);
  expect(under.notices()).toHaveLength(3);
  expect(under.notices()[0]).toContain(`${folder}/cut.json is damaged`);
  await under.area.releaseKept('shop', 'cut', { signal });
  expect(await readdir(folder)).not.toContain('cut.json');
});

test('what a crash left of writing one is removed, and what is not ours stays', async () => {
  await using under = await openArea();
  const folder = under.folder.join('shop', '.kept');
  await mkdir(folder, { recursive: true });
  await writeFile(`${folder}/shop_1.json.tmp-77-0badcafe`, '{');
  await writeFile(`${folder}/README`, '');
  expect(await labels(under)).toEqual([]);
  expect(await readdir(folder)).toEqual(['README']);
});

test('who may not write to staging is told so', async () => {
  await using under = await openArea();
  await mkdir(under.folder.join('shop'));
  await writeFile(under.folder.join('shop', '.kept'), '');
  const refused = { code: 'config_invalid', message: expect.stringContaining(under.folder.path) };
  await expect(under.area.rememberKept(keptOf(), [near], { signal })).rejects.toMatchObject(refused);
  await expect(under.area.listKept('shop', [near], { signal })).rejects.toMatchObject(refused);
});

describe('the chain of a label', () => {
  const elsewhere = async ({ area }: AreaUnderTest, places: readonly Destination[]): Promise<boolean[]> =>
    (await area.listKept('shop', places, { signal })).map(({ mayBeElsewhere }) => mayBeElsewhere);

  test('at which a run is at work is nobody else’s, full or incremental', async () => {
    await using under = await openArea();
    const places = [new MemoryDestination()];
    await under.area.rememberKept(keptOf(), places, { signal });
    {
      await using stage = await under.area.openRun(runOf(), places, { signal });
      expect(await labels(under, places)).toEqual([]);
      await fillSealAndCommit(stage);
    }
    expect(await labels(under, places)).toEqual(['shop_1']);
    const incremental = runOf({ sequence: 1, scope: 'incremental' });
    await using _stage = await under.area.openRun(incremental, places, { signal });
    expect(await labels(under, places)).toEqual([]);
  });

  test('may be in staging: sealed, or half way', async () => {
    await using under = await openArea();
    const place = failing(new MemoryDestination(), { write: ['ok', 'ok', 'ok', 'unavailable'] });
    await under.area.rememberKept(keptOf(), [place], { signal });
    {
      await using stage = await under.area.openRun(runOf(), [place], { signal });
      await fillAndSeal(stage);
      await expect(stage.commit({ signal })).rejects.toThrow('unavailable');
    }
    expect(await elsewhere(under, [place])).toEqual([true]);
    const [found] = await under.area.recover('shop', [place], { signal });
    if (found?.kind !== 'sealed') throw new Error('it should be sealed');
    {
      await using stage = found.stage;
      await stage.commit({ signal });
    }
    expect(await elsewhere(under, [place])).toEqual([false]);
  });

  test('may be kept for a destination that is behind, or at one that the task does not have now', async () => {
    await using under = await openArea({ require: 1 });
    const there = new MemoryDestination();
    const away = failing(new MemoryDestination(), { write: Array(9).fill('unavailable') });
    const places = [there, away];
    await under.area.rememberKept(keptOf(), places, { signal });
    await backUp(under.area, places);
    expect(await elsewhere(under, places)).toEqual([true]);
    await under.area.settle('shop', away, () => true, { signal });
    expect(await elsewhere(under, places)).toEqual([false]);
    expect(await elsewhere(under, [there])).toEqual([true]);
  });

  test('is gone with the run that failed', async () => {
    await using under = await openArea();
    const place = new MemoryDestination();
    await under.area.rememberKept(keptOf(), [place], { signal });
    {
      await using stage = await under.area.openRun(runOf(), [place], { signal });
      await fill(stage, 2);
    }
    expect(await elsewhere(under, [place])).toEqual([false]);
  });
});

test('records are taken for no run', async () => {
  await using under = await openArea();
  const place = new MemoryDestination();
  await under.area.rememberKept(keptOf(), [place], { signal });
  expect(await under.area.recover('shop', [place], { signal })).toEqual([]);
  await using stage = await under.area.openRun(runOf(), [place], { signal });
  await stage.reserve(1000, { signal });
  await fillSealAndCommit(stage);
  expect(under.notices()).toEqual([]);
});

test('a killed process has remembered what it was about to make', { timeout: 60_000 }, async () => {
  await using under = await openArea();
  const path = under.folder.join('a.objects');
  const directory = under.folder.join('staging');
  expect(await runChild(['backup', directory, 'remembered', '1', path])).toBe('SIGKILL');
  await using after = await openArea({ directory });
  await using place = new SqliteDestination(path);
  expect(await labels(after, [place])).toEqual(['shop_1']);
  const [litter] = await after.area.recover('shop', [place], { signal });
  if (litter?.kind !== 'litter') throw new Error('it should be litter');
  await litter.collect({ signal });
  expect(await after.area.listKept('shop', [place], { signal })).toEqual([
    { ...keptOf(), mayBeElsewhere: false },
  ]);
  expect(existsSync(`${directory}/shop/.kept/shop_1.json`)).toBe(true);
});
