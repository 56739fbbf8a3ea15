import { SystemClock } from '@holdfast/core';
import { describeDestination, type OpenExpecting, temporaryFolder } from '@holdfast/testing';
import { onTestFinished } from 'vitest';
import { FolderDestination, type FolderOptions } from './folder-destination.ts';
import { parseFolderUrl } from './url.ts';

async function openEmpty(options: Partial<FolderOptions> = {}): Promise<FolderDestination> {
  const folder = await temporaryFolder('folder');
  onTestFinished(() => folder[Symbol.asyncDispose]());
  return new FolderDestination({ path: folder.path, clock: new SystemClock(), ...options });
}

const expecting: OpenExpecting = async (place, expectedId) => {
  const { path } = parseFolderUrl(place.description);
  return new FolderDestination({ path, expectedId, clock: new SystemClock() });
};

describeDestination('folder', () => openEmpty(), { expecting });

describeDestination('folder, on a file system without hard links', async () => {
  const place = await openEmpty({
    link: async () => {
      throw Object.assign(new Error('operation not permitted, link'), { code: 'EPERM' });
    },
  });
  // It is seen by trying. A handle that is opened by its token has the links of this machine, and does not race with one that has none.
  await place.prepare({ signal: new AbortController().signal });
  return place;
});
