import { HoldfastError } from '@holdfast/core';
import { FakeClock, MemoryDestination } from '@holdfast/testing';
import { expect, it } from 'vitest';
import { probeDestination } from './probe-destination.ts';

const declared = { type: 'ftp', host: 'far.example', path: '/backups' };

/** Stands for what the driver would open. */
function opening(list: MemoryDestination['list']) {
  const destination = new MemoryDestination('far');
  destination.list = list;
  return { clock: new FakeClock(), open: async () => destination };
}

it('a place that can be listed is reachable, and its objects are added up', async () => {
  const o = opening(async function* () {
    yield { key: 'a', bytes: 3 };
    yield { key: 'b', bytes: 4 };
  });
  expect(await probeDestination(declared, o)).toEqual({ reachable: true, usedBytes: 7 });
});

it('of a place with too many objects nobody says how full it is', async () => {
  const o = opening(async function* () {
    for (let i = 0; ; i++) yield { key: `${i}`, bytes: 1 };
  });
  expect(await probeDestination(declared, o)).toEqual({ reachable: true });
});

it.each([
  ['unavailable', false],
  ['permission_denied', true],
] as const)('a place that answers %s: reachable is %s', async (code, reachable) => {
  // biome-ignore lint/correctness/useYield: it fails before
  const o = opening(async function* () {
    throw new HoldfastError(code, 'no');
  });
  expect(await probeDestination(declared, o)).toEqual({ reachable, error: { code, message: 'no' } });
});

it('a place that does not answer is given up after ten seconds', async () => {
  const o = opening(async function* () {
    await new Promise(() => undefined);
  });
  const probing = probeDestination(declared, o);
  await o.clock.advance(10_000);
  expect(await probing).toMatchObject({ reachable: false, error: { code: 'timeout' } });
});
