import { createHmac } from 'node:crypto';
import { chmod, mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { ErrorCode } from '@holdfast/core';
import {
  type PostgresServer,
  runMounted,
  startPostgres,
  type TemporaryFolder,
  temporaryFolder,
} from '@holdfast/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type WebhookReceiver,
  webhookReceiver,
} from '../../packages/service/src/notify/webhook-receiver.fixture.ts';
import { assertFailure } from '../harness/failure.ts';
import { contentsOf, differences } from '../harness/postgres-contents.ts';
import { until } from '../harness/processes.ts';
import { holdfast } from '../harness/run-holdfast.ts';
import { RunningNode } from '../harness/running-node.ts';
import { slotsOf } from '../harness/server-state.ts';
import { sqliteContents } from '../harness/sqlite-contents.ts';
import { leftInStaging } from '../harness/tree.ts';
import { type RunReport, type Watched, watchedRun } from './failures.fixture.ts';
import type { FullDestinationOrder, FullDestinationReport } from './failures-disk.fixture.ts';

const hookSecret = 'a secret between the node and its receiver';

/** `pg_dump` as PostgreSQL has it, unless a file says how it fails. */
const brokenDump = `#!/bin/sh
here=$(dirname "$0")
[ "$1" = --version ] && exec "$here/real/pg_dump" "$@"
case "$(cat "$here/how")" in
late) "$here/real/pg_dump" "$@" || exit; echo 'pg_dump: error: the end of it was lost' >&2; exit 1 ;;
silent) exit 0 ;;
*) exec "$here/real/pg_dump" "$@" ;;
esac
`;

let folder: TemporaryFolder;
let server: PostgresServer;
let receiver: WebhookReceiver;
let node: RunningNode;
let shop: Watched;
let till: Watched;

beforeAll(async () => {
  folder = await temporaryFolder();
  server = await startPostgres();
  receiver = await webhookReceiver();
  await server.createDatabase('shop');
  await server.psql(
    'shop',
    `CREATE TABLE orders (id int PRIMARY KEY, note text);
     INSERT INTO orders SELECT i, md5(i::text) FROM generate_series(1, 1000) i`,
  );
  await tools();
  using database = new DatabaseSync(folder.join('till.db'));
  database.exec(
    'CREATE TABLE sales (id INTEGER PRIMARY KEY, item TEXT); INSERT INTO sales (item) VALUES (1), (2)',
  );
  node = await RunningNode.start({
    folder: folder.join('node'),
    env: { HOLDFAST_PG_BIN: folder.join('bin'), HOOK_SECRET: hookSecret },
  });
  await node.apply(`
sources:
  shop: { type: postgres, url: "${server.url('shop')}" }
  till: { type: sqlite, path: ${folder.join('till.db')} }
destinations: { near: { type: folder, path: ${folder.join('backups')} } }
tasks:
  shop: { source: shop, destinations: [near], full: "0 3 29 2 *", incremental: "0 4 29 2 *" }
  till: { source: till, destinations: [near], full: "0 3 29 2 *", incremental: "0 4 29 2 *" }
notifications: { on-call: { type: webhook, url: "${receiver.url}/hook", secret: "\${env:HOOK_SECRET}" } }
`);
  await until('the tasks are known', async () => (await node.client.listTasks({ signal })).length === 2);
  shop = { node, task: 'shop', backups: folder.join('backups') };
  till = { node, task: 'till', backups: folder.join('backups') };
});

afterAll(async () => {
  await node?.[Symbol.asyncDispose]();
  await receiver?.[Symbol.asyncDispose]();
  await server?.remove();
  await folder?.[Symbol.asyncDispose]();
});

const { signal } = new AbortController();

/** The tools that the node uses: one of them can be told to fail. */
async function tools(): Promise<void> {
  const bin = folder.join('bin');
  await mkdir(join(bin, 'real'), { recursive: true });
  const real = join(server.installation.binFolder, 'pg_dump');
  await writeFile(join(bin, 'real', 'pg_dump'), `#!/bin/sh\nexec '${real}' "$@"\n`);
  await writeFile(join(bin, 'pg_dump'), brokenDump);
  await chmod(join(bin, 'real', 'pg_dump'), 0o755);
  await chmod(join(bin, 'pg_dump'), 0o755);
  await pgDump('works');
}

function pgDump(how: 'works' | 'late' | 'silent'): Promise<void> {
  return writeFile(folder.join('bin', 'how'), how);
}

interface Expected {
  readonly code: ErrorCode;
  readonly exit: number;
  readonly says: readonly string[];
  readonly hint: string;
  /** How many runs of this scope have failed by now. */
  readonly failed: number;
}

/** Said everywhere, in the same words; and nothing that was good is touched. */
function assertFailed(report: RunReport, expected: Expected): void {
  const { outcome, run, before, after, history, log, metrics } = report;
  assertFailure(outcome, { ...expected, says: [run.id, ...expected.says] });
  expect(run).toMatchObject({ state: 'failed', error: { code: expected.code } });
  expect(run.endedAt).toBeDefined();
  for (const words of expected.says) {
    expect(run.error?.message).toContain(words);
    expect(history).toContain(words);
    expect(log).toContainEqual(
      expect.objectContaining({ level: 'error', text: expect.stringContaining(words) }),
    );
  }
  expect(history).toContain('failed');
  expect(log.at(-1)?.text).toBe('the run is done: failed');
  expect(metrics).toMatchObject({ failed: expected.failed, failing: 1 });
  expect(after).toEqual(before);
}

/** The next run goes on with the chain that was there, and says that all is well. */
function assertGoesOn(report: RunReport, chain: string | undefined): void {
  expect(report.outcome.code, report.outcome.stderr).toBe(0);
  expect(report.run).toMatchObject({ state: 'succeeded', scopeMade: 'incremental', outcome: 'stored' });
  expect(report.run.backup?.split('/')[0]).toBe(chain);
  expect(report.metrics.failing).toBe(0);
  expect(report.after.lastGood?.backup).toBe(report.run.backup);
  expect(report.after.lastGoodFull).toEqual(report.before.lastGoodFull);
}

interface Told {
  readonly event: string;
  readonly task: string;
  readonly run: string;
  readonly text: string;
  readonly error?: { readonly code: string; readonly message: string };
}

/** What the receiver was told, after it was told of a recovery; each message is signed. */
async function toldUntilRecovery(): Promise<Told[]> {
  await until('the recovery is told', () =>
    receiver.received.some(({ body }) => body.includes('"recovery"')),
  );
  return receiver.received.splice(0).map(({ headers, body, path }) => {
    expect(path).toBe('/hook');
    const [, t, v1] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(headers['x-holdfast-signature'])) ?? [];
    expect(createHmac('sha256', hookSecret).update(`${t}.${body}`).digest('hex')).toBe(v1);
    return JSON.parse(body) as Told;
  });
}

/** One failure, however many there were, and one recovery. */
async function assertToldOnce(first: RunReport, good: RunReport): Promise<void> {
  const told = await toldUntilRecovery();
  expect(told).toMatchObject([
    { event: 'failure', task: first.run.task, run: first.run.id, error: { code: first.run.error?.code } },
    { event: 'recovery', task: first.run.task, run: good.run.id },
  ]);
  expect(told[0]?.text).toContain(first.run.error?.message);
}

async function goodChain(task: string, change: () => unknown): Promise<string | undefined> {
  expect(await node.run(task, 'full')).toMatchObject({ state: 'succeeded', scopeMade: 'full' });
  await change();
  const incremental = await node.run(task);
  expect(incremental).toMatchObject({ state: 'succeeded', scopeMade: 'incremental', outcome: 'stored' });
  return incremental.backup?.split('/')[0];
}

async function assertShopRestores(name: string): Promise<void> {
  const at = `file:${folder.join('backups')}`;
  await holdfast(['restore', '--at', at, '--task', 'shop', '--to', server.url(name), '--verify']);
  expect(differences(await contentsOf(server, name), await contentsOf(server, 'shop'))).toEqual([]);
}

test.each([
  [
    'a dump tool that prints everything and then fails',
    'late',
    'ended with exit code 1: pg_dump: error: the end of it was lost',
    'see holdfast logs',
  ],
  [
    'a dump tool that prints nothing and ends well',
    'silent',
    'ended well, but its output is not complete',
    "PostgreSQL's own?",
  ],
] as const)('%s fails the run, and nothing else', async (_, how, words, hint) => {
  const chain = await goodChain('shop', () =>
    server.psql('shop', `INSERT INTO orders SELECT max(id) + 1 FROM orders`),
  );
  const slots = await slotsOf(server, 'shop');
  receiver.received.length = 0;
  const failures = async (scope: string): Promise<number> =>
    (await node.history('shop')).filter((run) => run.state === 'failed' && run.scopeAsked === scope).length;

  await pgDump(how);
  const failed = { code: 'source_failed', exit: 3, says: ['pg_dump ', words], hint } as const;
  const first = await watchedRun(shop, ['--full']);
  assertFailed(first, { ...failed, failed: await failures('full') });
  // Another schema, which an incremental has to ask the tool for.
  await server.psql('shop', `CREATE TABLE ${how} AS SELECT id, note || '!' AS note FROM orders`);
  await server.psql('shop', `DELETE FROM orders WHERE id % 7 = 0`);
  const second = await watchedRun(shop);
  expect(second.run.scopeAsked).toBe('incremental');
  assertFailed(second, { ...failed, failed: await failures('incremental') });
  expect(await slotsOf(server, 'shop')).toEqual(slots);
  expect(await leftInStaging(folder.join('node', 'state', 'staging'))).toEqual([]);

  await pgDump('works');
  const good = await watchedRun(shop);
  assertGoesOn(good, chain);
  await assertToldOnce(first, good);
  await assertShopRestores(`restored_${how}`);
});

test('a database file that has become one without bytes fails the run, and nothing else', async () => {
  const file = folder.join('till.db');
  const chain = await goodChain('till', () => {
    using database = new DatabaseSync(file);
    database.exec('INSERT INTO sales (item) VALUES (3)');
  });
  receiver.received.length = 0;
  await rename(file, `${file}-away`);
  await writeFile(file, '');
  const failed = {
    code: 'precondition_failed',
    exit: 2,
    says: [`${file} has no bytes: there is nothing to back up`],
    hint: 'is the path right',
  } as const;
  const first = await watchedRun(till);
  assertFailed(first, { ...failed, failed: 1 });
  assertFailed(await watchedRun(till, ['--full']), { ...failed, failed: 1 });
  expect(await leftInStaging(folder.join('node', 'state', 'staging'))).toEqual([]);

  await rename(`${file}-away`, file);
  {
    using database = new DatabaseSync(file);
    database.exec('INSERT INTO sales (item) VALUES (4); DELETE FROM sales WHERE id = 1');
  }
  const good = await watchedRun(till);
  assertGoesOn(good, chain);
  await assertToldOnce(first, good);
  const copy = folder.join('copy.db');
  await holdfast([
    'restore',
    '--at',
    `file:${folder.join('backups')}`,
    '--task',
    'till',
    '--to',
    `sqlite:${copy}`,
    '--verify',
  ]);
  expect(sqliteContents(copy)).toEqual(sqliteContents(file));
});

test('a destination that gets full fails the run, and nothing else', async () => {
  await server.createDatabase('market');
  await server.psql('market', 'CREATE TABLE stalls (id int PRIMARY KEY, note text)');
  await mkdir(folder.join('disk'));
  receiver.received.length = 0;
  const order: FullDestinationOrder = {
    folder: folder.join('market-node'),
    source: server.url('market'),
    restoreTo: server.url('restored_market'),
    hook: `${receiver.url}/hook`,
    hookSecret,
  };
  const { way, chain, first, second, good } = (await runMounted({
    script: join(import.meta.dirname, 'failures-disk.fixture.ts'),
    folder: folder.join('disk'),
    sizeBytes: 64 * 1024 * 1024,
    args: [JSON.stringify(order)],
  })) as FullDestinationReport;
  const says = way === 'mount' ? ['ENOSPC', folder.join('disk')] : ['EFBIG'];
  const failed = { code: 'exhausted', exit: 3, says, hint: 'make room on' } as const;
  assertFailed(first, { ...failed, failed: 1 });
  assertFailed(second, { ...failed, failed: 2 });
  assertGoesOn(good, chain);
  await assertToldOnce(first, good);
  expect(
    differences(await contentsOf(server, 'restored_market'), await contentsOf(server, 'market')),
  ).toEqual([]);
});
