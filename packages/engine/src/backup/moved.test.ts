/** What a cluster tells a run: whose chain goes on, what its full is named by in the source, and whose runs were lost. */
import { MemoryStaging } from '@holdfast/testing';
import { describe, expect, test } from 'vitest';
import { errorOf, type World } from '../world.fixture.ts';
import { keepers, manifests, orders, sell, shop } from './shop.fixture.ts';

const keepChanges = true;
const remembered = (world: World): string[] => world.staging.kept.map(({ label }) => label);

/** A full of node a that died in the middle: what it kept stays, and its staging is on a machine that is gone. */
async function lostFull(world: World, run: string): Promise<void> {
  const staging = new MemoryStaging(world.folder.join(`staging-${run}`));
  const { faults } = world.source;
  const before = keepers(world).length;
  // It is dead: whatever it would still do, it does not.
  Object.assign(faults, { [orders]: 'source_failed', forgetChanges: 'unavailable' });
  await errorOf(world.backup({ scope: 'full', keepChanges, run }, { staging }));
  for (const where of [orders, 'forgetChanges']) delete faults[where];
  expect(keepers(world)).toHaveLength(before + 1);
}

const next = { node: 'node-b', generation: 2, run: 'shop-2', scope: 'full', keepChanges } as const;

describe('what a full makes in the source', () => {
  test('is named by its run: the same for every node that knows it, and for no other run', async () => {
    await using one = await shop();
    await using two = await shop();
    await one.backup({ scope: 'full', keepChanges, run: 'shop-1' });
    await two.backup({ scope: 'full', keepChanges, run: 'shop-1', node: 'node-b', generation: 9 });
    expect(keepers(one)).toHaveLength(1);
    expect(keepers(two)).toEqual(keepers(one));
    await two.backup({ scope: 'full', keepChanges, run: 'shop-2', node: 'node-b', generation: 9 });
    expect(keepers(two)).toHaveLength(1);
    expect(keepers(two)).not.toEqual(keepers(one));
  });

  test('is what its incrementals go on with, also when they are runs of other names', async () => {
    await using world = await shop();
    await world.backup({ scope: 'full', keepChanges, run: 'shop-1' });
    const before = keepers(world);
    for (const run of ['shop-2', 'shop-3']) {
      sell(world, run === 'shop-2' ? 1 : 2);
      expect(await world.backup({ run })).toMatchObject({ scope: 'incremental', outcome: 'stored' });
    }
    expect(keepers(world)).toEqual(before);
  });
});

describe('what a run that was lost with its node keeps', () => {
  test('is ended by the full of the next node, which never saw that run', async () => {
    await using world = await shop();
    await lostFull(world, 'shop-1');
    const [lost = ''] = keepers(world);
    expect(lost).not.toBe('');
    expect(remembered(world)).toEqual([]);
    await world.backup({ ...next, forsaken: ['shop-1'] });
    expect(keepers(world)).toHaveLength(1);
    expect(keepers(world)).not.toContain(lost);
    expect(remembered(world)).toEqual(keepers(world));
  });

  test('stays where nobody says that the run was lost', async () => {
    await using world = await shop();
    await lostFull(world, 'shop-1');
    const [lost] = keepers(world);
    await world.backup(next);
    expect(keepers(world)).toContain(lost);
  });

  test('is ended for all of several runs', async () => {
    await using world = await shop();
    for (const run of ['shop-1', 'shop-1b', 'shop-1c']) await lostFull(world, run);
    expect(keepers(world)).toHaveLength(3);
    await world.backup({ ...next, forsaken: ['shop-1', 'shop-1b', 'shop-1c'] });
    expect(keepers(world)).toHaveLength(1);
    expect(remembered(world)).toEqual(keepers(world));
  });

  test('is ended before the new full keeps anything: a source with room for one is enough', async () => {
    await using world = await shop();
    await lostFull(world, 'shop-1');
    const [lost = ''] = keepers(world);
    let found: string[] | undefined;
    const open = world.source.openFull.bind(world.source);
    world.source.openFull = (o) => {
      found = keepers(world);
      return open(o);
    };
    await world.backup({ ...next, forsaken: ['shop-1'] });
    expect(found).toBeDefined();
    expect(found).not.toContain(lost);
  });

  test('is remembered until it could be ended, also when the cluster does not say it again', async () => {
    await using world = await shop();
    await lostFull(world, 'shop-1');
    const [lost = ''] = keepers(world);
    world.source.faults.forgetChanges = 'unavailable';
    const report = await world.backup({ ...next, forsaken: ['shop-1'] });
    expect(report.outcome).toBe('stored');
    expect(report.notices).toContainEqual(
      expect.stringContaining('of run shop-1 kept in the source could not be ended'),
    );
    expect(keepers(world)).toContain(lost);
    expect(remembered(world)).toContain(lost);
    delete world.source.faults.forgetChanges;
    sell(world, 1);
    const { run: _run, scope: _scope, ...same } = next;
    expect(await world.backup({ ...same, run: 'shop-3' })).toMatchObject({ scope: 'incremental' });
    expect(keepers(world)).not.toContain(lost);
    expect(remembered(world)).toEqual(keepers(world));
  });

  test('was nothing: a run that was lost before it began leaves nothing to remember', async () => {
    await using world = await shop();
    await world.backup({ ...next, forsaken: ['shop-1'] });
    expect(keepers(world)).toHaveLength(1);
    expect(remembered(world)).toEqual(keepers(world));
  });

  test('is remembered, or nothing is begun', async () => {
    await using world = await shop();
    await lostFull(world, 'shop-1');
    world.staging.faults.rememberKept = 'exhausted';
    expect((await errorOf(world.backup({ ...next, forsaken: ['shop-1'] }))).code).toBe('exhausted');
    expect(keepers(world)).toHaveLength(1);
    expect(manifests(world)).toEqual([]);
  });

  test('is ended although that run has made its backup after all: nobody may go on with it', async () => {
    await using world = await shop();
    const staging = new MemoryStaging(world.folder.join('staging-a'));
    await world.backup({ scope: 'full', keepChanges, run: 'shop-1' }, { staging });
    const [lost = ''] = keepers(world);
    await world.backup({ ...next, scope: 'auto', forsaken: ['shop-1'] });
    expect(keepers(world)).toHaveLength(1);
    expect(keepers(world)).not.toContain(lost);
    expect(manifests(world).map(({ node, scope }) => `${node} ${scope}`)).toEqual([
      'node-a full',
      'node-b full',
    ]);
    sell(world, 1);
    const { scope: _scope, ...same } = next;
    expect(await world.backup({ ...same, run: 'shop-3', scope: 'auto' })).toMatchObject({
      scope: 'incremental',
    });
  });

  test('is not ended where the node that has its task back finishes that very run', async () => {
    await using world = await shop();
    world.staging.crashAt = 'sealed';
    world.source.faults.forgetChanges = 'unavailable';
    await errorOf(world.backup({ scope: 'full', keepChanges, run: 'shop-1' }));
    world.staging.crashAt = undefined;
    delete world.source.faults.forgetChanges;
    const [own = ''] = keepers(world);
    sell(world, 1);
    const back = { generation: 3, ownedGeneration: 1, run: 'shop-4', forsaken: ['shop-1'], keepChanges };
    const report = await world.backup(back);
    expect(report.notices).toContainEqual(expect.stringContaining('an interrupted run was finished'));
    expect(report).toMatchObject({ scope: 'incremental', outcome: 'stored' });
    expect(report.gap).toBeUndefined();
    expect(keepers(world)).toEqual([own]);
    expect(remembered(world)).toEqual([own]);
  });
});

describe('a node that gets its task back', () => {
  test('goes on with its chain of an earlier generation, if nobody has begun another since', async () => {
    await using world = await shop();
    await world.backup({ scope: 'full', keepChanges, run: 'shop-1' });
    sell(world, 1);
    const report = await world.backup({ generation: 3, ownedGeneration: 1, run: 'shop-2' });
    expect(report).toMatchObject({ scope: 'incremental', outcome: 'stored' });
    sell(world, 2);
    const again = await world.backup({ generation: 3, ownedGeneration: 1, run: 'shop-3' });
    expect(again).toMatchObject({ scope: 'incremental', outcome: 'stored' });
    expect(manifests(world).map(({ generation, scope }) => `${scope} ${generation}`)).toEqual([
      'full 1',
      'incremental 3',
      'incremental 3',
    ]);
    const { database } = await world.restore();
    expect(database.tables.get(orders)?.rows.size).toBe(3);
  });

  test('makes a full where the chain is not its own any more', async () => {
    await using world = await shop();
    await world.backup({ scope: 'full', keepChanges, run: 'shop-1' });
    const report = await world.backup({ generation: 3, run: 'shop-2' });
    expect(report).toMatchObject({
      scope: 'full',
      reason: expect.stringContaining('generation 1, and only it may continue it'),
    });
  });
});
