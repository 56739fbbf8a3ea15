/**
 * `npm start`: a node at its work, on a sample of its own: a small shop in SQLite into which somebody keeps selling, a
 * full backup each hour, an incremental each minute. Stopped and started again, it goes on where it was.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { start } from '../packages/cli/src/start.ts';
import { Client } from '../packages/client/src/index.ts';
import { SystemClock } from '../packages/core/src/index.ts';
import { openSource } from '../packages/service/src/index.ts';
import { makeShop, openShop, sell } from './sample-shop.ts';

const root = join(import.meta.dirname, '..');
/** Another folder may be named, as tests do. */
const sample = process.argv[2] ?? join(root, '.holdfast', 'sample');
const shop = join(sample, 'shop.db');
const backups = join(sample, 'backups');
const configFile = join(sample, 'holdfast.yaml');
const objectsFile = join(sample, 'backups.yaml');

const sellEveryMs = 2_000;

const objects = `# What this node backs up. Change it, then: npx holdfast plan -f FILE, npx holdfast apply -f FILE
sources:
  shop: { type: sqlite, path: ${JSON.stringify(shop)} }
destinations:
  folder: { type: folder, path: ${JSON.stringify(backups)} }
tasks:
  shop:
    source: shop
    full: "0 * * * *"
    incremental: "* * * * *"
    destinations: [folder]
`;

/** The usual port, or another where that one is taken. */
async function freePort(): Promise<number> {
  for (const wanted of [6362, 0]) {
    const server = createServer();
    const port = await new Promise<number | undefined>((resolve) => {
      server.once('error', () => resolve(undefined));
      server.listen(wanted, '127.0.0.1', () => {
        const address = server.address();
        resolve(typeof address === 'object' ? address?.port : undefined);
      });
    });
    if (port === undefined) continue;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
  throw new Error('no port is free');
}

async function prepareSample(): Promise<void> {
  mkdirSync(backups, { recursive: true });
  if (!existsSync(shop)) {
    makeShop(shop);
    // So that incrementals hold every change with its moment.
    await using source = await openSource(`sqlite:${shop}`, {
      signal: new AbortController().signal,
      clock: new SystemClock(),
    });
    await source.prepare({ signal: new AbortController().signal });
  }
  if (!existsSync(objectsFile)) writeFileSync(objectsFile, objects);
}

/** Waits for the node, declares the sample, and waits neither an hour for the first full nor a minute for an incremental. */
async function declareSample(url: string): Promise<void> {
  const text = readFileSync(objectsFile, 'utf8');
  const client = new Client({ url });
  const { signal } = new AbortController();
  for (;;) {
    const ready = await client.getReadiness({ signal }).catch(() => undefined);
    if (ready?.ready) break;
    await sleep(100);
  }
  await client.applyObjects({ files: [{ name: relative(root, objectsFile), text }], signal });
  for (;;) {
    const found = (await client.listTasks({ signal })).find(({ name }) => name === 'shop');
    if (found?.lastGood || found?.running) return;
    if (found) break;
    await sleep(50);
  }
  const { run } = await client.runTask({ task: 'shop', signal });
  await client.getRun({ run: run.id, wait: '60s', signal });
  // Some sales later the first incremental, which nobody has to wait a minute for either.
  await sleep(5 * sellEveryMs);
  await client.runTask({ task: 'shop', scope: 'incremental', signal });
}

async function keepSelling(): Promise<never> {
  using database = openShop(shop);
  for (;;) {
    sell(database, 1 + Math.floor(Math.random() * 20));
    await sleep(sellEveryMs);
  }
}

/** npm and the script that started this one may be killed outright; then nobody would be left to end it. */
async function endWithParent(): Promise<void> {
  const parent = process.ppid;
  while (process.ppid === parent) await sleep(500);
  process.kill(process.pid, 'SIGTERM');
}

await prepareSample();
const port = await freePort();
const url = `http://127.0.0.1:${port}`;
writeFileSync(
  configFile,
  `# The node of npm start, which writes this file anew.\nname: sample\nstate: ./state\nlisten: { address: "127.0.0.1:${port}" }\nlog: { format: pretty }\nstop: { drainFor: 10s }\n`,
);
const here = (path: string): string => `./${relative(process.cwd(), path)}`;
const server = port === 6362 ? '' : ` --server ${url}`;
console.log(`A shop (${here(shop)}) that keeps selling is backed up into ${here(backups)}:
a full each hour, an incremental each minute. Declared in ${here(objectsFile)}; the node's own settings are in ${here(configFile)}.

Try, in another terminal:
  npx holdfast status --watch${server}
  npx holdfast tasks shop${server}
  npx holdfast history${server}
  npx holdfast run shop --full${server}
  npx holdfast list  --at file:${here(backups)}
  npx holdfast restore --at file:${here(backups)} --to sqlite:./restored.db --verify
  curl ${url}/metrics     (and /openapi.json; see docs/api.md)

Ctrl-C stops it; npm start goes on where it was.
`);
const fail = (error: unknown): void => {
  console.log(error);
  process.kill(process.pid, 'SIGTERM');
};
keepSelling().catch(fail);
declareSample(url).catch(fail);
endWithParent().catch(fail);
await start(['start', '--config', configFile]);
