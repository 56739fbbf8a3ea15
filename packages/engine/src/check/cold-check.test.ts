import type { ColdMemoryDestination } from '@holdfast/testing';
import { describe, expect, test } from 'vitest';
import type { CheckReport } from '../api.ts';
import { listTasks } from '../catalog/listing.ts';
import { showBackup } from '../catalog/show.ts';
import { frozenShop, hourMs } from '../thaw/cold.fixture.ts';
import { errorOf, never, type World } from '../world.fixture.ts';
import { check } from './check.ts';

const o = { signal: never };

function checked(world: World, destination: ColdMemoryDestination, ...paths: string[]): Promise<CheckReport> {
  const { clock } = world;
  return check({ paths }, { clock, destination, workersMax: 2, observer: () => {} }, o);
}

describe('a check of what is cold', () => {
  test('looks whether it is there and of its size, and says that it read nothing of it', async () => {
    const { world: opened, destination, segments } = await frozenShop();
    await using world = opened;
    const whole = await world.check();
    const bytes = segments.reduce((sum, key) => sum + (destination.objects.get(key)?.bytes.length ?? 0), 0);
    const report = await checked(world, destination);
    const unread = { segments: 2, bytes, storageClasses: ['COLD'], chunks: whole.chunks };
    expect(report).toMatchObject({ findings: [], backups: 2, chunks: 0, rows: 0, storedBytes: 0, unread });
    expect(whole).not.toHaveProperty('unread');
    const [full = '', incremental = ''] = segments;
    destination.objects.set(full, Buffer.from('short'));
    destination.objects.delete(incremental);
    const { findings } = await checked(world, destination);
    expect(new Set(findings.map(({ finding }) => finding))).toEqual(new Set(['wrong size', 'missing']));
  });

  test('reads what is thawed, though the listing calls it cold, and what was never cold', async () => {
    const { world: opened, destination, segments } = await frozenShop();
    await using world = opened;
    const [full = '', incremental = ''] = segments;
    await destination.cold.thaw(full, { ...o, tier: 'expedited', days: 1 });
    await world.clock.advance(hourMs);
    const bytes = Buffer.from(destination.objects.get(full)?.bytes ?? []);
    bytes[5] = (bytes[5] ?? 0) ^ 1;
    destination.objects.set(full, bytes);
    const report = await checked(world, destination);
    expect(report).toMatchObject({ findings: [{ object: full }], unread: { segments: 1 } });
    expect(report.chunks).toBeGreaterThan(0);
    const chain = full.split('/')[1] ?? '';
    const part = await checked(world, destination, `${chain}/0000`);
    expect(part).toMatchObject({ findings: [{ object: full }], backups: 1 });
    expect(part).not.toHaveProperty('unread');
    expect(await checked(world, destination, `${chain}/0001`)).toMatchObject({
      unread: { segments: 1, bytes: destination.objects.get(incremental)?.bytes.length },
    });
  });
});

describe('what is cold', () => {
  test('is listed so, by backup and class, without asking object by object', async () => {
    const { world: opened, destination, segments } = await frozenShop();
    await using world = opened;
    destination.freeze((key) => key === segments[1], 'SLOW');
    const [task] = await listTasks(destination, o);
    expect(task?.chains[0]?.backups).toMatchObject([
      { restorable: true, segments: 1, cold: { segments: 1, storageClasses: ['COLD'] } },
      { restorable: true, segments: 1, cold: { segments: 1, storageClasses: ['SLOW'] } },
    ]);
    const [hot] = await listTasks(world.destination, o);
    expect(hot?.chains[0]?.backups[0]).not.toHaveProperty('cold');
    destination.freeze((key) => key === segments[1], 'SINKS');
    const [hidden] = await listTasks(destination, o);
    expect(hidden?.chains[0]?.backups[1]).not.toHaveProperty('cold');
    expect(await checked(world, destination)).toMatchObject({
      unread: { segments: 2, storageClasses: ['COLD', 'SINKS'] },
    });
  });

  test('is shown by its manifest, and its schema once it is thawed', async () => {
    const { world: opened, destination, segments } = await frozenShop();
    await using world = opened;
    const shown = await showBackup(destination, {}, o);
    expect(shown).toMatchObject({ manifest: { sequence: 1 }, schema: [], schemaIsCold: true });
    expect(shown.cold).toMatchObject({ segments: 1, storageClasses: ['COLD'] });
    for (const key of segments) await destination.cold.thaw(key, { ...o, tier: 'expedited', days: 1 });
    await world.clock.advance(hourMs);
    const later = await showBackup(destination, {}, o);
    expect(later.schema.length).toBeGreaterThan(0);
    expect(later).not.toHaveProperty('schemaIsCold');
  });

  test('must not be a manifest, and the error says what to do', async () => {
    const { world: opened, destination } = await frozenShop();
    await using _ = opened;
    destination.freeze((key) => key.endsWith('.manifest.json'));
    expect(await errorOf(listTasks(destination, o))).toMatchObject({
      code: 'precondition_failed',
      hint: expect.stringContaining('keep such rules from manifests'),
    });
  });
});
