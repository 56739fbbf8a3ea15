import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { SystemClock } from '@holdfast/core';
import {
  collect,
  listed,
  runMounted,
  sha256Of,
  type TemporaryFolder,
  temporaryFolder,
} from '@holdfast/testing';
import { describe, expect, test } from 'vitest';
import { FolderDestination } from './folder-destination.ts';
import { numberOf, objectOf } from './writer.fixture.ts';

const { signal } = new AbortController();
const clock = new SystemClock();

function pathOf(file: string): string {
  return fileURLToPath(new URL(file, import.meta.url));
}

function temporariesOf(folder: TemporaryFolder): Promise<string[]> {
  return readdir(folder.path, { recursive: true }).then((names) =>
    names.filter((name) => name.includes('.holdfast-tmp-')),
  );
}

describe('a writer that is killed', () => {
  test('at any time never leaves a part, and never shows one while it writes', async () => {
    await using folder = await temporaryFolder('killed');
    const place = new FolderDestination({ path: folder.path, clock });
    let seen = 0;
    for (let round = 0; round < 6; round += 1) {
      const child = spawn(process.execPath, [
        '--no-warnings',
        pathOf('./writer-child.fixture.ts'),
        folder.path,
      ]);
      const exited = once(child, 'exit');
      await once(child.stdout, 'data');
      const killed = clock.sleep(Math.random() * 150, signal).then(() => child.kill('SIGKILL'));
      // Looks while it writes, and once after it is dead.
      for (let last = false; ; ) {
        last = child.exitCode !== null || child.signalCode !== null;
        for (const { key, bytes } of await listed(place)) {
          expect(bytes).toBe(1_500_000);
          const content = await collect(place.read(key, { signal }));
          expect(sha256Of(content)).toBe(sha256Of(objectOf(numberOf(content))));
          seen += 1;
        }
        if (last) break;
      }
      await Promise.all([killed, exited]);
      for (const { key } of await listed(place, 'once/')) await place.delete(key, { signal });
    }
    expect(seen).toBeGreaterThan(0);
    await place.prepare({ signal });
    expect(await temporariesOf(folder)).toEqual([]);
  });

  test('leaves a temporary file that the next writer removes once its process is gone', async () => {
    await using folder = await temporaryFolder('killed');
    const place = new FolderDestination({ path: folder.path, clock });
    const child = spawn(process.execPath, [
      '--no-warnings',
      '-e',
      `import('${new URL('./temporary.ts', import.meta.url).href}').then(({ temporaryName }) => {
        const { mkdirSync, writeFileSync } = require('node:fs');
        mkdirSync(process.argv[1] + '/a');
        writeFileSync(process.argv[1] + '/a/' + temporaryName(), 'a part');
        console.log('written');
        setInterval(() => {}, 1000);
      });`,
      folder.path,
    ]);
    const exited = once(child, 'exit');
    await once(child.stdout, 'data');
    await place.prepare({ signal });
    // Its process lives: it may still be writing.
    expect(await temporariesOf(folder)).toHaveLength(1);
    expect(await listed(place)).toEqual([]);
    child.kill('SIGKILL');
    await exited;
    await place.prepare({ signal });
    expect(await temporariesOf(folder)).toEqual([]);
  });

  test('on another machine is waited for a day', async () => {
    await using folder = await temporaryFolder('killed');
    const place = new FolderDestination({ path: folder.path, clock });
    await mkdir(folder.join('task'));
    const name = folder.join('task', '.holdfast-tmp-0123456789-42-0011223344556677');
    await writeFile(name, 'a part');
    const hoursAgo = (hours: number): Date => new Date(clock.now() - hours * 3_600_000);
    await utimes(name, hoursAgo(20), hoursAgo(20));
    await place.prepare({ signal });
    expect(await temporariesOf(folder)).toHaveLength(1);
    await utimes(name, hoursAgo(25), hoursAgo(25));
    await place.prepare({ signal });
    expect(await temporariesOf(folder)).toEqual([]);
  });
});

describe('a disk that', () => {
  async function onSmallDisk(scenario: string): Promise<unknown> {
    await using folder = await temporaryFolder('disk');
    const sizeBytes = 8 * 1024 * 1024;
    return await runMounted({
      script: pathOf('./disk-child.fixture.ts'),
      folder: folder.path,
      sizeBytes,
      args: [scenario],
    });
  }

  test('is full is told, nothing of the object stays, and a smaller one fits', async () => {
    expect(await onSmallDisk('full')).toEqual({
      refused: expect.stringMatching(/^\[exhausted\] could not write .*a\/large .* \| make room/),
      left: ['.holdfast-repository'],
      small: 'ok',
    });
  });

  test('is gone is told by every verb, and the disk below it is not written to', async () => {
    const gone = expect.stringMatching(/^\[unavailable\] the mount is gone: .*findmnt/);
    expect(await onSmallDisk('gone')).toEqual({
      calls: {
        write: gone,
        list: gone,
        stat: gone,
        read: gone,
        delete: gone,
        prepare: gone,
        laterPrepare: expect.stringMatching(/is empty, but held repository/),
        laterWrite: gone,
        laterList: gone,
      },
      written: [],
      missing: expect.stringMatching(/^\[unavailable\] the mount is gone: .*does not exist/),
      made: false,
    });
  });

  test('became read-only still reads, and refuses writes with the reason', async () => {
    const refused = expect.stringMatching(
      /^\[(unavailable|permission_denied)\] could not .* \| (mount|let user)/,
    );
    expect(await onSmallDisk('readOnly')).toEqual({
      write: refused,
      prepare: refused,
      delete: refused,
      read: 'ok',
      keys: ['a/before'],
    });
  });

  test('has to be a mounted one is not taken for the disk of /', async () => {
    const said = (await onSmallDisk('mountRequired')) as { way: string };
    expect(said).toMatchObject({
      unmounted: expect.stringMatching(/^\[unavailable\] nothing is mounted at \/no-such-mount\/backups/),
      made: false,
      ...(said.way === 'mount' && { mounted: 'ok' }),
    });
  });
});
