import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { HoldfastError } from '@holdfast/core';
import { freePort } from '@holdfast/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { signal } from './bench.fixture.ts';
import { Cluster, type ClusterNode } from './cluster.fixture.ts';

let cluster: Cluster;
let a: ClusterNode;

beforeEach(async () => {
  cluster = await Cluster.open();
  a = await cluster.add('node-a');
});

afterEach(() => cluster[Symbol.asyncDispose]());

const onB = { nodes: { prefer: 'node-b' } } as const;

async function errorOf(promise: Promise<unknown>): Promise<HoldfastError> {
  return promise.then(
    () => Promise.reject(new Error('it did not fail')),
    (caught: unknown) => HoldfastError.from(caught),
  );
}

/** A task that node-b has, and a run of it that works there. */
async function runOnB(b: ClusterNode): Promise<string> {
  await cluster.declare({ shop: onB });
  await cluster.until(async () => (await cluster.record('shop')).node === 'node-b');
  const { run } = await b.client.runTask({ task: 'shop', signal });
  await cluster.until(() => b.works.begun.length === 1);
  b.works.last.o.observer({ kind: 'progress', phase: 'reading', doneBytes: 30, totalBytes: 100, rows: 7 });
  await cluster.pass(0);
  return run.id;
}

describe('a run that another node carries out', () => {
  it('is shown with how far it is, wherever one asks', async () => {
    const b = await cluster.add('node-b');
    const run = await runOnB(b);
    const one = await a.client.getRun({ run, signal });
    expect(one).toMatchObject({ node: 'node-b', state: 'running', progress: { rows: 7 }, notices: [] });
    const { runs } = await a.client.listRuns({ signal });
    expect(runs[0]).toMatchObject({ id: run, progress: { rows: 7 } });
    const task = await a.client.getTask({ task: 'shop', signal });
    expect(task).toMatchObject({ node: 'node-b', running: { run, state: 'running' } });
    expect(task.recentRuns[0]).toMatchObject({ progress: { rows: 7 } });
    const status = await a.client.getStatus({ signal });
    expect(status).toMatchObject({ node: 'node-a', runs: { running: 1 }, problems: [] });
    expect(status.active).toMatchObject([{ id: run, progress: { rows: 7 } }]);
    expect((await a.client.listRunTables({ run, signal })).total).toBe(0);
  });

  it('is ended there when it is cancelled here', async () => {
    const b = await cluster.add('node-b');
    const run = await runOnB(b);
    expect(await a.client.cancelRun({ run, signal })).toMatchObject({ state: 'cancelled' });
    expect(b.works.last.o.signal.aborted).toBe(true);
  });

  it('is ended there when its task is delayed here', async () => {
    const b = await cluster.add('node-b');
    const run = await runOnB(b);
    const task = await a.client.delayTask({ task: 'shop', for: '1h', signal });
    expect(task).toMatchObject({ state: 'delayed', delayedUntil: '2026-11-20T15:00:00.000Z' });
    const ended = await a.client.getRun({ run, signal });
    expect(ended).toMatchObject({
      state: 'cancelled',
      error: { message: expect.stringContaining('delayed') },
    });
  });

  it('has its log there, also when it is over', async () => {
    const b = await cluster.add('node-b');
    const run = await runOnB(b);
    b.works.last.succeed();
    await cluster.until(async () => (await a.client.getRun({ run, signal })).state === 'succeeded');
    const lines = await Array.fromAsync(a.client.getRunLog({ run, signal }));
    expect(lines[0]?.text).toContain('the run starts: full backup of task shop');
    await b[Symbol.asyncDispose]();
    expect(await errorOf(Array.fromAsync(a.client.getRunLog({ run, signal })))).toMatchObject({
      code: 'not_found',
      hint: 'it can be read again when node-b is there',
    });
    const unknown = 'shop-20200101T000000000Z';
    const missing = await errorOf(Array.fromAsync(a.client.getRunLog({ run: unknown, signal })));
    expect(missing.code).toBe('not_found');
  });

  it('is waited for at any node, and told of in events', async () => {
    const b = await cluster.add('node-b');
    const events = a.client.events({ signal });
    const told = (async () => {
      const states: string[] = [];
      for await (const event of events) {
        if (event.kind !== 'run') continue;
        if (states.at(-1) !== event.run.state) states.push(event.run.state);
        if (event.run.state === 'succeeded') return states;
      }
      return states;
    })();
    await cluster.until(() => a.api.streams === 1);
    const run = await runOnB(b);
    const waiting = a.client.getRun({ run, wait: '60s', signal });
    // The fake clock stands still: only the event ends the waiting.
    await cluster.pass(0);
    b.works.last.succeed();
    expect(await waiting).toMatchObject({ state: 'succeeded', node: 'node-b' });
    expect((await told).slice(-2)).toEqual(['running', 'succeeded']);
  });

  it('is shown as the store knows it where the node cannot be reached, and that is said', async () => {
    const dead = await freePort();
    const b = await cluster.add('node-b', { url: `http://127.0.0.1:${dead}` });
    const run = await runOnB(b);
    const seen = await a.client.getRun({ run, signal });
    expect(seen).toMatchObject({ state: 'running', node: 'node-b' });
    expect(seen.progress).toBeUndefined();
    expect(seen.notices[0]).toBe(
      `how far it is, node-b alone knows: node-b could not be asked: no Holdfast node answers at http://127.0.0.1:${dead} (ECONNREFUSED)`,
    );
    expect(await errorOf(a.client.cancelRun({ run, signal }))).toMatchObject({
      code: 'unavailable',
      hint: expect.stringContaining('cluster.advertise'),
    });
    expect(b.works.last.o.signal.aborted).toBe(false);
    const delayed = await errorOf(a.client.delayTask({ task: 'shop', for: '1h', signal }));
    expect(delayed.reason).toContain(
      `task shop is delayed, but run ${run} goes on: node-b could not be asked`,
    );
    expect((await cluster.record('shop')).delayedUntilMs).toBeDefined();
  });

  it('is not waited for long, nor again at once, where the node takes requests and answers none', async () => {
    let asked = 0;
    await using hanging = await listening(() => {
      asked += 1;
    });
    const b = await cluster.add('node-b', { url: hanging.url });
    const run = await runOnB(b);
    const first = a.client.getRun({ run, signal });
    await cluster.until(() => asked === 1);
    await cluster.pass(5_000);
    const says = `node-b could not be asked: the answer of ${hanging.url} took longer than 5000 ms`;
    expect((await first).notices[0]).toContain(says);
    expect((await a.client.getRun({ run, signal })).notices[0]).toContain(says);
    expect(asked).toBe(1);
    await cluster.pass(10_000);
    const again = a.client.getRun({ run, signal });
    await cluster.until(() => asked === 2);
    await cluster.pass(5_000);
    await again;
  });

  it('is asked for in one hop: a node that is asked by another one asks nobody', async () => {
    // What node-c is said to carry out is said to be reached at node-b, which answers for itself alone.
    const b = await cluster.add('node-b');
    const c = await cluster.add('node-c');
    await cluster.declare({ shop: { nodes: { prefer: 'node-c' } } });
    await cluster.until(async () => (await cluster.record('shop')).node === 'node-c');
    const { run: started } = await c.client.runTask({ task: 'shop', signal });
    const run = started.id;
    await cluster.until(() => c.works.begun.length === 1);
    const { peers } = a.core.parts;
    const seen = await peers.ask('node-b', (client) => client.getRun({ run, signal }), { signal });
    expect(seen).toMatchObject({ node: 'node-c', notices: [] });
    expect(seen.progress).toBeUndefined();
    const refused = peers.ask('node-b', (client) => client.cancelRun({ run, signal }), { signal });
    expect(await errorOf(refused)).toMatchObject({ hint: 'ask node node-c' });
    expect(c.works.last.o.signal.aborted).toBe(false);
    expect(b.works.begun).toEqual([]);
  });
});

describe('nodes that do not trust each other', () => {
  it('with other secrets are refused, and both are named with what to look at', async () => {
    await cluster.add('node-b', { secret: 'quite-another-secret' });
    const problem =
      'node-b could not be asked: the cluster.secret of node-a is not that of node-b (give node-a and node-b the same cluster.secret, and start them anew)';
    const nodes = await a.client.listNodes({ signal });
    expect(nodes.find(({ name }) => name === 'node-b')).toMatchObject({
      alive: true,
      reachable: false,
      problem,
    });
    expect((await a.client.getStatus({ signal })).problems).toContain(problem);
    const ask = a.core.parts.peers.ask('node-b', (client) => client.getStatus({ signal }), { signal });
    expect(await errorOf(ask)).toMatchObject({ code: 'unauthenticated' });
  });

  it.each([
    [
      'the node that asks has no secret',
      { secret: undefined },
      {},
      'node-c cannot ask node-b: it has no cluster.secret (ask node node-b itself',
    ],
    [
      'the node that is asked has no secret',
      {},
      { secret: undefined },
      'node-b has no cluster.secret: it does not let node-c in',
    ],
    [
      'the node that is asked says no address',
      {},
      { url: 'nowhere' },
      'node-b does not say where it can be reached (ask node node-b itself, or give it cluster.advertise)',
    ],
  ])('are told so: %s', async (_, ofC, ofB, says) => {
    await cluster.add('node-b', ofB);
    const c = await cluster.add('node-c', ofC);
    const nodes = await c.client.listNodes({ signal });
    expect(nodes.find(({ name }) => name === 'node-b')?.problem).toContain(says);
  });

  it('notice an address that leads to another node', async () => {
    await cluster.add('node-b', { url: a.api.url });
    const c = await cluster.add('node-c');
    const nodes = await c.client.listNodes({ signal });
    expect(nodes.find(({ name }) => name === 'node-b')?.problem).toBe(
      'node-b could not be asked: node-c meant to ask node-b, and has reached node-a (look at cluster.advertise of node-b: it leads to node-a)',
    );
  });
});

it('copies are made by the responsible node, and listed at every one', async () => {
  const b = await cluster.add('node-b');
  await cluster.declare({ shop: { ...onB, destinations: ['near', 'far'] } });
  await cluster.until(async () => (await cluster.record('shop')).node === 'node-b');
  const { copy } = await a.client.copyTask({ task: 'shop', to: 'far', signal });
  expect(copy).toMatchObject({ node: 'node-b', to: 'far' });
  await cluster.until(() => b.copies.begun.length === 1);
  // What it answers is its answer: it was reached.
  const wrong = await errorOf(a.client.copyTask({ task: 'shop', to: 'moon', signal }));
  expect(wrong.message).not.toContain('could not be asked');
  b.copies.last.succeed();
  const state = async (): Promise<string | undefined> =>
    (await a.client.listCopies({ signal })).copies.find(({ id }) => id === copy.id)?.state;
  await cluster.until(async () => (await state()) === 'succeeded');
  expect(a.copies.begun).toEqual([]);
});

/** Takes connections, reads requests, and answers none. */
async function listening(onRequest: () => void): Promise<AsyncDisposable & { readonly url: string }> {
  const server = createServer(onRequest);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
