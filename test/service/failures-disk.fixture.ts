/** A node whose destination is a small disk that gets full and is emptied again; prints what its runs came to. */
import { execFileSync } from 'node:child_process';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { runPsql } from '@holdfast/testing';
import { until } from '../harness/processes.ts';
import { holdfast } from '../harness/run-holdfast.ts';
import { RunningNode } from '../harness/running-node.ts';
import { fillDisk } from './disk-filler.fixture.ts';
import { type RunReport, watchedRun } from './failures.fixture.ts';

export interface FullDestinationReport {
  readonly way: string;
  readonly chain: string | undefined;
  readonly first: RunReport;
  readonly second: RunReport;
  readonly good: RunReport;
}

export interface FullDestinationOrder {
  readonly folder: string;
  readonly source: string;
  readonly restoreTo: string;
  readonly hook: string;
  readonly hookSecret: string;
}

const [way = '', disk = '', text = ''] = process.argv.slice(2);
const order = JSON.parse(text) as FullDestinationOrder;
const backups = join(disk, 'backups');
const { signal } = new AbortController();

await mkdir(backups);
await using node = await RunningNode.start({
  folder: order.folder,
  env: { HOOK_SECRET: order.hookSecret },
});
await node.apply(`
sources: { market: { type: postgres, url: "${order.source}" } }
destinations: { near: { type: folder, path: ${backups} } }
tasks: { market: { source: market, destinations: [near], full: "0 3 29 2 *", incremental: "0 4 29 2 *" } }
notifications: { on-call: { type: webhook, url: "${order.hook}", secret: "\${env:HOOK_SECRET}" } }
`);
await until('the task is known', async () => (await node.client.listTasks({ signal })).length === 1);
const market = { node, task: 'market', backups };
const full = await node.run('market', 'full');
await runPsql(order.source, "INSERT INTO stalls VALUES (1, 'before')");
await node.run('market');

/** Where the disk cannot be a small one, files can. */
const limitFiles = (size: string): unknown =>
  execFileSync('prlimit', ['--pid', String(node.pid), `--fsize=${size}`]);

const ballast = join(disk, 'ballast');
if (way === 'mount') await fillDisk(ballast, { leaveBytes: 256 * 1024 });
else limitFiles(`${2 * 1024 * 1024}:`);
await runPsql(
  order.source,
  'INSERT INTO stalls SELECT i, (SELECT string_agg(md5(random()::text), NULL) FROM generate_series(i, i + 30)) FROM generate_series(2, 8000) i',
);
const first = await watchedRun(market);
const second = await watchedRun(market);
if (way === 'mount') await rm(ballast);
else limitFiles('unlimited:');
await runPsql(order.source, "INSERT INTO stalls VALUES (9001, 'after'); DELETE FROM stalls WHERE id = 1");
const good = await watchedRun(market);
await holdfast([
  'restore',
  '--at',
  `file:${backups}`,
  '--task',
  'market',
  '--to',
  order.restoreTo,
  '--verify',
]);
const report: FullDestinationReport = { way, chain: full.backup?.split('/')[0], first, second, good };
console.log(JSON.stringify(report));
