import { failing, type StagingCrash } from '@holdfast/testing';
import { describe, expect, test } from 'vitest';
import { errorOf, openWorld, type World } from '../world.fixture.ts';
import { keepers, manifests, sell, shop } from './shop.fixture.ts';

describe('after a crash', () => {
  const crash = async (world: World, at: StagingCrash, scope: 'auto' | 'full' = 'auto'): Promise<void> => {
    world.staging.crashAt = at;
    // A killed process does not forget anything in the source either.
    world.source.faults.forgetChanges = 'unavailable';
    await errorOf(world.backup({ scope, keepChanges: true }));
    world.staging.crashAt = undefined;
    delete world.source.faults.forgetChanges;
  };

  test.each(['run-created', 'segment-stored'] as const)(
    'at %s a full is litter, which the next run removes',
    async (at) => {
      await using world = await shop();
      await crash(world, at, 'full');
      expect(world.staging.unfinished).toHaveLength(1);
      expect(manifests(world)).toEqual([]);
      const report = await world.backup();
      expect(report.notices).toContainEqual(expect.stringContaining('left behind was removed'));
      expect(world.staging.unfinished).toEqual([]);
      expect(keepers(world)).toHaveLength(1);
      expect(world.staging.kept.map(({ label }) => label)).toEqual(keepers(world));
      expect(world.keys).toHaveLength(2);
      expect((await world.restore()).database.contents()).toEqual(world.database.contents());
    },
  );

  test.each(['sealed', 'manifest-stored'] as const)(
    'at %s a full is finished, not made again',
    async (at) => {
      await using world = await shop();
      await crash(world, at, 'full');
      const contents = world.database.contents();
      sell(world, 1);
      world.source.calls.length = 0;
      const report = await world.backup({ scope: 'full', keepChanges: true });
      expect(report).toMatchObject({ outcome: 'resumed', scope: 'full' });
      expect(world.source.calls).not.toContain('openFull');
      expect((await world.restore()).database.contents()).toEqual(contents);
      expect(await world.backup()).toMatchObject({ outcome: 'stored', scope: 'incremental' });
      expect((await world.restore()).database.contents()).toEqual(world.database.contents());
    },
  );

  test.each(['run-created', 'segment-stored', 'sealed', 'manifest-stored'] as const)(
    'at %s an incremental is finished or made again, and the chain goes on',
    async (at) => {
      await using world = await shop();
      await world.backup();
      sell(world, 1);
      await crash(world, at);
      sell(world, 2);
      const report = await world.backup();
      expect(report).toMatchObject({ outcome: 'stored', scope: 'incremental' });
      expect(manifests(world)).toHaveLength(at === 'sealed' || at === 'manifest-stored' ? 3 : 2);
      expect(world.staging.unfinished).toEqual([]);
      expect((await world.check()).findings).toEqual([]);
      expect((await world.restore()).database.contents()).toEqual(world.database.contents());
    },
  );

  test('a sealed full that fails for good is given up, also in the source', async () => {
    await using world = await shop();
    await crash(world, 'sealed', 'full');
    expect(keepers(world)).toHaveLength(1);
    // The segment is sent again first.
    const destination = failing(world.destination, { write: ['ok', 'permission_denied'] });
    const error = await errorOf(world.backup({}, { destinations: [destination] }));
    expect(error.code).toBe('permission_denied');
    expect(keepers(world)).toEqual([]);
    expect(world.staging.kept).toEqual([]);
    expect(world.keys).toEqual([]);
    expect(world.staging.unfinished).toEqual([]);
  });

  test('a sealed incremental is dropped when its chain has gone on without it', async () => {
    await using world = await shop();
    await using rival = await openWorld();
    await world.backup();
    sell(world, 1);
    await crash(world, 'sealed');
    await rival.backup({}, { source: world.source, destinations: [world.destination] });
    sell(world, 2);
    const report = await world.backup();
    expect(report.notices).toContainEqual(expect.stringContaining('its chain has gone on without it'));
    expect(world.staging.unfinished).toEqual([]);
    expect((await world.check()).findings).toEqual([]);
    expect((await world.restore()).database.contents()).toEqual(world.database.contents());
  });
});
