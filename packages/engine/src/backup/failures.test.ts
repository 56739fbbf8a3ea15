import { failing, MemoryDestination, type MemoryFault, type Script, texts } from '@holdfast/testing';
import { describe, expect, test } from 'vitest';
import type { BackupRequest } from '../api.ts';
import { errorOf, openWorld, type World } from '../world.fixture.ts';
import { manifests } from './shop.fixture.ts';

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
  readonly remembered: readonly string[];
  readonly unfinished: number;
}

function stateOf(world: World): State {
  return {
    keys: world.keys,
    keepers: [...world.database.keepers.keys()],
    remembered: world.staging.kept.map(({ label }) => label),
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

  test.each(['prepare', 'listKept', 'openRun', 'rememberKept', 'reserve', 'push', 'seal'])(
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

  test('for good at its commit leaves nothing behind', async () => {
    await using world = await shop();
    world.staging.faults.commit = 'permission_denied';
    const mend = (): void => void delete world.staging.faults.commit;
    await expectHarmless(world, () => world.backup({ keepChanges: true }), {
      code: 'permission_denied',
      mend,
    });
  });

  test('and cannot be ended in the source says so', async () => {
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

  test.each(['openRun', 'reserve', 'push', 'seal'])(
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
    ['the manifest', { write: ['ok', 'permission_denied'] }, 'permission_denied'],
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

describe('a backup that is whole in staging when its run ends', () => {
  /** A run that fails at its commit, as often as asked. */
  async function waiting(world: World, o: Partial<BackupRequest> = {}): Promise<void> {
    world.staging.faults.commit = 'exhausted';
    expect((await errorOf(world.backup(o))).code).toBe('exhausted');
    expect(world.staging.unfinished).toHaveLength(1);
  }

  test('is stored by the next run, which then makes its own: a full', async () => {
    await using world = await shop();
    await waiting(world, { keepChanges: true });
    // Its changes are wanted.
    expect(world.database.keepers.size).toBe(1);
    delete world.staging.faults.commit;
    fill(world, 2);
    const report = await world.backup();
    expect(report).toMatchObject({ outcome: 'stored', scope: 'incremental' });
    expect(report.notices).toContainEqual(expect.stringContaining('was finished'));
    expect(world.staging.unfinished).toEqual([]);
    expect((await world.restore()).database.contents()).toEqual(world.database.contents());
  });

  test('is stored by the next run, which then makes its own: an incremental', async () => {
    await using world = await shop();
    await world.backup();
    fill(world, 2);
    await waiting(world);
    delete world.staging.faults.commit;
    fill(world, 3);
    await world.backup();
    expect(manifests(world).map(({ sequence }) => sequence)).toEqual([0, 1, 2]);
    expect((await world.restore()).database.contents()).toEqual(world.database.contents());
  });

  test('is the only one that waits, however often that fails', async () => {
    await using world = await shop();
    await waiting(world);
    for (let n = 2; n < 5; n++) {
      fill(world, n);
      await waiting(world);
    }
    expect(world.source.calls.filter((call) => call === 'openFull')).toHaveLength(1);
  });

  test('stays when nobody can tell whether its chain went on', async () => {
    await using world = await shop();
    await world.backup();
    fill(world, 2);
    await waiting(world);
    delete world.staging.faults.commit;
    const destination = failing(world.destination, { list: ['unavailable'] });
    expect((await errorOf(world.backup({}, { destinations: [destination] }))).code).toBe('unavailable');
    expect(world.staging.unfinished).toHaveLength(1);
    await world.backup();
    expect(manifests(world).map(({ sequence }) => sequence)).toEqual([0, 1]);
  });

  test('is not the full of a later day, which is made too', async () => {
    await using world = await shop();
    await waiting(world, { scope: 'full', keepChanges: true });
    delete world.staging.faults.commit;
    fill(world, 2);
    const resumedSinceMs = world.clock.now() + 1;
    const report = await world.backup({ scope: 'full', keepChanges: true, resumedSinceMs });
    expect(report).toMatchObject({ outcome: 'stored', scope: 'full' });
    expect(manifests(world)).toHaveLength(2);
    expect(world.database.keepers.size).toBe(1);
    expect((await world.restore()).database.contents()).toEqual(world.database.contents());
  });

  test('is the full that was asked for when it was begun for the same', async () => {
    await using world = await shop();
    const resumedSinceMs = world.clock.now();
    await waiting(world, { scope: 'full' });
    delete world.staging.faults.commit;
    expect(await world.backup({ scope: 'full', resumedSinceMs })).toMatchObject({ outcome: 'resumed' });
  });

  test('does not end the chain of another node that went on meanwhile', async () => {
    await using world = await shop();
    await using rival = await openWorld();
    await waiting(world, { keepChanges: true });
    delete world.staging.faults.commit;
    fill(world, 2);
    const tools = { source: world.source, destinations: [world.destination] };
    await rival.clock.advance(60_000);
    await rival.backup({ node: 'node-b', generation: 2, keepChanges: true }, tools);
    fill(world, 3);
    // Back on the first node: its full is stored, and keeps nothing in the source any more.
    await world.backup({ scope: 'full', keepChanges: false });
    expect(world.staging.unfinished).toEqual([]);
    expect(manifests(world)).toHaveLength(2);
    expect(world.database.keepers.size).toBe(1);
    const report = await rival.backup({ node: 'node-b', generation: 2 }, tools);
    expect(report).toMatchObject({ scope: 'incremental', outcome: 'stored' });
  });

  test('is told where it went, and where not', async () => {
    await using world = await shop();
    const far = new MemoryDestination();
    await waiting(world, { scope: 'full' });
    delete world.staging.faults.commit;
    const report = await world.backup({ scope: 'full' });
    expect(report.destinations).toEqual([{ destination: world.destination.description, stored: true }]);
    expect((await world.backup({}, { destinations: [world.destination, far] })).destinations).toEqual([
      { destination: world.destination.description, stored: true },
      { destination: far.description, stored: true },
    ]);
  });
});
