import { failing, type MemoryFault, type Script, texts } from '@holdfast/testing';
import { describe, expect, test } from 'vitest';
import { errorOf, openWorld, type World } from '../world.fixture.ts';

const orders = '/p.orders';

async function shop(): Promise<World> {
  const world = await openWorld();
  world.database.createTable(orders, { columns: ['id', 'name'], key: ['id'] });
  world.database.createTable('/p.compared', { columns: ['id', 'name'], key: ['id'], by: 'compare' });
  world.database.createTable('/p.keyless', { columns: ['name'] });
  fill(world, 1);
  return world;
}

function fill(world: World, id: number): void {
  world.database.transaction((t) => {
    t.insert(orders, texts(String(id), 'name'), texts(String(id + 100), 'name'));
    t.insert('/p.compared', texts(String(id), 'name'), texts(String(id + 4), 'name'));
    t.insert('/p.keyless', texts('name'), texts('other'));
  });
}

interface State {
  readonly keys: readonly string[];
  readonly keepers: readonly string[];
  readonly unfinished: number;
}

function stateOf(world: World): State {
  return {
    keys: world.keys,
    keepers: [...world.database.keepers.keys()],
    unfinished: world.staging.unfinished.length,
  };
}

/** A backup that fails, and leaves everything as it was; then one that succeeds and restores. */
async function expectHarmless(
  world: World,
  fail: () => Promise<unknown>,
  o: { readonly code: string; readonly mend: () => void },
): Promise<void> {
  const before = stateOf(world);
  expect((await errorOf(fail())).code).toBe(o.code);
  expect(stateOf(world)).toEqual(before);
  o.mend();
  await world.backup();
  expect((await world.check()).findings).toEqual([]);
  expect((await world.restore()).database.contents()).toEqual(world.database.contents());
}

type Case = readonly [where: string, fault: MemoryFault, code: string];

const sourceFaults: readonly Case[] = [
  ['inspect', 'unauthenticated', 'unauthenticated'],
  ['openFull', 'source_failed', 'source_failed'],
  [orders, 'source_failed', 'source_failed'],
  [orders, 'short', 'source_failed'],
  [orders, 'lie', 'source_failed'],
  [orders, 'mid-row', 'source_failed'],
  ['/p.compared/@0', 'unavailable', 'unavailable'],
  ['/p.compared/@1', 'lie', 'source_failed'],
  ['/schema', 'source_failed', 'source_failed'],
  ['/schema', 'short', 'source_failed'],
];

describe('a full that fails', () => {
  test.each(sourceFaults)('at %s (%s) leaves nothing behind', async (where, fault, code) => {
    await using world = await shop();
    world.source.faults[where] = fault;
    const mend = (): void => void delete world.source.faults[where];
    await expectHarmless(world, () => world.backup({ keepChanges: true }), { code, mend });
  });

  test.each(['prepare', 'openRun', 'reserve', 'push', 'seal', 'commit'])(
    'in staging at %s leaves nothing behind',
    async (verb) => {
      await using world = await shop();
      world.staging.faults[verb] = 'exhausted';
      const mend = (): void => void delete world.staging.faults[verb];
      await expectHarmless(world, () => world.backup({ keepChanges: true }), { code: 'exhausted', mend });
    },
  );

  const scripts: readonly [string, Script, string][] = [
    ['prepare', { prepare: ['permission_denied'] }, 'permission_denied'],
    ['the first listing', { list: ['unavailable'] }, 'unavailable'],
    ['the segment', { write: ['exhausted'] }, 'exhausted'],
    ['the manifest', { write: ['ok', 'permission_denied'] }, 'permission_denied'],
  ];
  test.each(scripts)('at the destination at %s leaves nothing behind', async (_, script, code) => {
    await using world = await shop();
    const destination = failing(world.destination, script);
    await expectHarmless(world, () => world.backup({ keepChanges: true }, { destinations: [destination] }), {
      code,
      mend: () => {},
    });
  });

  test('and cannot be ended in the source says so, and is ended by the next run', async () => {
    await using world = await shop();
    world.source.faults[orders] = 'source_failed';
    world.source.faults.forgetChanges = 'unavailable';
    expect((await errorOf(world.backup({ keepChanges: true }))).code).toBe('source_failed');
    expect(world.events).toContainEqual({
      kind: 'notice',
      text: expect.stringContaining('still keeps changes'),
    });
  });
});

describe('an incremental that fails', () => {
  const faults: readonly Case[] = [
    ['inspect', 'unavailable', 'unavailable'],
    ['openIncremental', 'unavailable', 'unavailable'],
    ['changes', 'source_failed', 'source_failed'],
    ['changes', 'lie', 'source_failed'],
    ['changes', 'short', 'source_failed'],
    ['settle', 'source_failed', 'source_failed'],
    ['/p.keyless', 'source_failed', 'source_failed'],
    ['/p.keyless', 'short', 'source_failed'],
    ['/p.keyless', 'mid-row', 'source_failed'],
    ['/p.compared/@1', 'lie', 'source_failed'],
    ['/sequences', 'source_failed', 'source_failed'],
  ];
  test.each(faults)('at %s (%s) leaves the chain as it was', async (where, fault, code) => {
    await using world = await shop();
    world.database.sequences.set('s', 1);
    await world.backup();
    fill(world, 2);
    world.source.faults[where] = fault;
    const mend = (): void => void delete world.source.faults[where];
    await expectHarmless(world, () => world.backup(), { code, mend });
  });

  test.each(['openRun', 'reserve', 'push', 'seal', 'commit'])(
    'in staging at %s leaves the chain as it was',
    async (verb) => {
      await using world = await shop();
      await world.backup();
      fill(world, 2);
      world.staging.faults[verb] = 'unavailable';
      const mend = (): void => void delete world.staging.faults[verb];
      await expectHarmless(world, () => world.backup(), { code: 'unavailable', mend });
    },
  );

  const scripts: readonly [string, Script, string][] = [
    ['the listing', { list: ['unavailable'] }, 'unavailable'],
    ['reading the chain', { read: ['unauthenticated'] }, 'unauthenticated'],
    ['the segment', { write: ['exhausted'] }, 'exhausted'],
    ['the manifest', { write: ['ok', 'unavailable'] }, 'unavailable'],
  ];
  test.each(scripts)('at the destination at %s leaves the chain as it was', async (_, script, code) => {
    await using world = await shop();
    await world.backup();
    fill(world, 2);
    const destination = failing(world.destination, script);
    await expectHarmless(world, () => world.backup({}, { destinations: [destination] }), {
      code,
      mend: () => {},
    });
  });
});

describe('a backup whose manifest is there, though the run failed,', () => {
  test('is finished by the next run: a full', async () => {
    await using world = await shop();
    world.staging.faults.confirm = 'unavailable';
    expect((await errorOf(world.backup({ keepChanges: true }))).code).toBe('unavailable');
    delete world.staging.faults.confirm;
    // Its changes are wanted.
    expect(world.database.keepers.size).toBe(1);
    fill(world, 2);
    const report = await world.backup();
    expect(report).toMatchObject({ outcome: 'stored', scope: 'incremental' });
    expect(report.notices).toContainEqual(expect.stringContaining('was finished'));
    expect(world.staging.unfinished).toEqual([]);
    expect((await world.restore()).database.contents()).toEqual(world.database.contents());
  });

  test('is finished by the next run: an incremental', async () => {
    await using world = await shop();
    await world.backup();
    fill(world, 2);
    world.staging.faults.confirm = 'unavailable';
    expect((await errorOf(world.backup())).code).toBe('unavailable');
    delete world.staging.faults.confirm;
    fill(world, 3);
    await world.backup();
    expect(world.keys.filter((key) => key.endsWith('.manifest.json'))).toHaveLength(3);
    expect((await world.restore()).database.contents()).toEqual(world.database.contents());
  });
});
