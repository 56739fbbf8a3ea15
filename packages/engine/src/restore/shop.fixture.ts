import { MemoryDatabase, type MemoryFault, MemorySource, texts } from '@holdfast/testing';
import { openWorld, type World } from '../world.fixture.ts';

export const orders = '/public.orders';
export const columns = ['id', 'name'];

/** Ten orders, an empty table and a sequence, in small chunks and blocks. */
export async function shop(options: ConstructorParameters<typeof MemorySource>[1] = {}): Promise<World> {
  const world = await openWorld({ chunkRows: 3, blockBytes: 11, ...options });
  world.database.createTable(orders, { columns, key: ['id'] });
  world.database.createTable('/public.empty', { columns, key: ['id'] });
  world.database.transaction((t) => {
    for (let n = 0; n < 10; n++) t.insert(orders, texts(String(n), `name ${n}`));
  });
  world.database.sequences.set('s', 7);
  return world;
}

/** One change of each kind. */
export function trade(world: World): void {
  world.database.transaction((t) => {
    t.update(orders, texts('1'), texts('1', 'changed'));
    t.update(orders, texts('2'), texts('20', 'moved'));
    t.delete(orders, texts('3'));
    t.insert(orders, texts('11', 'new'));
  });
  world.database.sequences.set('s', 8);
}

export const target = (faults: Record<string, MemoryFault> = {}, crashes = false): MemorySource =>
  new MemorySource(new MemoryDatabase('restored'), { faults, crashes });
