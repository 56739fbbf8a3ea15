import { describe, expect, test } from 'vitest';
import { describeDestination } from '../contracts/destination.ts';
import { bodyOf, collect } from '../contracts/destination-bodies.ts';
import { listed, never } from '../contracts/destination-handles.ts';
import { ColdMemoryDestination } from './cold-memory-destination.ts';
import { FakeClock } from './fake-clock.ts';

const o = { signal: never };
const hourMs = 3_600_000;

describeDestination('cold memory', async () => new ColdMemoryDestination({ clock: new FakeClock() }));

describe('cold memory', () => {
  test('is read only while it is thawed, by the clock, and hot objects always', async () => {
    const clock = new FakeClock();
    await using destination = new ColdMemoryDestination({ clock, storageClass: 'COLD' });
    await destination.write('a', bodyOf(Buffer.from('data')), o);
    await destination.write('b', bodyOf(Buffer.from('hot')), { ...o, hot: true });
    const access = async (): Promise<string | undefined> => (await destination.stat('a', o))?.access;
    expect((await collect(destination.read('b', o))).toString()).toBe('hot');
    expect(await access()).toBe('cold');
    await expect(collect(destination.read('a', o))).rejects.toMatchObject({ code: 'precondition_failed' });
    for (let n = 0; n < 2; n++) await destination.cold.thaw('a', { ...o, tier: 'expedited', days: 1 });
    expect(destination.asked).toHaveLength(1);
    expect(await access()).toBe('thawing');
    await clock.advance(hourMs);
    expect(await access()).toBe('thawed');
    expect((await collect(destination.read('a', o))).toString()).toBe('data');
    expect((await listed(destination)).map((info) => info.access)).toEqual(['cold', undefined]);
    await clock.advance(24 * hourMs);
    expect(await access()).toBe('cold');
  });

  test('has tiers by class, and needs no thawing of what is hot', async () => {
    await using destination = new ColdMemoryDestination({ clock: new FakeClock() });
    await destination.write('a', bodyOf(Buffer.from('data')), o);
    await destination.cold.thaw('a', { ...o, tier: 'expedited', days: 1 });
    expect(destination.freeze(() => true, 'SLOW')).toEqual(['a']);
    await expect(destination.cold.thaw('a', { ...o, tier: 'expedited', days: 1 })).rejects.toMatchObject({
      code: 'unsupported',
    });
    expect(destination.asked).toEqual([]);
  });
});
