import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type PostgresServer,
  runMounted,
  startPostgres,
  type TemporaryFolder,
  temporaryFolder,
} from '@holdfast/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { assertFailure } from '../harness/failure.ts';
import type { DiskOrder, StagingReport, StoreReport } from './disk.fixture.ts';

const mebibyte = 1024 * 1024;

let folder: TemporaryFolder;
let server: PostgresServer;

beforeAll(async () => {
  folder = await temporaryFolder();
  server = await startPostgres();
  await server.createDatabase('shop');
  await server.psql(
    'shop',
    `CREATE TABLE orders (id int PRIMARY KEY, note text);
     INSERT INTO orders SELECT i, md5(i::text) || md5(i::text || 'x') FROM generate_series(1, 30000) i`,
  );
});

afterAll(async () => {
  await server?.remove();
  await folder?.[Symbol.asyncDispose]();
});

async function onSmallDisk<Report>(scenario: DiskOrder['scenario']): Promise<Report> {
  const disk = folder.join(`${scenario}-disk`);
  await mkdir(disk);
  const order: DiskOrder = {
    scenario,
    folder: folder.join(scenario),
    source: server.url('shop'),
    port: server.port,
  };
  return (await runMounted({
    script: join(import.meta.dirname, 'disk.fixture.ts'),
    folder: disk,
    sizeBytes: 224 * mebibyte,
    args: [JSON.stringify(order)],
  })) as Report;
}

/** How often the node's log says something. */
function said(log: string, words: string): number {
  return log.split('\n').filter((line) => line.includes(words)).length;
}

test('a node whose disk gets full says so, goes on answering, fails its runs with the numbers, and recovers by itself', async () => {
  const report = await onSmallDisk<StagingReport>('staging');
  const { way, nearlyFull, runs, freeBytes, after, good, history, historyAfterRestart, log } = report;
  const state = folder.join('staging-disk', 'node', 'state');
  const [first, second] = runs;
  if (!first || !second) throw new Error('there were no runs');
  if (way === 'mount') {
    const problem = `the disk of ${state} is nearly full: `;
    expect(nearlyFull.problems).toContainEqual(
      expect.stringMatching(new RegExp(`${problem}(39|40) MiB are free`)),
    );
    expect(nearlyFull.ready).toEqual({ status: 503, body: { ready: false, reasons: nearlyFull.problems } });
    expect(nearlyFull.status).toContain(problem);
    expect(said(log, `the disk of ${state} is nearly full`)).toBe(1);
    expect(said(log, `${state} is usable again`)).toBe(1);
    expect(freeBytes).toBeLessThan(41 * mebibyte);
    const numbers = /it needs \S+ MiB \(\d+ bytes\), \S+ MiB \(\d+ bytes\) are free on the disk of .*staging/;
    assertFailure(first, { code: 'exhausted', exit: 3, says: [numbers], hint: 'make room on the disk of' });
    // Whether the store still takes a run or not: the same cause.
    assertFailure(second, { code: 'exhausted', exit: 3, says: [state], hint: 'make room on' });
  } else {
    const says = [`could not write to the store ${state}`];
    for (const run of runs)
      assertFailure(run, { code: 'unavailable', exit: 3, says, hint: 'check the disk' });
  }
  expect(nearlyFull.codes).toEqual([0, 0, 0]);
  expect(after).toMatchObject({ ready: { status: 200 }, problems: [], codes: [0, 0, 0] });
  expect(good).toMatchObject({ state: 'succeeded', scopeMade: 'full' });
  const [oldest, ...others] = history.map(({ state: end }) => end);
  expect([oldest, others.pop(), new Set(others)]).toEqual([
    'succeeded',
    'succeeded',
    new Set(way === 'mount' ? ['failed'] : []),
  ]);
  expect(history.at(-1)).toEqual(good);
  expect(historyAfterRestart).toEqual(history);
});

test('a run whose end the store cannot keep, because its disk is full, is told until it is kept', async () => {
  const report = await onSmallDisk<StoreReport>('store');
  const { way, refused, full, recorded, good, history, historyAfterRestart, log } = report;
  const state = folder.join('store-disk', 'node', 'state');
  expect(refused?.code).toMatch(way === 'mount' ? /^exhausted$/ : /^(exhausted|unavailable)$/);
  expect(refused?.message).toContain(`could not write to the store ${join(state, 'store.db')}`);
  if (way === 'mount') {
    expect(full.problems).toContainEqual(`the disk of ${state} is nearly full: 0 MiB are free`);
    expect(full.ready.status).toBe(503);
  }
  expect(full.codes).toEqual([0, 0, 0]);
  // A node that could not say in time that it lives ends its run, and goes on with it later.
  expect(['succeeded', 'interrupted']).toContain(recorded.state);
  expect(history.map(({ endedAt }) => typeof endedAt)).toEqual(history.map(() => 'string'));
  expect(history.some(({ id }) => id === recorded.id)).toBe(true);
  expect(good.state).toBe('succeeded');
  expect(historyAfterRestart).toEqual(history);
  expect(said(log, 'it is told again')).toBe(1);
});
