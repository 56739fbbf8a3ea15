import { writeFile } from 'node:fs/promises';
import { temporaryFolder } from '@holdfast/testing';
import { expect, test } from 'vitest';
import { CommitHint } from './commit-hint.ts';

test('the database is asked after each change of its log, once more, and then now and again', async () => {
  await using folder = await temporaryFolder('embedded');
  const hint = new CommitHint(folder.join('store'));
  const looks = (count: number): string =>
    Array.from({ length: count }, () => (hint.mayHaveCommitted() ? '!' : '.')).join('');
  expect(looks(22)).toBe('!!........!.........!.');
  await writeFile(folder.join('store-wal'), 'a commit');
  expect(looks(5)).toBe('!!...');
  await writeFile(folder.join('store-wal'), 'another commit');
  expect(looks(5)).toBe('!!...');
});
