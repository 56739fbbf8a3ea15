import type { Manifest } from '@holdfast/core';
import { texts } from '@holdfast/testing';
import { readManifest } from '../manifest-file.ts';
import { openWorld, type World } from '../world.fixture.ts';

export const orders = '/p.orders';

/** A database with one order. */
export async function shop(): Promise<World> {
  const world = await openWorld();
  world.database.createTable(orders, { columns: ['id', 'name'], key: ['id'] });
  sell(world, 0);
  return world;
}

export function sell(world: World, id: number): void {
  world.database.transaction((t) => t.insert(orders, texts(String(id), `order ${id}`)));
}

/** What is stored, oldest first. */
export function manifests(world: World, destination = world.destination): Manifest[] {
  return destination.objects
    .list()
    .map(({ key }) => key)
    .filter((key) => key.endsWith('.manifest.json'))
    .sort()
    .map((key) => readManifest(destination.objects.get(key)?.bytes ?? Buffer.alloc(0), key));
}

/** For which chains the source keeps changes. */
export const keepers = (world: World): string[] => [...world.database.keepers.keys()];
