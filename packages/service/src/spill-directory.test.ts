import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { temporaryFolder } from '@holdfast/testing';
import { expect, it } from 'vitest';
import { openSpillDirectory } from './spill-directory.ts';

it('is a folder of this process alone, gone when disposed', async () => {
  await using folder = await temporaryFolder();
  {
    await using spill = await openSpillDirectory(folder.join('staging'));
    await writeFile(`${spill.path}/x`, 'x');
    expect(await readdir(folder.join('staging'))).toEqual([`spill-${hostname()}-${process.pid}`]);
  }
  expect(await readdir(folder.join('staging'))).toEqual([]);
});

it('removes what killed processes of this host left, and nothing else', async () => {
  await using folder = await temporaryFolder();
  const numberMax = 2 ** 22 + 1;
  const kept = [`spill-${hostname()}-1`, 'spill-elsewhere-1', 'shop'];
  for (const name of [...kept, `spill-${hostname()}-${numberMax}`]) await mkdir(folder.join(name));
  await using spill = await openSpillDirectory(folder.path);
  expect((await readdir(folder.path)).sort()).toEqual([...kept, spill.path.split('/').at(-1)].sort());
});

it('says what to do when the folder cannot be used', async () => {
  await using folder = await temporaryFolder();
  await writeFile(folder.join('file'), '');
  await expect(openSpillDirectory(folder.join('file'))).rejects.toMatchObject({
    code: 'config_invalid',
    hint: expect.stringContaining('--staging'),
  });
});
