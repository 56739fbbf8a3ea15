/** Fills a small staging disk in several ways, and prints what was said of it; see `staging-root.test.ts`. */
import { readdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError, SystemClock } from '@holdfast/core';
import { type DiskWay, listedKeys, MemoryDestination } from '@holdfast/testing';
import { fillAndSeal, runOf, signal } from './staging.fixture.ts';
import { StagingArea } from './staging-area.ts';

const [way, folder = ''] = process.argv.slice(2) as [DiskWay, string];
const root = join(folder, 'staging');
await mkdir(root);
const area = new StagingArea({ directory: root, clock: new SystemClock(), floorBytes: 1024 * 1024 });
const place = new MemoryDestination();

const reserved = await attempt(async () => {
  await using stage = await area.openRun(runOf(), [place], { signal });
  await stage.reserve(64 * 1024 ** 4, { signal });
});

// A run that was sealed and interrupted, and then the disk is filled by somebody else.
const stage = await area.openRun(runOf(), [place], { signal });
await fillAndSeal(stage, 1);
const filler = join(folder, 'filler');
const opened = way === 'mount' ? await attempt(openOnFullDisk) : 'exhausted';
const locked = await attempt(async () => {
  await using _lock = await area.lock('shop', [place]);
});
await stage.commit({ signal });
await stage[Symbol.asyncDispose]();
rmSync(filler, { force: true });

console.log(
  JSON.stringify({
    reserved,
    opened,
    locked,
    left: readdirSync(join(root, 'shop')),
    keys: await listedKeys(place),
  }),
);

async function openOnFullDisk(): Promise<void> {
  const { bavail, bsize } = statfsSync(folder);
  try {
    writeFileSync(filler, Buffer.alloc(bavail * bsize + bsize));
  } catch {
    // It took what there was.
  }
  await using _run = await area.openRun(runOf({ sequence: 1 }), [place], { signal });
}

async function attempt(act: () => Promise<void>): Promise<string> {
  try {
    await act();
    return 'ok';
  } catch (error) {
    return HoldfastError.from(error).message;
  }
}
