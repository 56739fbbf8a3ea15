import { version } from '@holdfast/core';
import { MemoryClusterStore } from '@holdfast/testing';
import { expect, it } from 'vitest';
import { openBench, signal } from './bench.fixture.ts';
import { Membership } from './membership.ts';
import { Supervisor } from './supervisor.ts';

async function join() {
  const bench = await openBench();
  const { clock, table, ledger, logger } = bench;
  const store = new MemoryClusterStore({ clock, table });
  const lost: string[] = [];
  const membership = new Membership({
    node: 'node-a',
    tags: ['db'],
    store,
    ledger,
    clock,
    onLost: ({ code }) => lost.push(code),
  });
  const over = new AbortController();
  const ending = { drain: over.signal, stop: over.signal };
  const running = new Supervisor({ clock, logger }).run([membership], ending);
  const nodes = async () => (await ledger.nodes({ signal })).map(({ node }) => node);
  return { bench, store, membership, lost, over, running, nodes };
}

it('makes the node known, and takes it away when it ends', async () => {
  const { bench, membership, over, running, nodes } = await join();
  await membership.announced;
  expect(await bench.ledger.nodes({ signal })).toEqual([
    { node: 'node-a', version, startedAtMs: bench.clock.now(), tags: ['db'] },
  ]);
  over.abort();
  await running;
  expect(await nodes()).toEqual([]);
  await bench[Symbol.asyncDispose]();
});

it('says so when the node is no longer known, and makes it known again', async () => {
  const { bench, store, lost, membership, over, running, nodes } = await join();
  await membership.announced;
  store.cutOff();
  await bench.pass(9_999);
  expect(lost).toEqual([]);
  await bench.pass(1);
  expect(lost).toEqual(['lease_lost']);
  await bench.pass(2_000);
  expect(await nodes()).toEqual([]);
  store.reconnect();
  await bench.pass(60_000);
  await membership.announced;
  expect(await nodes()).toEqual(['node-a']);
  expect(lost).toEqual(['lease_lost']);
  over.abort();
  await running;
  await bench[Symbol.asyncDispose]();
});

it('is not lost by a store that is away for a moment', async () => {
  const { bench, store, lost, membership, over, running, nodes } = await join();
  await membership.announced;
  store.cutOff();
  await bench.pass(5_000);
  store.reconnect();
  await bench.pass(60_000);
  expect(lost).toEqual([]);
  expect(await nodes()).toEqual(['node-a']);
  over.abort();
  await running;
  await bench[Symbol.asyncDispose]();
});
