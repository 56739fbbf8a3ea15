import { bigType, MemoryDatabase, MemorySource, texts } from '@holdfast/testing';
import { describe, expect, test } from 'vitest';
import { openWorld, type World } from '../world.fixture.ts';

const orders = '/public.orders';
const columns = ['id', 'name'];

function fill(world: World, count: number, path = orders): void {
  world.database.createTable(path, { columns, key: ['id'] });
  world.database.transaction((t) => {
    for (let n = 0; n < count; n++) t.insert(path, texts(String(n), `name ${n}`));
  });
}

describe('a restore', () => {
  test('of a full gives the rows of the source', async () => {
    await using world = await openWorld({ chunkRows: 3 });
    fill(world, 10);
    fill(world, 0, '/public.empty');
    world.database.sequences.set('s', 7);
    await world.backup({ scope: 'full' });
    const { database, report } = await world.restore();
    expect(database.contents()).toEqual(world.database.contents());
    expect(database.sequences).toEqual(world.database.sequences);
    expect(report).toMatchObject({ rows: 10, tables: 2, verified: true });
  });

  test('of an incremental gives the rows of the source at its end', async () => {
    await using world = await openWorld({ chunkRows: 3, blockBytes: 11 });
    fill(world, 10);
    await world.backup();
    world.database.transaction((t) => {
      t.update(orders, texts('1'), texts('1', 'changed'));
      t.update(orders, texts('2'), texts('20', 'moved'));
      t.delete(orders, texts('3'));
      t.insert(orders, texts('11', 'new'));
    });
    expect((await world.backup()).scope).toBe('incremental');
    const { database } = await world.restore();
    expect(database.contents()).toEqual(world.database.contents());
  });
});

void [bigType, MemoryDatabase, MemorySource];
