import { MemoryDatabase, MemoryDestination, MemorySource, texts } from '@holdfast/testing';
import { describe, expect, test } from 'vitest';
import { listTasks } from '../catalog/listing.ts';
import { backupRequest, errorOf, never, openWorld } from '../world.fixture.ts';
import { backup } from './backup.ts';
import { keepers, manifests, orders, sell, shop } from './shop.fixture.ts';

describe('a chain', () => {
  test('begins with a full and goes on with incrementals', async () => {
    await using world = await shop();
    const first = await world.backup();
    expect(first).toMatchObject({
      outcome: 'stored',
      scope: 'full',
      reason: 'there is no full backup yet',
      rows: 1,
    });
    sell(world, 1);
    const second = await world.backup();
    expect(second).toMatchObject({ outcome: 'stored', scope: 'incremental', segments: 1 });
    expect(second.backup).toBe(first.backup.replace('/0000', '/0001'));
    const [full, incremental] = manifests(world);
    expect(incremental?.from).toEqual(full?.to);
    expect(full).toMatchObject({ holdfast: expect.any(String), totals: { rows: 1 } });
  });

  test('that would get nothing new gets nothing', async () => {
    await using world = await shop();
    const first = await world.backup();
    const before = world.keys;
    const second = await world.backup();
    expect(second).toMatchObject({ outcome: 'unchanged', backup: first.backup, rows: 0, storedBytes: 0 });
    expect(world.keys).toEqual(before);
    expect(world.staging.unfinished).toEqual([]);
    sell(world, 1);
    expect(await world.backup()).toMatchObject({ outcome: 'stored', scope: 'incremental' });
  });

  test('tells the source what is stored after each commit, and never before', async () => {
    await using world = await shop();
    await world.backup();
    sell(world, 1);
    world.source.calls.length = 0;
    let stored = 0;
    const destination = new Proxy(world.destination, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target);
        if (name !== 'write' || typeof value !== 'function')
          return typeof value === 'function' ? value.bind(target) : value;
        return async (...parameters: unknown[]) => {
          expect(world.source.calls).not.toContain('acknowledge');
          stored++;
          return value.apply(target, parameters);
        };
      },
    });
    await world.backup({}, { destinations: [destination] });
    expect(stored).toBe(2);
    expect(world.source.calls.filter((call) => call === 'acknowledge')).toHaveLength(1);
    expect(world.database.log).toEqual([]);
  });

  test('is let go in the source when the next one has begun, and not before', async () => {
    await using world = await shop();
    await world.backup({ scope: 'full', keepChanges: true });
    const [old] = keepers(world);
    world.staging.faults.commit = 'permission_denied';
    const failed = world.backup({ scope: 'full', keepChanges: true });
    expect((await errorOf(failed)).code).toBe('permission_denied');
    expect(keepers(world)).toEqual([old]);
    delete world.staging.faults.commit;
    await world.backup({ scope: 'full', keepChanges: true });
    expect(keepers(world)).toHaveLength(1);
    expect(keepers(world)).not.toEqual([old]);
  });

  test('goes on after a full by hand, which leaves nothing in the source', async () => {
    await using world = await shop();
    const first = await world.backup();
    await world.backup({ scope: 'full' });
    expect(keepers(world)).toHaveLength(1);
    sell(world, 1);
    expect((await world.backup()).backup).toBe(first.backup.replace('/0000', '/0001'));
  });

  test('numbers past what a crash left at the destination', async () => {
    await using world = await shop();
    const { backup: name } = await world.backup();
    const chain = name.split('/')[0] ?? '';
    world.destination.objects.set(`shop/${chain}/0004-incremental-001.ndjson.zst`, Buffer.from('litter'));
    sell(world, 1);
    expect((await world.backup()).backup).toBe(`${chain}/0005`);
    sell(world, 2);
    expect((await world.backup()).backup).toBe(`${chain}/0006`);
    expect((await world.restore()).database.contents()).toEqual(world.database.contents());
    const [listed] = await listTasks(world.destination, { signal: never });
    expect(listed?.strays).toEqual([`shop/${chain}/0004-incremental-001.ndjson.zst`]);
  });

  test('is written whole to every destination', async () => {
    await using world = await shop();
    const far = new MemoryDestination();
    const destinations = [world.destination, far];
    await world.backup({}, { destinations });
    sell(world, 1);
    await world.backup({}, { destinations });
    expect(manifests(world, far)).toEqual(manifests(world));
    expect((await world.restore({}, { destination: far })).database.contents()).toEqual(
      world.database.contents(),
    );
  });

  test('that a destination does not hold is brought there, without asking the database anew', async () => {
    await using world = await shop();
    await world.backup();
    const far = new MemoryDestination();
    sell(world, 1);
    const report = await world.backup({}, { destinations: [world.destination, far] });
    expect(report).toMatchObject({ scope: 'incremental', outcome: 'stored' });
    expect(report.notices.join()).toContain('was brought up to date with chain');
    expect(manifests(world, far)).toEqual(manifests(world));
  });
});

describe('continuity', () => {
  test('that is lost makes a full with the gap recorded', async () => {
    await using world = await shop();
    await world.backup();
    const [before] = manifests(world);
    world.database.keepers.clear();
    world.database.trim();
    sell(world, 1);
    const report = await world.backup();
    expect(report).toMatchObject({ scope: 'full', gap: expect.stringContaining('continuity lost') });
    expect(report.notices).toContainEqual(expect.stringContaining('continuity lost'));
    expect(manifests(world).at(-1)?.gap).toMatchObject({ since: before?.to });
    expect(world.staging.unfinished).toEqual([]);
  });

  test('that is lost fails an incremental that was asked for, and changes nothing', async () => {
    await using world = await shop();
    await world.backup();
    world.database.keepers.clear();
    const before = world.keys;
    const error = await errorOf(world.backup({ scope: 'incremental' }));
    expect(error).toMatchObject({
      code: 'precondition_failed',
      reason: expect.stringContaining('continuity lost'),
    });
    expect(world.keys).toEqual(before);
  });

  test('of an older chain is used when the newest has lost it', async () => {
    await using world = await shop();
    const first = await world.backup({ scope: 'full', keepChanges: true });
    const [kept = ''] = keepers(world);
    const position = world.database.keepers.get(kept) ?? 0;
    await world.backup({ scope: 'full', keepChanges: true });
    world.database.keepers.clear();
    world.database.keepers.set(kept, position);
    sell(world, 1);
    expect((await world.backup()).backup).toBe(first.backup.replace('/0000', '/0001'));
  });

  test('is not lost by a failure between the commit and the acknowledgement', async () => {
    await using world = await shop();
    await world.backup();
    sell(world, 1);
    world.source.faults.acknowledge = 'unavailable';
    const report = await world.backup();
    expect(report.outcome).toBe('stored');
    expect(report.notices).toContainEqual(expect.stringContaining('the next run tells it'));
    delete world.source.faults.acknowledge;
    sell(world, 2);
    await world.backup();
    expect((await world.restore()).database.contents()).toEqual(world.database.contents());
  });
});

describe('another database', () => {
  test('under the same name is refused before anything happens', async () => {
    await using world = await shop();
    await world.backup();
    const before = world.keys;
    const other = new MemorySource(new MemoryDatabase('other'));
    for (const scope of ['auto', 'full', 'incremental'] as const) {
      const error = await errorOf(world.backup({ scope }, { source: other }));
      expect(error).toMatchObject({
        code: 'precondition_failed',
        hint: expect.stringContaining('--new-source'),
      });
    }
    expect(world.keys).toEqual(before);
    expect(other.calls).not.toContain('openFull');
  });

  test('begins a chain of its own when that is meant, and then goes on by itself', async () => {
    await using world = await shop();
    await world.backup();
    const database = new MemoryDatabase('other', { startMs: world.database.nowMs + 1e6 });
    const source = new MemorySource(database);
    database.createTable(orders, { columns: ['id', 'name'], key: ['id'] });
    expect(await world.backup({ newSource: true }, { source })).toMatchObject({ scope: 'full' });
    expect(keepers(world)).toHaveLength(1);
    database.transaction((t) => t.insert(orders, texts('7', 'other')));
    expect(await world.backup({}, { source })).toMatchObject({ scope: 'incremental' });
    expect((await world.restore()).database.contents()).toEqual(database.contents());
  });
});

test('a compared table that was dropped and made again with the same rows is stored again', async () => {
  await using world = await shop();
  const make = (): void => {
    world.database.createTable('/p.compared', { columns: ['id'], key: ['id'], by: 'compare' });
    world.database.transaction((t) => t.insert('/p.compared', texts('1'), texts('2')));
  };
  make();
  await world.backup();
  world.database.dropTable('/p.compared');
  make();
  await world.backup();
  expect((await world.restore()).database.contents()).toEqual(world.database.contents());
  expect((await world.backup()).outcome).toBe('unchanged');
});

test('prerequisites that are not met fail before anything happens', async () => {
  await using world = await shop();
  world.source.unmetForFull = [
    {
      check: 'role',
      ok: false,
      severity: 'error',
      code: 'permission_denied',
      message: 'may not read',
      hint: 'grant it',
    },
  ];
  const error = await errorOf(world.backup());
  expect(error).toMatchObject({ code: 'permission_denied', hint: 'grant it' });
  expect(world.keys).toEqual([]);
  expect(world.source.calls).toEqual(['inspect']);
});

test('of two writers of one chain one wins, and the other leaves nothing', async () => {
  await using world = await shop();
  await using rival = await openWorld();
  await world.backup();
  sell(world, 1);
  // Two machines: each has a staging and a lock of its own. Both see the same newest backup.
  const tools = { source: world.source, destinations: [world.destination], staging: rival.staging };
  const runs = await Promise.allSettled([world.backup(), rival.backup({}, tools)]);
  const lost = runs.filter((run) => run.status === 'rejected').map((run) => run.reason as unknown);
  expect(lost).toMatchObject([{ code: 'conflict' }]);
  expect(manifests(world).map(({ sequence }) => sequence)).toEqual([0, 1]);
  expect((await world.check()).findings).toEqual([]);
  expect([...world.staging.unfinished, ...rival.staging.unfinished]).toEqual([]);
  sell(world, 2);
  await world.backup();
  expect((await world.restore()).database.contents()).toEqual(world.database.contents());
});

test('two runs of one task on one machine: the second is told who holds it', async () => {
  await using world = await shop();
  const runs = await Promise.allSettled([world.backup(), world.backup()]);
  expect(runs.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
});

test('an abort ends a run with nothing stored', async () => {
  await using world = await shop();
  world.source.faults[orders] = 'hang';
  const stop = new AbortController();
  const running = backup(backupRequest({ keepChanges: true }), world.tools(), { signal: stop.signal });
  while (!world.events.some((event) => event.kind === 'step' && event.step === 'view-opened'))
    await world.clock.advance(1);
  stop.abort();
  expect((await errorOf(running)).code).toBe('cancelled');
  expect(world.keys).toEqual([]);
  expect(keepers(world)).toEqual([]);
  expect(world.staging.unfinished).toEqual([]);
});

test('a request to stop that comes after the commit leaves a backup, and says that it is stored', async () => {
  await using world = await shop();
  const stop = new AbortController();
  const tools = world.tools();
  const observer: typeof tools.observer = (event) => {
    tools.observer(event);
    if (event.kind === 'step' && event.step === 'committed') stop.abort();
  };
  const report = await backup(
    backupRequest({ keepChanges: true }),
    { ...tools, observer },
    { signal: stop.signal },
  );
  expect(report.outcome).toBe('stored');
  expect(manifests(world)).toHaveLength(1);
  expect(world.staging.unfinished).toEqual([]);
  sell(world, 1);
  expect((await world.backup()).scope).toBe('incremental');
});
