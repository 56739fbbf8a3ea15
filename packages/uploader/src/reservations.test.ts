import { statfs, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MemoryDestination, temporaryFolder } from '@holdfast/testing';
import { expect, test } from 'vitest';
import { openArea, runOf, signal } from './staging.fixture.ts';

const gibibyte = 1024 ** 3;

/** Leaves so much room for reservations, whatever the disk has. */
async function floorLeaving(bytes: number, path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize - bytes;
}

async function emptyFile(directory: string): Promise<string> {
  const path = join(directory, '0000-full-001.ndjson.zst');
  await writeFile(path, '');
  return path;
}

const places = [new MemoryDestination()];
const chainOf = (n: number): string => `20261120T14000${n}Z-node-a-g1`;

/** Areas whose disk seems to have 1 GiB of room, give or take what others do to it meanwhile. */
async function openSmallArea(): ReturnType<typeof openArea> {
  const folder = await temporaryFolder('staging');
  const floorBytes = await floorLeaving(gibibyte, folder.path);
  const under = await openArea({ directory: folder.path, floorBytes });
  return {
    ...under,
    folder,
    [Symbol.asyncDispose]: async () => {
      await under[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

test('room that is there is reserved, more than there is is refused with the numbers', async () => {
  await using under = await openSmallArea();
  await using stage = await under.area.openRun(runOf(), places, { signal });
  await stage.reserve(0.3 * gibibyte, { signal });
  const refused = stage.reserve(3 * gibibyte, { signal });
  await expect(refused).rejects.toMatchObject({
    code: 'exhausted',
    hint: expect.stringContaining(under.area.root),
  });
  await expect(refused).rejects.toThrow(
    /needs 3\.3 GiB \(\d+ bytes\), .* are free on the disk of .* stay free/,
  );
});

test('what another live run has reserved is not there', async () => {
  await using under = await openSmallArea();
  await using first = await under.area.openRun(runOf({ chain: chainOf(1) }), places, { signal });
  await using second = await under.area.openRun(runOf({ chain: chainOf(2) }), places, { signal });
  await first.reserve(0.7 * gibibyte, { signal });
  await expect(second.reserve(0.7 * gibibyte, { signal })).rejects.toMatchObject({
    code: 'exhausted',
    message: expect.stringMatching(/716\.8 MiB are reserved by another run/),
  });
  await first[Symbol.asyncDispose]();
  await second.reserve(0.7 * gibibyte, { signal });
});

test('reserving adds up, and what has been written no longer counts as reserved', async () => {
  await using under = await openSmallArea();
  await using stage = await under.area.openRun(runOf(), places, { signal });
  for (let i = 0; i < 3; i += 1) await stage.reserve(0.25 * gibibyte, { signal });
  await expect(stage.reserve(0.5 * gibibyte, { signal })).rejects.toMatchObject({ code: 'exhausted' });
  await using other = await under.area.openRun(runOf({ chain: chainOf(2) }), places, { signal });
  await expect(other.reserve(0.5 * gibibyte, { signal })).rejects.toMatchObject({ code: 'exhausted' });
  // Sparse: its size counts as written, and takes no room.
  await truncate(await emptyFile(stage.directory), 0.75 * gibibyte);
  await other.reserve(0.5 * gibibyte, { signal });
});

test('of two runs that ask at once for the last room one gets it', async () => {
  await using under = await openSmallArea();
  await using first = await under.area.openRun(runOf({ chain: chainOf(1) }), places, { signal });
  await using second = await under.area.openRun(runOf({ chain: chainOf(2) }), places, { signal });
  const outcomes = await Promise.allSettled(
    [first, second].map((stage) => stage.reserve(0.7 * gibibyte, { signal })),
  );
  expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
});

test('a file that somebody left in a reservation is no reservation', async () => {
  await using under = await openSmallArea();
  await using first = await under.area.openRun(runOf({ chain: chainOf(1) }), places, { signal });
  await writeFile(join(first.directory, 'reservation.json'), 'nonsense');
  await using second = await under.area.openRun(runOf({ chain: chainOf(2) }), places, { signal });
  await second.reserve(0.7 * gibibyte, { signal });
});
