import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { RunView } from '@holdfast/client';
import { type TemporaryFolder, temporaryFolder } from '@holdfast/testing';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { childrenOf, hasEnded, until } from '../harness/processes.ts';
import { holdfast } from '../harness/run-holdfast.ts';
import { RunningNode } from '../harness/running-node.ts';
import { sqliteContents } from '../harness/sqlite-contents.ts';

let folder: TemporaryFolder;

beforeEach(async () => {
  folder = await temporaryFolder();
});

afterEach(async () => {
  await folder?.[Symbol.asyncDispose]();
});

/** Values that do not compress, so that a backup of them takes a while to push. */
function makeShop(megabytes: number): DatabaseSync {
  const database = new DatabaseSync(folder.join('shop.db'));
  database.exec('PRAGMA journal_mode=WAL; CREATE TABLE sales (id INTEGER PRIMARY KEY, item BLOB NOT NULL)');
  const add = database.prepare('INSERT INTO sales (item) VALUES (randomblob(1000000))');
  for (let n = 0; n < megabytes; n++) add.run();
  return database;
}

function declare(schedules: string, near = ''): string {
  return `
sources: { shop: { type: sqlite, path: ${folder.join('shop.db')} } }
destinations: { near: { type: folder, path: ${folder.join('backups')}, ${near} } }
tasks: { shop: { source: shop, destinations: [near], ${schedules} } }
`;
}

const yearly = 'full: "0 0 1 1 *", incremental: "30 0 1 1 *"';

/** The text of a run's log as it is on disk: the node that wrote it may be gone. */
async function logOf(run: string): Promise<string> {
  return readFile(folder.join('node', 'state', 'logs', 'shop', `${run}.log`), 'utf8').catch(() => '');
}

async function sealedRuns(): Promise<string[]> {
  const staged = folder.join('node', 'state', 'staging', 'shop');
  const names = await readdir(staged).catch(() => []);
  const seals = await Promise.all(names.map((name) => readdir(join(staged, name)).catch(() => [])));
  return names.filter((_, at) => seals[at]?.some((file) => file.endsWith('.manifest.json')));
}

async function expectRestores(): Promise<void> {
  const copy = folder.join('copy.db');
  await holdfast(['restore', '--at', `file:${folder.join('backups')}`, '--to', `sqlite:${copy}`, '--verify']);
  expect(sqliteContents(copy)).toEqual(sqliteContents(folder.join('shop.db')));
}

test('a node that is killed after a dump is whole uses what is staged when it is started again', async () => {
  using database = makeShop(60);
  const settings = { folder: folder.join('node') };
  const node = await RunningNode.start(settings);
  // The push takes so long that the kill falls into it.
  await node.apply(declare(yearly, 'bandwidth: 15MiB/s'));
  const { run } = await node.client.runTask({ task: 'shop', scope: 'full', ...anyTime });
  await until('the dump is whole', async () => (await logOf(run.id)).includes('sealed'));
  const children = await childrenOf(node.pid);
  await node.signal('SIGKILL');
  await until('the run has stopped without its node', async () =>
    (await Promise.all(children.map(hasEnded))).every(Boolean),
  );
  const [staged = ''] = await sealedRuns();
  expect(staged).not.toBe('');

  await using again = await RunningNode.start(settings);
  await until('the run goes on', async () => (await again.history('shop')).at(-1)?.state === 'succeeded');
  const [interrupted, resumed, ...more] = await again.history('shop');
  expect(more).toEqual([]);
  expect(interrupted).toMatchObject({ id: run.id, state: 'interrupted' });
  expect(resumed).toMatchObject({
    trigger: 'owed',
    resumes: run.id,
    outcome: 'resumed',
    scopeMade: 'full',
  });
  // The backup is the very one that was staged, not another that was dumped anew.
  expect(await logOf(resumed?.id ?? '')).not.toContain('chunk-written');
  expect(staged).toContain(resumed?.backup?.split('/')[0]);
  expect(await sealedRuns()).toEqual([]);
  void database;
  await expectRestores();
});

test('a node that is killed at any time loses no occurrence and doubles none', async () => {
  using database = makeShop(2);
  const settings = { folder: folder.join('node') };
  const taken = new Map<string, string>();
  for (let round = 0; round < 6; round++) {
    const node = await RunningNode.start(settings);
    if (round === 0) await node.apply(declare('full: "*/20 * * * * *", incremental: "* * * * * *"'));
    database.exec(`INSERT INTO sales (item) VALUES ('round ${round}')`);
    const before = succeeded(await node.history('shop'));
    await until('something was backed up', async () => succeeded(await node.history('shop')) > before);
    await node.signal('SIGKILL');
  }
  await using node = await RunningNode.start(settings);
  await until(
    'what was interrupted has gone on',
    async () => (await node.history('shop')).at(-1)?.state === 'succeeded',
  );
  await node.client.pauseTask({ task: 'shop', ...anyTime });
  await until('nothing runs', async () => (await node.client.getStatus(anyTime)).active.length === 0);
  const runs = await node.history('shop');
  for (const run of runs) {
    expect(run.endedAt).toBeDefined();
    if (run.occurrence === undefined || run.trigger === 'owed') continue;
    const key = `${run.occurrence} ${run.scopeAsked}`;
    expect(taken.get(key)).toBeUndefined();
    taken.set(key, run.id);
  }
  // Whatever was interrupted was taken up by the next run.
  const interrupted = runs.filter(({ state }) => state === 'interrupted');
  for (const { id } of interrupted) expect(runs.some(({ resumes }) => resumes === id)).toBe(true);
  await expectRestores();
});

function succeeded(runs: readonly RunView[]): number {
  return runs.filter(({ state }) => state === 'succeeded').length;
}

const anyTime = { signal: new AbortController().signal };
