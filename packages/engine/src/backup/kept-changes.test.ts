import { MemoryDatabase, type MemoryFault, MemorySource } from '@holdfast/testing';
import { describe, expect, test } from 'vitest';
import { errorOf, type World } from '../world.fixture.ts';
import { type Reachable, reachable } from './reachable.fixture.ts';
import { keepers, orders, sell, shop } from './shop.fixture.ts';

const keepChanges = true;
const remembered = (world: World): string[] => world.staging.kept.map(({ label }) => label);

/** What the source keeps is what staging remembers, and that is for so many chains. */
function expectKept(world: World, chains: number): void {
  expect(keepers(world)).toHaveLength(chains);
  expect(remembered(world)).toEqual(keepers(world));
}

/** A full that fails, or is killed, when its stage is gone and before the source has ended what it keeps. */
async function forsaken(world: World, fault: MemoryFault = 'unavailable'): Promise<void> {
  Object.assign(world.source.faults, { [orders]: 'source_failed', forgetChanges: fault });
  expect((await errorOf(world.backup({ scope: 'full', keepChanges }))).code).toBe('source_failed');
  for (const where of [orders, 'forgetChanges']) delete world.source.faults[where];
  expect(world.staging.unfinished).toEqual([]);
}

function deleteKeys(world: World, ending: string): void {
  for (const key of world.keys) if (key.endsWith(ending)) world.destination.objects.delete(key);
}

describe('what a full began to keep in the source', () => {
  test('is remembered before anything is made there', async () => {
    await using world = await shop();
    world.source.faults.openFull = 'source_failed';
    world.source.faults.forgetChanges = 'unavailable';
    await errorOf(world.backup({ keepChanges }));
    expect(keepers(world)).toEqual([]);
    expect(remembered(world)).toHaveLength(1);
  });

  test('is remembered, or nothing is begun', async () => {
    await using world = await shop();
    world.staging.faults.rememberKept = 'exhausted';
    expect((await errorOf(world.backup({ keepChanges }))).code).toBe('exhausted');
    expect(world.source.calls).not.toContain('openFull');
    expect(world.staging.unfinished).toEqual([]);
  });

  test('is not remembered where it keeps nothing', async () => {
    await using world = await shop();
    await world.backup({ scope: 'full' });
    expectKept(world, 0);
  });

  test('is ended with the run that fails', async () => {
    await using world = await shop();
    world.source.faults[orders] = 'source_failed';
    await errorOf(world.backup({ keepChanges }));
    expectKept(world, 0);
  });

  test.each(['unavailable', 'hang'] as const)(
    'and could not end (%s) is ended by the next run, which is a full',
    async (fault) => {
      await using world = await shop();
      await forsaken(world, fault);
      expectKept(world, 1);
      const [old = ''] = keepers(world);
      const report = await world.backup({ scope: 'full', keepChanges });
      expect(report.notices).toContainEqual(expect.stringContaining('of which there is no backup'));
      expectKept(world, 1);
      expect(keepers(world)).not.toContain(old);
    },
  );

  test('and could not end is ended by the next run, which is an incremental', async () => {
    await using world = await shop();
    await world.backup();
    const before = keepers(world);
    await forsaken(world);
    expectKept(world, 2);
    sell(world, 1);
    expect(await world.backup()).toMatchObject({ scope: 'incremental', outcome: 'stored' });
    expect(keepers(world)).toEqual(before);
    expectKept(world, 1);
  });

  test('and cannot end for long keeps no run from its backup', async () => {
    await using world = await shop();
    await world.backup();
    await forsaken(world);
    world.source.faults.forgetChanges = 'unavailable';
    for (const id of [1, 2]) {
      sell(world, id);
      const report = await world.backup();
      expect(report).toMatchObject({ scope: 'incremental', outcome: 'stored' });
      expect(report.notices).toContainEqual(expect.stringContaining('could not be ended'));
      expectKept(world, 2);
    }
    delete world.source.faults.forgetChanges;
    await world.backup();
    expectKept(world, 1);
  });

  test('stays remembered until staging could note that it was ended', async () => {
    await using world = await shop();
    await world.backup();
    await forsaken(world);
    world.staging.faults.releaseKept = 'unavailable';
    await world.backup();
    expect(keepers(world)).toHaveLength(1);
    expect(remembered(world)).toHaveLength(2);
    delete world.staging.faults.releaseKept;
    await world.backup();
    expectKept(world, 1);
  });
});

describe('a chain that a newer one has replaced', () => {
  test('is let go, also when a person has deleted it', async () => {
    await using world = await shop();
    await world.backup({ keepChanges });
    const [old = ''] = keepers(world);
    deleteKeys(world, '');
    expect(await world.backup()).toMatchObject({ scope: 'full' });
    expectKept(world, 1);
    expect(keepers(world)).not.toContain(old);
  });

  test('is let go, also when its full has no manifest any more', async () => {
    await using world = await shop();
    await world.backup({ keepChanges });
    sell(world, 1);
    await world.backup();
    deleteKeys(world, 'full.manifest.json');
    expect(await world.backup({ scope: 'full', keepChanges })).toMatchObject({ outcome: 'stored' });
    expectKept(world, 1);
  });

  test('is let go by the next run of any kind when that failed', async () => {
    await using world = await shop();
    await world.backup({ keepChanges });
    sell(world, 1);
    world.source.faults.forgetChanges = 'unavailable';
    const report = await world.backup({ scope: 'full', keepChanges });
    expect(report.notices).toContainEqual(expect.stringContaining('could not be ended'));
    expectKept(world, 2);
    const [, newest] = keepers(world);
    delete world.source.faults.forgetChanges;
    sell(world, 2);
    const next = await world.backup();
    expect(next).toMatchObject({ scope: 'incremental', outcome: 'stored' });
    expect(next.notices).toContainEqual(expect.stringContaining('which a newer one has replaced'));
    expect(keepers(world)).toEqual([newest]);
    expectKept(world, 1);
  });

  test('is let go when nothing but its label is known', async () => {
    await using world = await shop();
    world.database.keepers.set('damaged', 0);
    world.staging.listKept = async () => [{ label: 'damaged', mayBeElsewhere: true }];
    await world.backup({ scope: 'full' });
    expect(keepers(world)).toEqual(['damaged']);
    await world.backup({ scope: 'full', keepChanges });
    expect(keepers(world)).not.toContain('damaged');
  });

  test('is let go when what is remembered cannot be read, if it is found', async () => {
    await using world = await shop();
    await world.backup({ keepChanges });
    const { listKept } = world.staging;
    let calls = 0;
    world.staging.listKept = (...of) => {
      calls += 1;
      return calls === 1 ? listKept.apply(world.staging, of) : Promise.reject(new Error('no'));
    };
    const report = await world.backup({ scope: 'full', keepChanges });
    expect(report.notices).toContainEqual(expect.stringContaining('kept in the source is not known'));
    expect(keepers(world)).toHaveLength(1);
  });
});

describe('changes that may still be wanted are kept', () => {
  test('although a node that lost the task makes a newer full', async () => {
    await using world = await shop();
    await world.backup({ node: 'node-b', generation: 2, ownedGeneration: 2, keepChanges });
    const [own = ''] = keepers(world);
    sell(world, 1);
    // Of its own staging: it knows of nobody else's.
    await using zombie = await shop();
    const { source, destination } = world;
    await zombie.backup({ scope: 'full', keepChanges }, { source, destinations: [destination] });
    expect(keepers(world)).toHaveLength(2);
    sell(world, 2);
    const next = await world.backup({ node: 'node-b', generation: 2, ownedGeneration: 2 });
    expect(next).toMatchObject({ scope: 'incremental', outcome: 'stored' });
    expect(keepers(world)).toContain(own);
  });

  test('of a chain that a node goes on with when it has its task again, whoever else had it', async () => {
    await using world = await shop();
    await world.backup({ keepChanges, ownedGeneration: 1 });
    const [own = ''] = keepers(world);
    sell(world, 1);
    await using other = await shop();
    const { source, destination } = world;
    const tools = { source, destinations: [destination] };
    // What it made was never committed to the cluster, and ended nothing.
    source.faults.forgetChanges = 'unavailable';
    await other.backup({ scope: 'full', node: 'node-b', generation: 2, keepChanges }, tools);
    delete source.faults.forgetChanges;
    sell(world, 2);
    const next = await world.backup({ generation: 3, ownedGeneration: 1 });
    expect(next).toMatchObject({ scope: 'incremental', outcome: 'stored' });
    expect(keepers(world)).toContain(own);
  });

  test('while a destination that may have the chain cannot be asked', async () => {
    await using world = await shop();
    world.staging.require = 1;
    const [near, far] = [reachable(), reachable()];
    const destinations = [near, far];
    near.down = true;
    await world.backup({}, { destinations });
    near.down = false;
    far.down = true;
    const refused = await errorOf(world.backup({ scope: 'incremental' }, { destinations }));
    expect(refused.code).toBe('precondition_failed');
    expectKept(world, 1);
    far.down = false;
    sell(world, 1);
    expect(await world.backup({}, { destinations })).toMatchObject({ scope: 'incremental' });
    expectKept(world, 1);
  });

  test('while no destination can be listed, until the next full', async () => {
    await using world = await shop();
    const features = { ...world.destination.features, writeOnly: true };
    const blind = new Proxy(reachable(), {
      get: (inner, name) => (name === 'features' ? features : inner[name as keyof Reachable]),
    });
    const tools = { destinations: [blind] };
    await world.backup({ keepChanges }, tools);
    await errorOf(world.backup({ scope: 'incremental' }, tools));
    expectKept(world, 1);
    const [old = ''] = keepers(world);
    await world.backup({ scope: 'full', keepChanges }, tools);
    expectKept(world, 1);
    expect(keepers(world)).not.toContain(old);
  });

  test('of another database, which alone can end them', async () => {
    await using world = await shop();
    await world.backup({ keepChanges });
    const startMs = world.database.nowMs + 1e6;
    const source = new MemorySource(new MemoryDatabase('other', { startMs }));
    await world.backup({ newSource: true, keepChanges }, { source });
    await world.backup({}, { source });
    expect(keepers(world)).toHaveLength(1);
    expect(remembered(world)).toHaveLength(2);
    await world.backup({ scope: 'full', newSource: true, keepChanges });
    expect(keepers(world)).toHaveLength(1);
    expect(remembered(world)).toEqual([...source.database.keepers.keys(), ...keepers(world)]);
  });
});
