import { ColdMemoryDestination, MemoryDatabase, MemorySource } from '@holdfast/testing';
import type { RestorePlanSummary, RestoreRequest } from '../api.ts';
import { planRestore } from '../restore/plan.ts';
import { shop, trade } from '../restore/shop.fixture.ts';
import { never, type World } from '../world.fixture.ts';

export const hourMs = 3_600_000;

export interface ColdWorld {
  readonly world: World;
  readonly destination: ColdMemoryDestination;
  /** Keys of the segments: of the full, and of its incremental. */
  readonly segments: readonly string[];
}

/** A full and an incremental, of which the data is cold, as a rule of the place makes it. */
export async function frozenShop(storageClass = 'COLD'): Promise<ColdWorld> {
  const world = await shop();
  await world.backup();
  trade(world);
  await world.backup();
  const destination = new ColdMemoryDestination({ clock: world.clock, over: world.destination });
  const segments = destination.freeze((key) => key.endsWith('.zst'), storageClass).sort();
  return { world, destination, segments };
}

export function restoreRequest(over: Partial<RestoreRequest> = {}): RestoreRequest {
  return { noOwner: false, verify: true, startTimeoutMs: 0, ...over };
}

export function planOf(
  { world, destination }: ColdWorld,
  request: Partial<RestoreRequest> = {},
): Promise<RestorePlanSummary> {
  const target = new MemorySource(new MemoryDatabase('restored'));
  const tools = { ...world.tools(), destination, target, spillDirectory: world.folder.join('spill') };
  return planRestore(restoreRequest(request), tools, { signal: never });
}
