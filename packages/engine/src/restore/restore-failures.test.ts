import { type MemoryFault, texts } from '@holdfast/testing';
import { describe, expect, test } from 'vitest';
import { errorOf } from '../world.fixture.ts';
import { orders, shop, target, trade } from './shop.fixture.ts';

describe('a restore that fails leaves no trace', () => {
  const faults: readonly (readonly [where: string, fault: MemoryFault, code: string])[] = [
    ['openTarget', 'unavailable', 'unavailable'],
    ['target.check', 'permission_denied', 'permission_denied'],
    ['target.create', 'exhausted', 'exhausted'],
    ['/public.orders/@0', 'source_failed', 'source_failed'],
    ['/public.orders/@0', 'lie', 'source_failed'],
    [orders, 'lie', 'source_failed'],
    ['target.loadSpecial', 'source_failed', 'source_failed'],
    ['target.finish', 'source_failed', 'source_failed'],
    ['target.readBack', 'unavailable', 'unavailable'],
    ['target.publish', 'unavailable', 'unavailable'],
  ];
  test.each(faults)('at %s (%s)', async (where, fault, code) => {
    await using world = await shop();
    await world.backup();
    trade(world);
    await world.backup();
    const source = target({ [where]: fault });
    expect((await errorOf(world.restore({}, { target: source }))).code).toBe(code);
    const { tables, unpublished, restoring } = source.database;
    expect([tables.size, unpublished.size, restoring]).toEqual([0, 0, undefined]);
    delete source.faults[where];
    expect((await world.restore({}, { target: source })).database.contents()).toEqual(
      world.database.contents(),
    );
  });

  test('at every byte of what is stored that was changed', { timeout: 60_000 }, async () => {
    await using world = await shop();
    await world.backup();
    trade(world);
    await world.backup();
    let refused = 0;
    let superseded = 0;
    for (const key of world.keys.filter((one) => one.endsWith('.zst'))) {
      const bytes = world.destination.objects.get(key)?.bytes ?? Buffer.alloc(0);
      for (let at = 0; at < bytes.length; at += 41) {
        const damaged = Buffer.from(bytes);
        damaged[at] = (damaged[at] ?? 0) ^ 16;
        world.destination.objects.set(key, damaged);
        const source = target();
        const outcome = await world.restore({}, { target: source }).catch((error: unknown) => error);
        // What a later backup replaced is not read, and does no harm.
        if (outcome instanceof Error) {
          expect(outcome, `${key} ${at}`).toMatchObject({ code: 'corrupt' });
          expect(source.database.tables.size).toBe(0);
          refused++;
        } else {
          expect(source.database.contents()).toEqual(world.database.contents());
          superseded++;
        }
      }
      world.destination.objects.set(key, bytes);
    }
    expect(refused).toBeGreaterThan(superseded * 3);
  });

  test('where changes were damaged behind the moment asked for, too', async () => {
    await using world = await shop();
    await world.backup();
    trade(world);
    const timeMs = world.database.nowMs;
    world.database.transaction((t) => t.insert(orders, texts('50', 'behind the moment')));
    await world.backup();
    const key = world.keys.find((one) => one.endsWith('0001-incremental-001.ndjson.zst')) ?? '';
    const bytes = Buffer.from(world.destination.objects.get(key)?.bytes ?? []);
    const intact = await world.restore({ point: { timeMs } });
    expect(intact.database.contents()[orders]).not.toContain('["50","behind the moment"]');
    bytes[100] = (bytes[100] ?? 0) ^ 1;
    world.destination.objects.set(key, bytes);
    expect((await errorOf(world.restore({ point: { timeMs } }))).code).toBe('corrupt');
  });

  test('on an abort', async () => {
    await using world = await shop();
    await world.backup();
    const source = target({ 'target.finish': 'hang' });
    const stop = new AbortController();
    const running = errorOf(world.restore({}, { target: source, signal: stop.signal }));
    while (!world.events.some((event) => event.kind === 'progress' && event.phase === 'loading'))
      await world.clock.advance(1);
    stop.abort();
    expect((await running).code).toBe('cancelled');
    expect([source.database.tables.size, source.database.unpublished.size]).toEqual([0, 0]);
  });
});
