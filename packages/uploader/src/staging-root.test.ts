import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { SystemClock } from '@holdfast/core';
import { MemoryDestination, runMounted, temporaryFolder } from '@holdfast/testing';
import { expect, test } from 'vitest';
import { defaultStagingRoot } from './default-root.ts';
import { openArea, runOf, signal } from './staging.fixture.ts';
import { StagingArea } from './staging-area.ts';

const places = [new MemoryDestination()];

test('a root that is missing is made, for its owner alone', async () => {
  await using folder = await temporaryFolder('root');
  const area = new StagingArea({ directory: folder.join('deep', 'staging'), clock: new SystemClock() });
  expect(await area.prepare({ signal })).toEqual([]);
  await using _lock = await area.lock('shop', places);
});

test('a root that is a file is refused by everything', async () => {
  await using folder = await temporaryFolder('root');
  await writeFile(folder.join('file'), '');
  const area = new StagingArea({ directory: folder.join('file'), clock: new SystemClock() });
  const refused = { code: 'config_invalid', message: expect.stringContaining(folder.join('file')) };
  await expect(area.prepare({ signal })).rejects.toMatchObject(refused);
  await expect(area.lock('shop', places)).rejects.toMatchObject(refused);
  await expect(area.openRun(runOf(), places, { signal })).rejects.toMatchObject(refused);
});

test('a root that does not take writes is refused, saying who may not', async () => {
  await using folder = await temporaryFolder('root');
  await mkdir(folder.join('closed'));
  await chmod(folder.join('closed'), 0o555);
  // Root may write everywhere but to what the kernel itself keeps.
  const closed = process.getuid?.() === 0 ? '/sys/kernel' : folder.join('closed');
  const area = new StagingArea({ directory: closed, clock: new SystemClock() });
  await expect(area.prepare({ signal })).rejects.toMatchObject({
    code: expect.stringMatching(/permission_denied|unavailable/),
    message: expect.stringContaining(closed),
    hint: expect.stringContaining('--staging'),
  });
});

test('a root on the disk of the database gets a warning', async () => {
  await using under = await openArea();
  const [warning] = await under.area.prepare({
    signal,
    neverOn: [under.folder.path, '/no/such/folder', '/proc'],
  });
  expect(warning).toContain('on the same disk as the database');
  expect(await under.area.prepare({ signal, neverOn: ['/proc'] })).toEqual([]);
});

test('a full disk is told with numbers, and what is sealed there is still pushed', {
  timeout: 60_000,
}, async () => {
  await using folder = await temporaryFolder('full');
  const script = fileURLToPath(new URL('./full-disk-child.fixture.ts', import.meta.url));
  const said = await runMounted({ script, folder: folder.path, sizeBytes: 16 * 1024 * 1024 });
  expect(said).toEqual({
    reserved: expect.stringMatching(/^\[exhausted\] .*needs 64\.0 TiB .* are free on the disk of/),
    opened: expect.stringMatching(/exhausted/),
    locked: 'ok',
    left: [],
    keys: expect.arrayContaining([expect.stringContaining('manifest')]),
  });
});

test('the default root follows HOLDFAST_STAGING, then the user', () => {
  expect(defaultStagingRoot({ HOLDFAST_STAGING: '/srv/staging' })).toBe('/srv/staging');
  const root = process.getuid?.() === 0;
  const own = defaultStagingRoot({ XDG_STATE_HOME: '/home/x/state' });
  expect(own).toBe(root ? '/var/lib/holdfast/staging' : '/home/x/state/holdfast/staging');
});
