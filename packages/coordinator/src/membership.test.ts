import { type ClusterStore, HoldfastError } from '@holdfast/core';
import { FakeClock, failingStore, MemoryClusterStore } from '@holdfast/testing';
import { describe, expect, it } from 'vitest';
import { keys } from './keys.ts';
import { Membership, type MembershipOptions } from './membership.ts';

const { signal } = new AbortController();
const ttlMs = 10_000;

interface Life {
  readonly clock: FakeClock;
  readonly store: MemoryClusterStore;
  readonly others: MemoryClusterStore;
  readonly told: string[];
  open(over?: Partial<MembershipOptions>): Membership;
}

function openLife(): Life {
  const clock = new FakeClock();
  const store = new MemoryClusterStore({ clock });
  const others = new MemoryClusterStore({ clock, table: store.table });
  const told: string[] = [];
  const self = { node: 'a', instance: 'i', version: '0', startedAtMs: 0, tags: ['db'], capacity: 2 };
  const open = (over: Partial<MembershipOptions> = {}): Membership =>
    new Membership({
      store,
      clock,
      self,
      ttlMs,
      onLost: ({ code }) => told.push(`lost ${code}`),
      onApart: async ({ code }) => {
        told.push(`apart ${code}`);
      },
      onBack: async () => {
        told.push('back');
      },
      ...over,
    });
  return { clock, store, others, told, open };
}

const entry = (store: ClusterStore) => store.get(keys.node('a'), { signal });

describe('a node', () => {
  it('is known as soon as it has joined, until it leaves', async () => {
    const { others, clock, open } = openLife();
    const membership = open();
    expect(membership.revision).toBeUndefined();
    await membership.join({ signal });
    const found = await entry(others);
    expect(JSON.parse(found?.value ?? '')).toMatchObject({
      node: 'a',
      instance: 'i',
      tags: ['db'],
      capacity: 2,
    });
    expect(membership.revision).toBe(found?.revision);
    await clock.advance(100 * ttlMs);
    expect(await entry(others)).toEqual(found);
    await membership[Symbol.asyncDispose]();
    expect([await entry(others), membership.revision]).toEqual([undefined, undefined]);
  });

  it('takes over what its last life has left, so that a restart is noticed by nobody', async () => {
    const { others, open } = openLife();
    await open().join({ signal });
    const before = await entry(others);
    const again = open();
    await again.join({ signal });
    expect(again.revision).toBeGreaterThan(before?.revision ?? 0);
  });

  it('waits for another life with its name to go', async () => {
    const { clock, others, store, open } = openLife();
    const other = new MemoryClusterStore({ clock, table: store.table });
    const self = { node: 'a', instance: 'other', version: '0', startedAtMs: 0, tags: [], capacity: 1 };
    await open({ store: other, self }).join({ signal });
    other.cutOff();
    const membership = open();
    const joining = membership.join({ signal });
    await clock.advance(2 * ttlMs);
    await joining;
    expect((await entry(others))?.revision).toBe(membership.revision);
  });

  it('is refused when another node that lives has its name, and says where that is', async () => {
    const { clock, open } = openLife();
    const self = {
      node: 'a',
      instance: 'x',
      version: '0',
      startedAtMs: 0,
      tags: [],
      capacity: 1,
      url: 'https://a',
    };
    await open({ self }).join({ signal });
    const refused = expect(open().join({ signal })).rejects.toMatchObject({
      code: 'config_invalid',
      reason: expect.stringContaining('named a: it is alive at https://a'),
    });
    await clock.advance(3 * ttlMs);
    await refused;
  });

  it('that could not make itself known leaves no session behind', async () => {
    const { others, store, open } = openLife();
    const failing = failingStore(store, { transact: ['unavailable'] });
    const membership = open({ store: failing });
    await expect(membership.join({ signal })).rejects.toMatchObject({ code: 'unavailable' });
    expect([membership.revision, await entry(others)]).toEqual([undefined, undefined]);
    await membership.join({ signal });
    expect(membership.revision).toBeDefined();
  });
});

describe('a node whose session is over', () => {
  it('joins again at once where the store answers, and was never apart', async () => {
    const { clock, others, store, told, open } = openLife();
    const membership = open();
    await membership.join({ signal });
    const end = new AbortController();
    const running = membership.run({ signal: end.signal });
    store.cutOff();
    // Its own session is over a while before the others see it.
    await clock.advance(ttlMs - 1);
    const before = membership.revision;
    expect(before).toBeDefined();
    await clock.advance(1);
    expect(membership.revision).toBeUndefined();
    store.reconnect();
    await clock.advance(2000);
    expect((await entry(others))?.revision).toBe(membership.revision);
    expect(membership.revision).not.toBe(before);
    expect(told[0]).toBe('lost lease_lost');
    expect(told.at(-1)).toBe('back');
    end.abort();
    await running;
  });

  it('is told once that it is apart, has no revision meanwhile, and then that it is back', async () => {
    const { clock, others, store, told, open } = openLife();
    const membership = open();
    await membership.join({ signal });
    const end = new AbortController();
    const running = membership.run({ signal: end.signal });
    store.cutOff();
    await clock.advance(20 * ttlMs);
    expect(told).toEqual(['lost lease_lost', 'apart unavailable']);
    expect([membership.revision, await entry(others)]).toEqual([undefined, undefined]);
    store.reconnect();
    await clock.advance(2000);
    expect(told).toEqual(['lost lease_lost', 'apart unavailable', 'back']);
    expect((await entry(others))?.revision).toBe(membership.revision);
    end.abort();
    await running;
    expect(await entry(others)).toBeUndefined();
  });

  it('tells the cluster what happened again until that is heard, in the session that it has', async () => {
    const { clock, store, told, open } = openLife();
    let tries = 0;
    const membership = open({
      onBack: async () => {
        tries += 1;
        if (tries < 3) throw new HoldfastError('unavailable', 'not heard');
        told.push('back');
      },
    });
    await membership.join({ signal });
    const end = new AbortController();
    const running = membership.run({ signal: end.signal });
    store.cutOff();
    await clock.advance(2 * ttlMs);
    store.reconnect();
    await clock.advance(10_000);
    expect([tries, told.at(-1)]).toEqual([3, 'back']);
    end.abort();
    await running;
  });

  it('ends with an error that waiting does not mend', async () => {
    const { clock, store, open } = openLife();
    const membership = open({
      onBack: async () => {
        throw new HoldfastError('internal', 'broken');
      },
    });
    await membership.join({ signal });
    const running = expect(membership.run({ signal })).rejects.toMatchObject({ code: 'internal' });
    store.cutOff();
    await clock.advance(2 * ttlMs);
    store.reconnect();
    await clock.advance(2000);
    await running;
  });
});
