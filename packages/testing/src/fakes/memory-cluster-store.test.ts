import { describe, expect, test } from 'vitest';
import { describeClusterStore } from '../contracts/cluster-store.ts';
import { keysOf, never, put, Recorder, revisionOf } from '../contracts/cluster-store-harness.ts';
import { FakeClock } from './fake-clock.ts';
import { memoryHarness } from './memory-cluster-store.fixture.ts';
import { MemoryClusterStore } from './memory-cluster-store.ts';
import { MemoryClusterTable } from './memory-cluster-table.ts';

const signal = never;

describeClusterStore('memory', async () => memoryHarness());

describe('a store in memory', () => {
  function twoHandles(): { clock: FakeClock; a: MemoryClusterStore; b: MemoryClusterStore } {
    const clock = new FakeClock();
    const table = new MemoryClusterTable({ changesMax: 100 });
    const [a, b] = [new MemoryClusterStore({ clock, table }), new MemoryClusterStore({ clock, table })];
    return { clock, a, b };
  }

  test('needs no timer while all is well, so that months pass at once', async () => {
    const { clock, a, b } = twoHandles();
    const session = await a.openSession({ signal, ttlMs: 10_000 });
    await a.transact({ puts: [{ key: 'k', value: 'x', session }] }, { signal });
    await using _watch = new Recorder(b, '', 0);
    expect(clock.sleeping).toBe(0);
    await clock.advance(180 * 24 * 3_600_000);
    expect(await keysOf(b)).toEqual(['k']);
  });

  test('a handle that is cut off is told so by its calls; its watch is silent, and then complete', async () => {
    const { clock, a, b } = twoHandles();
    await using seen = new Recorder(a, '', await revisionOf(a));
    await clock.advance(0);
    a.cutOff();
    for (const key of ['1', '2', '3']) await put(b, key, 'x');
    await expect(a.get('1', { signal })).rejects.toMatchObject({ code: 'unavailable' });
    await clock.advance(60_000);
    expect(seen.changes).toEqual([]);
    a.reconnect();
    await clock.advance(0);
    expect(seen.puts.map(({ key }) => key)).toEqual(['1', '2', '3']);
  });

  test('a session survives a cut that is shorter than its time to live', async () => {
    const { clock, a, b } = twoHandles();
    const session = await a.openSession({ signal, ttlMs: 10_000 });
    await a.transact({ puts: [{ key: 'k', value: 'x', session }] }, { signal });
    for (let i = 0; i < 5; i += 1) {
      a.cutOff();
      await clock.advance(9_999);
      a.reconnect();
      await clock.advance(60_000);
    }
    expect(session.signal.aborted).toBe(false);
    expect(await keysOf(b)).toEqual(['k']);
  });

  test('the owner of a silent session hears of its end before the others do', async () => {
    const { clock, a, b } = twoHandles();
    const session = await a.openSession({ signal, ttlMs: 10_000 });
    await a.transact({ puts: [{ key: 'k', value: 'x', session }] }, { signal });
    a.cutOff();
    await clock.advance(10_000);
    expect(session.signal.aborted).toBe(true);
    expect(await keysOf(b)).toEqual(['k']);
    await clock.advance(1_000);
    expect(await keysOf(b)).toEqual([]);
  });

  test('old changes are forgotten by themselves', async () => {
    const { a } = twoHandles();
    for (let i = 0; i < 250; i += 1) await put(a, 'k', `${i}`);
    await using late = new Recorder(a, '', 1);
    await using recent = new Recorder(a, '', 240);
    await new Promise((resolve) => setImmediate(resolve));
    expect(late.error).toMatchObject({ code: 'out_of_range' });
    expect(recent.changes).toHaveLength(10);
  });
});
