import { SqliteDestination, seededBytes, texts } from '@holdfast/testing';
import { describe, expect, test } from 'vitest';
import { errorOf, never, openWorld } from '../world.fixture.ts';
import { planRestore } from './plan.ts';
import { columns, orders, shop, target, trade } from './shop.fixture.ts';

describe('a restore', () => {
  test('of a full gives the rows of the source', async () => {
    await using world = await shop();
    await world.backup({ scope: 'full' });
    const { database, report } = await world.restore();
    expect(database.contents()).toEqual(world.database.contents());
    expect(database.sequences).toEqual(world.database.sequences);
    expect(report).toMatchObject({ rows: 10, tables: 2, verified: true, resumedLoads: 0 });
  });

  test('of an incremental gives the rows of the source at its end', async () => {
    await using world = await shop();
    await world.backup();
    trade(world);
    expect((await world.backup()).scope).toBe('incremental');
    const { database, report } = await world.restore();
    expect(database.contents()).toEqual(world.database.contents());
    expect(database.sequences).toEqual(world.database.sequences);
    expect(report.plan).toMatchObject({
      changes: 4,
      point: { exact: true },
      backups: [expect.any(String), expect.any(String)],
    });
  });

  test('of a database without tables gives one without tables', async () => {
    await using world = await openWorld();
    await world.backup();
    expect((await world.restore()).database.contents()).toEqual({});
  });

  test('of what is large goes through threads, with the same rows', { timeout: 60_000 }, async () => {
    await using world = await shop({ chunkRows: 4, blockBytes: 65_536 });
    await using destination = new SqliteDestination(world.folder.join('destination.sqlite'));
    world.database.transaction((t) => {
      for (let n = 100; n < 110; n++)
        t.insert(orders, texts(String(n), Buffer.from(seededBytes(400_000, n)).toString('base64')));
    });
    await world.backup({}, { destinations: [destination] });
    trade(world);
    await world.backup({}, { destinations: [destination] });
    const { database, report } = await world.restore({}, { destination });
    const [restored, expected] = [database.contents(), world.database.contents()];
    // Compared row by row: a difference in megabytes is nothing to print.
    expect(restored[orders]?.length).toBe(expected[orders]?.length);
    expect(restored[orders]?.every((row, n) => row === expected[orders]?.[n])).toBe(true);
    expect(report.verified).toBe(true);
  });

  test('is planned with the same numbers, and without touching anything', async () => {
    await using world = await shop();
    await world.backup();
    trade(world);
    await world.backup();
    const source = target();
    const request = { noOwner: false, verify: true, startTimeoutMs: 0 };
    const { clock, destination } = world;
    const tools = {
      clock,
      destination,
      target: source,
      workersMax: 1,
      observer: () => {},
      spillDirectory: '/nowhere',
    };
    const plan = await planRestore(request, tools, { signal: never });
    expect(source.database.tables.size).toBe(0);
    expect(source.database.restoring).toBeUndefined();
    expect((await world.restore({}, { target: source })).report.plan).toEqual(plan);
  });
});

describe('of a snapshot', () => {
  test('its image is restored, and changes are applied in place', async () => {
    await using world = await shop();
    await world.backup({ type: 'snapshot' });
    const full = world.database.contents();
    trade(world);
    await world.backup({ type: 'snapshot' });
    world.database.createTable('/public.later', { columns, key: ['id'] });
    world.database.transaction((t) => t.insert('/public.later', texts('1', 'a')));
    world.database.dropTable('/public.empty');
    const report = await world.backup({ type: 'snapshot' });
    expect(report.scope).toBe('incremental');
    const chain = report.backup.split('/')[0] ?? '';
    const { database, report: restored } = await world.restore();
    expect(database.contents()).toEqual(world.database.contents());
    expect(restored.verified).toBe(false);
    expect(restored.notices).toContainEqual(expect.stringContaining('nothing was read back'));
    const first = await world.restore({ point: { backup: `${chain}/0000` } });
    expect(first.database.contents()).toEqual(full);
  });
});

describe('nothing is made', () => {
  test('when the target is not empty', async () => {
    await using world = await shop();
    await world.backup();
    const full = target();
    full.database.createTable('/p.other', { columns });
    const error = await errorOf(world.restore({}, { target: full }));
    expect(error).toMatchObject({ code: 'precondition_failed', hint: 'choose another database' });
    expect(full.calls).not.toContain('publish');
    expect([...full.database.tables.keys()]).toEqual(['/p.other']);
  });

  test.each([
    ['a moment before the first backup', { timeMs: 1 }, 'out_of_range'],
    ['a moment after the last', { timeMs: Date.UTC(2030) }, 'out_of_range'],
    ['a name that is not there', { backup: '20200101T000000Z-node-a-g1/0000' }, 'not_found'],
  ] as const)('for %s', async (_, point, code) => {
    await using world = await shop();
    await world.backup();
    const source = target();
    expect((await errorOf(world.restore({ point }, { target: source }))).code).toBe(code);
    expect(source.calls).toEqual([]);
  });

  test('for a task that is not there, or that is not named among several', async () => {
    await using world = await shop();
    expect((await errorOf(world.restore())).code).toBe('not_found');
    await world.backup();
    await world.backup({ task: 'other' });
    expect((await errorOf(world.restore({ task: 'third' }))).code).toBe('not_found');
    expect((await errorOf(world.restore())).code).toBe('config_invalid');
    await world.restore({ task: 'other' });
  });

  test('for a chain that lacks a segment', async () => {
    await using world = await shop();
    await world.backup();
    world.destination.objects.delete(world.keys.find((key) => key.endsWith('.zst')) ?? '');
    const source = target();
    expect((await errorOf(world.restore({}, { target: source }))).code).toBe('corrupt');
    expect(source.calls).toEqual([]);
  });
});

describe('what the target holds is compared with what was sent', () => {
  test('and a difference is not published', async () => {
    await using world = await shop();
    await world.backup();
    for (const fault of ['short', 'lie'] as const) {
      const source = target();
      // Reading back goes through the same faults as loading; `short` does nothing to a load.
      source.faults[orders] = fault;
      const error = await errorOf(world.restore({ verify: true }, { target: source }));
      expect(['corrupt', 'source_failed']).toContain(error.code);
      expect(source.database.tables.size).toBe(0);
    }
  });

  test('only when asked for', async () => {
    await using world = await shop();
    await world.backup();
    const source = target({ 'target.readBack': 'source_failed' });
    const { report } = await world.restore({ verify: false }, { target: source });
    expect(report.verified).toBe(false);
  });
});

describe('an interrupted restore', () => {
  test('is taken up where it was: what is loaded is not loaded again', async () => {
    await using world = await shop();
    await world.backup();
    trade(world);
    await world.backup();
    const source = target({ '/public.orders/@9': 'source_failed' }, true);
    await errorOf(world.restore({}, { target: source }));
    expect(source.database.unpublished.size).toBe(1);
    delete source.faults['/public.orders/@9'];
    const { database, report } = await world.restore({}, { target: source });
    expect(report.resumedLoads).toBeGreaterThan(0);
    expect(database.contents()).toEqual(world.database.contents());
    expect(source.database.unpublished.size).toBe(0);
  });

  test('to another point is another restore', async () => {
    await using world = await shop();
    const { backup } = await world.backup();
    trade(world);
    await world.backup();
    const source = target({ '/public.orders/@9': 'source_failed' }, true);
    await errorOf(world.restore({ point: { backup } }, { target: source }));
    delete source.faults['/public.orders/@9'];
    const { database, report } = await world.restore({}, { target: source });
    expect(report.resumedLoads).toBe(0);
    expect(database.contents()).toEqual(world.database.contents());
  });
});

test('of two restores into one target the second is refused, and names the first', async () => {
  await using world = await shop();
  await world.backup();
  const source = target();
  const outcomes = await Promise.allSettled([
    world.restore({}, { target: source }),
    world.restore({}, { target: source }),
  ]);
  const refused = outcomes
    .filter((outcome) => outcome.status === 'rejected')
    .map(({ reason }) => reason as unknown);
  expect(refused).toMatchObject([{ code: 'conflict' }]);
});
