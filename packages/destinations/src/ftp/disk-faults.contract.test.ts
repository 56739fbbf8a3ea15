import { fileURLToPath } from 'node:url';
import { runMounted, temporaryFolder } from '@holdfast/testing';
import { expect, test } from 'vitest';

test('a server whose disk is full says exhausted, nothing of the object stays, and a smaller one fits', async () => {
  await using folder = await temporaryFolder('ftp-disk');
  const script = fileURLToPath(new URL('./disk-child.fixture.ts', import.meta.url));
  expect(await runMounted({ script, folder: folder.path, sizeBytes: 8 * 1024 * 1024 })).toMatchObject({
    said: ['exhausted', expect.stringMatching(/make room/)],
    left: ['.holdfast-repository'],
    small: ['a/small'],
  });
});
