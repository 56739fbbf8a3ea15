import { mkdir, stat, writeFile } from 'node:fs/promises';
import { temporaryFolder } from '@holdfast/testing';
import { describe, expect, test } from 'vitest';
import { makeFolders } from './durable-file.ts';

describe('folders', () => {
  test('are made with all that is missing above them, and left as they are when they are there', async () => {
    await using folder = await temporaryFolder();
    await mkdir(folder.join('there'), { mode: 0o755 });
    await makeFolders(folder.join('there/a/b'), 0o700);
    await makeFolders(folder.join('there/a/b'), 0o750);
    const modes = await Promise.all(['there', 'there/a', 'there/a/b'].map((name) => stat(folder.join(name))));
    expect(modes.map(({ mode }) => (mode & 0o777).toString(8))).toEqual(['755', '700', '700']);
  });

  test('are refused where a file is in the way', async () => {
    await using folder = await temporaryFolder();
    await writeFile(folder.join('file'), '');
    await expect(makeFolders(folder.join('file'), 0o700)).rejects.toMatchObject({ code: 'EEXIST' });
    await expect(makeFolders(folder.join('file/a/b'), 0o700)).rejects.toMatchObject({ code: 'ENOTDIR' });
  });

  test('are refused where a file system makes none, and says that the one above is missing', async () => {
    await expect(makeFolders('/proc/holdfast/a', 0o700)).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
