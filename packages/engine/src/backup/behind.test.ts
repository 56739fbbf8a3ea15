import { failing, MemoryDestination, texts } from '@holdfast/testing';
import { expect, onTestFinished, test } from 'vitest';
import { copy } from '../copy/copy.ts';
import { errorOf, never, openWorld, type World } from '../world.fixture.ts';
import { type Reachable, reachable } from './reachable.fixture.ts';

const orders = '/p.orders';

async function shop(require: 'all' | number): Promise<World> {
  const world = await openWorld();
  onTestFinished(() => world[Symbol.asyncDispose]());
  world.staging.require = require;
  world.database.createTable(orders, { columns: ['id', 'name'], key: ['id'] });
  sell(world, 1);
  return world;
}

function sell(world: World, id: number): void {
  world.database.transaction((t) => t.insert(orders, texts(String(id), 'name')));
}

const manifestsAt = ({ inner }: Reachable): string[] =>
  inner.objects
    .list()
    .map(({ key }) => key)
    .filter((key) => key.endsWith('.manifest.json'))
    .map((key) => key.slice(key.lastIndexOf('/') + 1))
    .sort();

test('a destination that is out of reach does not keep a backup from the others, and is told as behind', async () => {
  const world = await shop(1);
  const [near, far] = [reachable(), reachable()];
  far.down = true;
  const report = await world.backup({}, { destinations: [far, near] });
  expect(report).toMatchObject({
    outcome: 'stored',
    destinations: [{ stored: false, behind: true, error: { code: 'unavailable' } }, { stored: true }],
  });
});

test('with all required, one that is out of reach fails the run, and nothing is stored', async () => {
  const world = await shop('all');
  const [near, far] = [reachable(), reachable()];
  far.down = true;
  const error = await errorOf(world.backup({}, { destinations: [near, far] }));
  expect(error).toMatchObject({ code: 'unavailable' });
  expect(manifestsAt(near)).toEqual([]);
  expect(world.staging.unfinished).toEqual([]);
});

test('one that is behind gets no incremental before those that it follows', async () => {
  const world = await shop(1);
  const [near, far] = [reachable(), reachable()];
  const destinations = [near, far];
  await world.backup({}, { destinations });
  far.down = true;
  sell(world, 2);
  await world.backup({}, { destinations });
  far.down = false;
  sell(world, 3);
  const report = await world.backup({}, { destinations });
  expect(report).toMatchObject({ scope: 'incremental', destinations: [{ stored: true }, { behind: true }] });
  expect(manifestsAt(far)).toEqual(['0000-full.manifest.json']);
  expect(manifestsAt(near)).toHaveLength(3);
});

test('a chain is continued by what any destination knows of it, not only the first', async () => {
  const world = await shop(1);
  const [near, far] = [reachable(), reachable()];
  const destinations = [near, far];
  near.down = true;
  await world.backup({}, { destinations });
  near.down = false;
  sell(world, 2);
  const report = await world.backup({}, { destinations });
  expect(report).toMatchObject({ scope: 'incremental', destinations: [{ behind: true }, { stored: true }] });
  expect(manifestsAt(near)).toEqual([]);
  // The one full's changes are kept, and no other's.
  expect([...world.database.keepers.keys()]).toHaveLength(1);
});

test('where enough must hold a chain, one that lacks it is brought up to date first, without the database', async () => {
  const world = await shop(2);
  const places = [reachable(), reachable(), reachable()];
  const [first, second, third] = places as [Reachable, Reachable, Reachable];
  await world.backup({}, { destinations: places });
  third.down = true;
  sell(world, 2);
  await world.backup({}, { destinations: places });
  third.down = false;
  first.down = true;
  sell(world, 3);
  const report = await world.backup({}, { destinations: places });
  expect(report).toMatchObject({
    scope: 'incremental',
    destinations: [{ behind: true }, { stored: true }, { stored: true }],
  });
  expect(manifestsAt(third)).toEqual(manifestsAt(second));
  const { database } = await world.restore({}, { destination: third.inner });
  expect(database.contents()).toEqual(world.database.contents());
});

test('one that does not answer is not waited for when enough others are there', async () => {
  const world = await shop(1);
  const silent = failing(new MemoryDestination(), { prepare: ['hang'] });
  const report = await world.backup({}, { destinations: [silent, new MemoryDestination()] });
  expect(report.destinations[0]).toMatchObject({ behind: true, error: { code: 'timeout' } });
});

test('one that another process brings up to date just now is left alone', async () => {
  const world = await shop(1);
  const destinations = [new MemoryDestination(), new MemoryDestination()];
  world.staging.occupy('shop', destinations[1] as MemoryDestination);
  const report = await world.backup({}, { destinations });
  expect(report.destinations[1]).toMatchObject({ behind: true, error: { code: 'conflict' } });
});

test('a damaged copy that cannot be mended begins a new chain everywhere, when all are required', async () => {
  const world = await shop('all');
  const [near, far] = [reachable(), reachable()];
  const destinations = [near, far];
  await world.backup({}, { destinations });
  const segment = far.inner.objects.list().find(({ key }) => key.endsWith('.zst'))?.key ?? '';
  far.inner.objects.set(segment, Buffer.from('short'));
  sell(world, 2);
  const report = await world.backup({}, { destinations });
  expect(report).toMatchObject({ scope: 'full', reason: expect.stringContaining('another size') });
});

test('a segment that is missing at one destination is brought there again', async () => {
  const world = await shop('all');
  const [near, far] = [reachable(), reachable()];
  const destinations = [near, far];
  await world.backup({}, { destinations });
  const segment = far.inner.objects.list().find(({ key }) => key.endsWith('.zst'))?.key ?? '';
  await far.delete(segment, { signal: never });
  sell(world, 2);
  expect(await world.backup({}, { destinations })).toMatchObject({ scope: 'incremental' });
  const { database } = await world.restore({}, { destination: far.inner });
  expect(database.contents()).toEqual(world.database.contents());
});

test('a destination that was away for long catches up alone, in the order of the chains', async () => {
  const world = await shop(1);
  const [near, far] = [reachable(), reachable()];
  const destinations = [near, far];
  await world.backup({}, { destinations });
  far.down = true;
  for (const [id, scope] of [
    [2, 'auto'],
    [3, 'full'],
    [4, 'auto'],
  ] as const) {
    sell(world, id);
    await world.backup({ scope, keepChanges: true }, { destinations });
  }
  far.down = false;
  const tools = { clock: world.clock, from: [near], to: far, staging: world.staging };
  const report = await copy({ task: 'shop', chains: 'lacking' }, tools, { signal: never });
  expect(report.problems).toEqual([]);
  expect(report.backups).toHaveLength(3);
  expect([...report.backups]).toEqual([...report.backups].sort());
  expect(manifestsAt(far)).toEqual(manifestsAt(near));
  const again = await copy({ task: 'shop', chains: 'lacking' }, tools, { signal: never });
  expect(again).toMatchObject({ backups: [], bytes: 0, backupsThere: 4 });
  const { database } = await world.restore({}, { destination: far.inner });
  expect(database.contents()).toEqual(world.database.contents());
});

test('an empty destination gets the newest chain to go on with, or everything when asked', async () => {
  const world = await shop('all');
  const near = reachable();
  for (const id of [2, 3]) {
    await world.backup({ scope: 'full', keepChanges: true }, { destinations: [near] });
    sell(world, id);
  }
  for (const [chains, count] of [
    ['lacking', 1],
    ['all', 2],
  ] as const) {
    const to = reachable();
    const tools = { clock: world.clock, from: [near], to, staging: world.staging };
    await copy({ task: 'shop', chains }, tools, { signal: never });
    expect(manifestsAt(to)).toHaveLength(count);
  }
});

test('a copy says what it cannot find, and from where it cannot be had', async () => {
  const world = await shop('all');
  const [empty, to, away] = [reachable(), reachable(), reachable()];
  away.down = true;
  const tools = { clock: world.clock, to, staging: world.staging };
  const request = { task: 'shop', chains: 'all' } as const;
  expect(await errorOf(copy(request, { ...tools, from: [empty] }, { signal: never }))).toMatchObject({
    code: 'not_found',
  });
  expect(await errorOf(copy(request, { ...tools, from: [away] }, { signal: never }))).toMatchObject({
    code: 'unavailable',
  });
  expect(await errorOf(copy(request, { ...tools, from: [] }, { signal: never }))).toMatchObject({
    code: 'config_invalid',
  });
});
