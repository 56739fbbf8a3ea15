import { fileURLToPath } from 'node:url';
import { runMounted, temporaryFolder } from '@holdfast/testing';
import { expect, test } from 'vitest';

test('a mount whose server stops is unavailable, not a hang; it heals; one that dies is never written below', async () => {
  await using folder = await temporaryFolder('hung');
  const said = await runMounted({
    script: fileURLToPath(new URL('./hang-child.fixture.ts', import.meta.url)),
    folder: folder.path,
    sizeBytes: 64 * 1024 * 1024,
  });
  const each = (pattern: RegExp): unknown => Array(8).fill(expect.stringMatching(pattern));
  const hangs =
    /^\[unavailable\] the file system of \/mounted does not answer: .* \| see whether its server answers/;
  expect(said).toEqual({
    hung: each(hangs),
    others: true,
    refused: each(hangs),
    aborted: expect.stringMatching(/^\[lease_lost\]/),
    healed: 'ok',
    after: 'ok',
    same: true,
    keys: ['a/after', 'a/before'],
    left: 'ok',
    dead: each(
      /^\[unavailable\] the mount is gone: .*ENOTCONN.* \| see whether the file system of .* is mounted/,
    ),
    unmounted: each(/^\[unavailable\] the mount is gone: \/mounted is not the folder that it was/),
    written: [],
    again: 'ok',
  });
});
