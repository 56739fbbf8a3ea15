import { failing, type MemoryDatabase, MemorySource, texts } from '@holdfast/testing';
import { describe, expect, test } from 'vitest';
import type { RestoreReport, ThawRequest } from '../api.ts';
import { restore } from '../restore/restore.ts';
import { orders, shop, target } from '../restore/shop.fixture.ts';
import { errorOf, never, type World } from '../world.fixture.ts';
import { type ColdWorld, frozenShop, hourMs, planOf, restoreRequest } from './cold.fixture.ts';

const standard: ThawRequest = { tier: 'standard', days: 7, wait: true };
const noWait: ThawRequest = { ...standard, wait: false };

const expectSame = (world: World, database: MemoryDatabase): void =>
  expect(database.contents()).toEqual(world.database.contents());
const isEmpty = ({ tables, unpublished }: MemoryDatabase): boolean =>
  tables.size === 0 && unpublished.size === 0;
const bytesOf = ({ world, segments }: ColdWorld): number =>
  segments.reduce((sum, key) => sum + (world.destination.objects.get(key)?.bytes.length ?? 0), 0);
const notices = (world: World): string[] =>
  world.events.flatMap((event) => (event.kind === 'notice' ? [event.text] : []));

describe('a plan', () => {
  test('says what lies in cold storage, by class, how it stands, and how it can be thawed', async () => {
    const cold = await frozenShop();
    await using world = cold.world;
    const [full = '', incremental = ''] = cold.segments;
    cold.destination.freeze((key) => key === incremental, 'SLOW');
    await cold.destination.cold.thaw(full, { tier: 'bulk', days: 1, signal: never });
    const first = await planOf(cold);
    expect(first.problems).toMatchObject([{ severity: 'warning', message: /schema is in cold storage/ }]);
    expect(first.cold).toMatchObject({
      reads: { segments: 2, bytes: bytesOf(cold) },
      segments: [
        { key: full, storageClass: 'COLD', access: 'thawing' },
        { key: incremental, storageClass: 'SLOW', access: 'cold' },
      ],
      classes: [
        { storageClass: 'COLD', cold: { segments: 0 }, thawing: { segments: 1 }, thawed: { segments: 0 } },
        { storageClass: 'SLOW', cold: { segments: 1 }, thawing: { segments: 0 }, thawed: { segments: 0 } },
      ],
    });
    expect(first.cold?.ways.map((way) => `${way.storageClass} ${way.tier}`)).toEqual([
      'SLOW standard',
      'SLOW bulk',
    ]);
    await world.clock.advance(12 * hourMs);
    const later = await planOf(cold);
    expect(later.problems).toEqual([]);
    expect(later.cold?.classes[0]?.thawed.segments).toBe(1);
    expect(cold.destination.asked).toHaveLength(1);
  });

  test('names only segments that the restore reads', async () => {
    const cold = await frozenShop();
    await using world = cold.world;
    const [full = ''] = cold.segments;
    const backup = full.split('/')[1];
    const { cold: plan } = await planOf(cold, { point: { backup: `${backup}/0000` } });
    expect(plan?.segments.map(({ key }) => key)).toEqual([full]);
    expect((await planOf({ ...cold, world })).cold?.segments).toHaveLength(2);
  });

  test('says nothing of it where nothing is cold', async () => {
    await using world = await shop();
    await world.backup();
    const { report } = await world.restore();
    expect(report.plan).not.toHaveProperty('cold');
  });
});

describe('a restore of what is cold', () => {
  test('is refused with the numbers, before the target is even opened', async () => {
    const cold = await frozenShop();
    await using world = cold.world;
    const source = target({ openTarget: 'unavailable' });
    const error = await errorOf(world.restore({}, { target: source, destination: cold.destination }));
    expect(error.code).toBe('precondition_failed');
    expect(error.reason).toMatch(
      /^this restore reads 2 segments \(.* k?B\), of which 2 segments \(.*\) must be thawed first, in cold storage \(COLD\)$/,
    );
    expect(error.hint).toContain('--thaw standard, which makes them readable (up to 5 hours)');
    expect(cold.destination.asked).toEqual([]);
    for (const key of cold.segments)
      await cold.destination.cold.thaw(key, { tier: 'bulk', days: 1, signal: never });
    const waiting = await errorOf(world.restore({}, { destination: cold.destination }));
    expect(waiting.reason).toMatch(/of which 2 segments .* are still being thawed$/);
    await world.clock.advance(12 * hourMs);
    expectSame(world, (await world.restore({}, { destination: cold.destination })).database);
  });

  test('asks for every segment once, waits ever longer up to five minutes, and restores', async () => {
    const cold = await frozenShop();
    await using world = cold.world;
    const { database, report } = await world.restore({ thaw: standard }, { destination: cold.destination });
    expectSame(world, database);
    expect(report.thawing).toBeUndefined();
    expect(report.plan.cold?.classes).toMatchObject([{ cold: { segments: 0 }, thawed: { segments: 2 } }]);
    expect(cold.destination.asked).toEqual(cold.segments.map((key) => ({ key, tier: 'standard', days: 7 })));
    const { slept } = world.clock;
    expect(slept.slice(0, 3)).toEqual([30_000, 45_000, 67_500]);
    expect(Math.max(...slept)).toBe(300_000);
    const waitedMs = slept.reduce((sum, ms) => sum + ms, 0);
    expect(waitedMs).toBeGreaterThanOrEqual(5 * hourMs);
    expect(waitedMs).toBeLessThan(5 * hourMs + 300_000);
    const told = world.events.flatMap((event) =>
      event.kind === 'progress' && event.phase === 'thawing' ? [event] : [],
    );
    const totalBytes = bytesOf(cold);
    expect(told).toHaveLength(slept.length + 1);
    expect([told[0], told.at(-1)]).toMatchObject([
      { doneBytes: 0, totalBytes },
      { doneBytes: totalBytes, totalBytes },
    ]);
    expect(report.durationsMs.thaw).toBe(waitedMs);
  });

  test('whose listing says nothing of it is asked object by object, where its class may be cold', async () => {
    const cold = await frozenShop('SINKS');
    await using world = cold.world;
    expect((await errorOf(world.restore({}, { destination: cold.destination }))).reason).toContain('SINKS');
    const { database } = await world.restore({ thaw: standard }, { destination: cold.destination });
    expectSame(world, database);
    expect(cold.destination.asked).toHaveLength(2);
  });

  test('of an image asks for the image and what goes on top of it', async () => {
    await using world = await shop();
    await world.backup({ type: 'snapshot', keepChanges: true });
    world.database.transaction((t) => t.insert(orders, texts('77', 'later')));
    await world.backup({ type: 'snapshot' });
    const { ColdMemoryDestination } = await import('@holdfast/testing');
    const destination = new ColdMemoryDestination({ clock: world.clock, over: world.destination });
    const frozen = destination.freeze((key) => key.endsWith('.zst'));
    const { database } = await world.restore({ thaw: standard }, { destination });
    expectSame(world, database);
    expect(destination.asked.map(({ key }) => key).sort()).toEqual(frozen.sort());
  });

  test('that does not wait asks and ends, and goes on when it is run again', async () => {
    const cold = await frozenShop();
    const { destination } = cold;
    await using world = cold.world;
    const run = async (): Promise<{ database: MemoryDatabase; report: RestoreReport }> =>
      world.restore({ thaw: noWait }, { destination });
    const nowMs = world.clock.now();
    const first = await run();
    expect(isEmpty(first.database)).toBe(true);
    expect(first.report).toMatchObject({
      tables: 0,
      plan: { task: 'shop', cold: { classes: [{ cold: { segments: 2 } }] } },
      thawing: {
        tier: 'standard',
        days: 7,
        asked: { segments: 2, bytes: bytesOf(cold) },
        thawing: { segments: 0 },
        thawed: { segments: 0 },
        readyByMs: nowMs + 5 * hourMs,
      },
    });
    await world.clock.advance(hourMs);
    const second = await run();
    expect(second.report.thawing).toMatchObject({ asked: { segments: 0 }, thawing: { segments: 2 } });
    expect(second.report.thawing).not.toHaveProperty('readyByMs');
    await world.clock.advance(4 * hourMs);
    expectSame(world, (await run()).database);
    expect(destination.asked).toHaveLength(2);
    expect(world.clock.slept).toEqual([]);
  });

  test('that was killed while it asked asks only for the rest', async () => {
    const cold = await frozenShop();
    await using world = cold.world;
    const stop = new AbortController();
    const destination = failing(cold.destination, { thaw: ['ok', 'hang'] });
    const running = errorOf(world.restore({ thaw: standard }, { destination, signal: stop.signal }));
    while (cold.destination.asked.length === 0) await world.clock.advance(0);
    stop.abort();
    expect(await running).toMatchObject({
      code: 'cancelled',
      hint: expect.stringContaining('run the same command again'),
    });
    const { database } = await world.restore({ thaw: standard }, { destination: cold.destination });
    expectSame(world, database);
    expect(cold.destination.asked.map(({ key }) => key).sort()).toEqual(cold.segments);
  });

  test('ends on the signal while it waits, with nothing made', async () => {
    const cold = await frozenShop();
    await using world = cold.world;
    const stop = new AbortController();
    const source = target();
    const tools = { ...world.tools(), destination: cold.destination, target: source };
    const observer = (): void => {
      if (world.clock.slept.length > 5) stop.abort();
    };
    const all = { ...tools, observer, spillDirectory: world.folder.join('spill') };
    const error = await errorOf(restore(restoreRequest({ thaw: standard }), all, { signal: stop.signal }));
    expect(error).toMatchObject({ code: 'cancelled', hint: expect.stringContaining('goes on being thawed') });
    expect([isEmpty(source.database), world.clock.slept.length]).toEqual([true, 6]);
  });
});

describe('nothing is asked for', () => {
  test('with a tier that one of the classes has not', async () => {
    const cold = await frozenShop();
    await using world = cold.world;
    cold.destination.freeze((key) => key === cold.segments[1], 'SLOW');
    const thaw: ThawRequest = { ...standard, tier: 'expedited' };
    const error = await errorOf(world.restore({ thaw }, { destination: cold.destination }));
    expect(error.code).toBe('unsupported');
    expect(error.reason).toMatch(/^SLOW cannot be thawed as expedited: 1 segment \(.*\) of the restore/);
    expect(error.hint).toContain('--thaw standard or bulk');
    expect(cold.destination.asked).toEqual([]);
  });

  test('for fewer days than the last of it may take longer than the first', async () => {
    const cold = await frozenShop('SLOW');
    await using world = cold.world;
    const thaw: ThawRequest = { tier: 'bulk', days: 2, wait: true };
    const error = await errorOf(world.restore({ thaw }, { destination: cold.destination }));
    expect(error).toMatchObject({ code: 'config_invalid', hint: expect.stringContaining('--thaw-days 3') });
    expect(cold.destination.asked).toEqual([]);
    await world.restore({ thaw: { ...thaw, days: 3 } }, { destination: cold.destination });
  });

  test('for a target that takes no restore', async () => {
    const cold = await frozenShop();
    await using world = cold.world;
    const occupied = new MemorySource(world.database);
    const error = await errorOf(
      world.restore({ thaw: standard }, { destination: cold.destination, target: occupied }),
    );
    expect(error.code).toBe('precondition_failed');
    expect(error.hint ?? '').not.toContain('--thaw');
    expect(cold.destination.asked).toEqual([]);
  });
});

describe('a place that', () => {
  test('cannot be asked for a while is asked again, and given up after ten times', async () => {
    for (const [times, code] of [
      [9, undefined],
      [10, 'unavailable'],
    ] as const) {
      const cold = await frozenShop();
      await using world = cold.world;
      const stat = ['ok', 'ok', ...Array.from({ length: 2 * times }, () => 'unavailable' as const)] as const;
      // Two segments are looked at in each round, and none that follows the first failure.
      const destination = failing(cold.destination, { stat });
      const outcome = world.restore({ thaw: standard }, { destination });
      if (code === undefined) expectSame(world, (await outcome).database);
      else expect((await errorOf(outcome)).code).toBe(code);
      expect(notices(world).filter((text) => text.includes('it is tried again'))).toHaveLength(1);
    }
  });

  test('has its own failures told to whoever does not wait, with what was asked for', async () => {
    const cold = await frozenShop();
    await using world = cold.world;
    const destination = failing(cold.destination, { thaw: ['ok', 'unavailable'] });
    const error = await errorOf(world.restore({ thaw: noWait }, { destination }));
    expect(error).toMatchObject({
      code: 'unavailable',
      hint: expect.stringContaining('goes on being thawed'),
    });
  });

  test('takes longer than it says is waited for, and that is told once', async () => {
    const cold = await frozenShop();
    await using world = cold.world;
    const [full = ''] = cold.segments;
    await cold.destination.cold.thaw(full, { tier: 'bulk', days: 3, signal: never });
    const thaw: ThawRequest = { ...standard, tier: 'expedited' };
    expectSame(world, (await world.restore({ thaw }, { destination: cold.destination })).database);
    expect(notices(world)).toEqual([expect.stringContaining('longer than it should (1 hour at most)')]);
  });
});

test('what is being thawed is waited for with any tier, also one that its class has not', async () => {
  const cold = await frozenShop('SLOW');
  await using world = cold.world;
  for (const key of cold.segments)
    await cold.destination.cold.thaw(key, { tier: 'standard', days: 3, signal: never });
  const thaw: ThawRequest = { ...standard, tier: 'expedited' };
  expectSame(world, (await world.restore({ thaw }, { destination: cold.destination })).database);
  expect([cold.destination.asked.length, notices(world)]).toEqual([2, []]);
});

describe('a thaw that runs out', () => {
  test('while the rest is waited for is asked for again', async () => {
    const cold = await frozenShop('SLOW');
    await using world = cold.world;
    const [full = ''] = cold.segments;
    await cold.destination.cold.thaw(full, { tier: 'standard', days: 1, signal: never });
    await world.clock.advance(35 * hourMs);
    const { database } = await world.restore({ thaw: standard }, { destination: cold.destination });
    expectSame(world, database);
    expect(cold.destination.asked.filter(({ key }) => key === full)).toMatchObject([
      { days: 1 },
      { days: 7 },
    ]);
    expect(notices(world)).toEqual([expect.stringMatching(/^cold again before the rest .*: 1 segment \(/)]);
  });

  test('during the restore is told, and nothing stays of it', async () => {
    const cold = await frozenShop();
    await using world = cold.world;
    const source = target();
    const observer = (event: { readonly kind: string; readonly phase?: string }): void => {
      if (event.phase === 'loading') cold.destination.freeze((key) => key === cold.segments[0]);
    };
    const tools = { ...world.tools(), observer, destination: cold.destination, target: source };
    const all = { ...tools, spillDirectory: world.folder.join('spill') };
    const error = await errorOf(restore(restoreRequest({ thaw: standard }), all, { signal: never }));
    expect(error.code).toBe('precondition_failed');
    expect(error.reason).toMatch(/^1 segment \(.*\) went cold while the restore was reading$/);
    expect(error.hint).toContain('--thaw-days');
    expect(isEmpty(source.database)).toBe(true);
  });
});
