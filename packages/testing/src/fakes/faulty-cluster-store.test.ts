import type { ClusterStore } from '@holdfast/core';
import { describe, expect, test } from 'vitest';
import { describeClock } from '../contracts/clock.ts';
import { describeClusterStore } from '../contracts/cluster-store.ts';
import { keysOf, never, put, Recorder, readValue, revisionOf } from '../contracts/cluster-store-harness.ts';
import { FaultyClusterStore } from './faulty-cluster-store.ts';
import { FaultyLine, type LineFaults, noFaults } from './faulty-line.ts';
import { SeededRandom } from './seeded-random.ts';
import { SimulatedMachine, type SimulatedProcess } from './simulated-process.ts';
import { SimulatedStore } from './simulated-store.ts';
import { SimulatedTime } from './simulated-time.ts';

const signal = never;
const cut: LineFaults = { ...noFaults, requestsCut: true, answersCut: true };

interface Host {
  readonly store: FaultyClusterStore;
  readonly line: FaultyLine;
  readonly process: SimulatedProcess;
}

function openWorld(): { time: SimulatedTime; store: SimulatedStore; host: (rate?: number) => Host } {
  const time = new SimulatedTime();
  const store = new SimulatedStore({ time });
  const random = new SeededRandom(1);
  const host = (rate = 1): Host => {
    const process = new SimulatedMachine({ time, rate }).boot();
    const line = new FaultyLine({ store, random: random.fork() });
    return { process, line, store: new FaultyClusterStore({ process, line }) };
  };
  return { time, store, host };
}

const pass = (time: SimulatedTime, ms: number): Promise<void> => time.runUntil(time.nowMs + ms);

describeClusterStore('simulated, without faults', async () => {
  const { time, store, host } = openWorld();
  const hosts = new Map<ClusterStore, Host>();
  return {
    ttlMs: 6_000,
    handle: async () => {
      const one = host();
      hosts.set(one.store, one);
      return one.store;
    },
    cutOff: async (handle) => {
      const one = hosts.get(handle);
      if (one) one.line.faults = cut;
    },
    pass: (ms) => pass(time, ms),
    forgetChanges: async () => store.table.forgetChanges(),
    [Symbol.asyncDispose]: async () => {
      for (const handle of hosts.keys()) await handle[Symbol.asyncDispose]();
    },
  };
});

describeClock('of a simulated process that is a little slow', () => {
  const { time, host } = openWorld();
  return { clock: host(0.99).process, pass: (ms) => pass(time, ms / 0.99 + 1) };
});

describe('a simulated store', () => {
  test('a transaction whose answer is lost is unavailable, and has happened', async () => {
    const { time, host } = openWorld();
    const [a, b] = [host(), host()];
    a.line.faults = { ...noFaults, lostAnswers: 1 };
    const asked = expect(put(a.store, 'k', 'x')).rejects.toMatchObject({ code: 'unavailable' });
    await pass(time, 5_000);
    await asked;
    expect(await readValue(b.store, 'k')).toBe('x');
  });

  test('a request that is late arrives after its caller has given up', async () => {
    const { time, host } = openWorld();
    const [a, b] = [host(), host()];
    a.line.faults = { ...noFaults, lateRequests: 1, delayMaxMs: 1 };
    const outcomes: string[] = [];
    const asked = ['1', '2', '3', '4', '5', '6'].map((key) =>
      put(a.store, key, 'x').then(
        () => outcomes.push('heard'),
        () => outcomes.push('given up'),
      ),
    );
    await pass(time, 30_000);
    await Promise.all(asked);
    expect(outcomes).toContain('given up');
    expect(await keysOf(b.store)).toHaveLength(6);
  });

  test('a transaction with checks that arrives twice is a conflict the second time, which may be what is heard', async () => {
    const { time, host } = openWorld();
    const a = host();
    a.line.faults = { ...noFaults, doubledRequests: 1, delayMaxMs: 100 };
    const outcomes = new Set<string>();
    for (let n = 0; n < 20; n += 1) {
      const checks = [{ key: `k${n}`, revision: 'absent' as const }];
      a.store.transact({ checks, puts: [{ key: `k${n}`, value: 'x' }] }, { signal }).then(
        () => outcomes.add('done'),
        (error) => outcomes.add(error.code),
      );
    }
    await pass(time, 10_000);
    expect([...outcomes].sort()).toEqual(['conflict', 'done']);
    a.line.faults = noFaults;
    expect(await keysOf(a.store)).toHaveLength(20);
  });

  test('where only requests are cut, what others do is still heard', async () => {
    const { time, host } = openWorld();
    const [a, b] = [host(), host()];
    await using seen = new Recorder(a.store, '', await revisionOf(a.store));
    a.line.faults = { ...noFaults, requestsCut: true };
    await put(b.store, 'k', 'x');
    await pass(time, 10);
    expect(seen.puts.map(({ key }) => key)).toEqual(['k']);
    const asked = expect(a.store.get('k', { signal })).rejects.toMatchObject({ code: 'unavailable' });
    await pass(time, 5_000);
    await asked;
  });

  test('a machine that stands still loses its session, and hears of it when it goes on', async () => {
    const { time, host } = openWorld();
    const [a, b] = [host(), host()];
    const session = await a.store.openSession({ signal, ttlMs: 6_000 });
    await a.store.transact({ puts: [{ key: 'k', value: 'x', session }] }, { signal });
    a.process.machine.pause();
    await pass(time, 20_000);
    expect(await keysOf(b.store)).toEqual([]);
    expect(session.signal.aborted).toBe(false);
    a.process.machine.resume();
    await pass(time, 0);
    expect(session.signal.aborted).toBe(true);
  });

  test('a lease that is revoked without cause is noticed by its owner at the next sign of life', async () => {
    const { time, store, host } = openWorld();
    const a = host();
    const session = await a.store.openSession({ signal, ttlMs: 6_000 });
    for (const id of store.leases) store.revoke(id);
    await pass(time, 2_000);
    expect(session.signal.reason).toMatchObject({ code: 'lease_lost' });
  });

  test('while the store is down nobody is heard; sessions survive where it renews them', async () => {
    const { time, store, host } = openWorld();
    const a = host();
    const session = await a.store.openSession({ signal, ttlMs: 6_000 });
    await a.store.transact({ puts: [{ key: 'k', value: 'x', session }] }, { signal });
    store.goDown();
    await pass(time, 3_000);
    store.comeBack({ renewsLeases: true });
    await pass(time, 60_000);
    expect(session.signal.aborted).toBe(false);
    expect(await keysOf(a.store)).toEqual(['k']);
  });

  test('a process that was killed hears nothing more', async () => {
    const { time, host } = openWorld();
    const a = host();
    let heard = 0;
    a.process.sleep(10, signal).then(() => {
      heard += 1;
    });
    a.process.kill();
    await pass(time, 100);
    expect(heard).toBe(0);
  });
});
