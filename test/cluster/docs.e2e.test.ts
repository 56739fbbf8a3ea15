import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Client } from '@holdfast/client';
import { freePort, type TemporaryFolder, temporaryFolder } from '@holdfast/testing';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { childrenOf, until } from '../harness/processes.ts';
import { holdfast } from '../harness/run-holdfast.ts';
import { sqliteContents } from '../harness/sqlite-contents.ts';

const root = join(import.meta.dirname, '..', '..');
const { signal } = new AbortController();

let folder: TemporaryFolder;

beforeEach(async () => {
  folder = await temporaryFolder();
});

afterEach(async () => {
  await folder?.[Symbol.asyncDispose]();
});

/** Blocks of the page by their languages. Its ports may be in use, and its paths are not ours: those are others. */
async function blocksOf(page: string, nodePorts: string): Promise<ReadonlyMap<string, readonly string[]>> {
  const text = (await readFile(join(root, 'docs', page), 'utf8'))
    .replaceAll(':2379', `:${etcdPort}`)
    .replaceAll(':636', `:${nodePorts}`)
    .replaceAll('/srv/', `${folder.path}/`);
  const blocks = new Map<string, string[]>();
  for (const [, language = '', block = ''] of text.matchAll(/^```(\w+)\n(.*?)^```$/gms))
    blocks.set(language, [...(blocks.get(language) ?? []), block]);
  return blocks;
}

let etcdPort = 0;

/** What three ports that nobody has begin with; they end in 1, 2 and 3. */
async function freePorts(): Promise<string> {
  for (;;) {
    const start = String(await freePort()).slice(0, -1);
    const free = await Promise.all([1, 2, 3].map((n) => isFree(Number(`${start}${n}`))));
    if (free.every(Boolean)) return start;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/** A person's shell. It waits for what it has started, so that this can be ended with it. */
function shell(script: string, env: NodeJS.ProcessEnv): ChildProcess {
  return spawn('bash', ['-ec', `${script}\nwait`], {
    cwd: folder.path,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

async function end(started: ChildProcess): Promise<void> {
  const ended = started.exitCode === null ? once(started, 'close') : undefined;
  for (const pid of await childrenOf(started.pid ?? 0)) process.kill(pid, 'SIGTERM');
  await ended;
}

test('three nodes that are started as the page says are a cluster that backs up', async () => {
  const nodePorts = await freePorts();
  etcdPort = await freePort();
  const peerUrl = `http://127.0.0.1:${await freePort()}`;
  const blocks = await blocksOf('cluster.md', nodePorts);
  const [start = '', use = ''] = blocks.get('sh') ?? [];
  const [objects = ''] = blocks.get('yaml') ?? [];
  expect(start.trim().split('\n').length).toBeLessThanOrEqual(10);

  await mkdir(folder.join('bin'));
  const launcher = join(root, 'packages', 'cli', 'bin', 'holdfast.mjs');
  const command = `#!/bin/sh\nexec '${process.execPath}' '${launcher}' "$@"\n`;
  await writeFile(folder.join('bin', 'holdfast'), command, { mode: 0o755 });
  await mkdir(folder.join('shop'));
  using database = new DatabaseSync(folder.join('shop', 'shop.db'));
  database.exec(
    'CREATE TABLE sales (id INTEGER PRIMARY KEY, item TEXT); INSERT INTO sales (item) VALUES (1), (2)',
  );
  await writeFile(folder.join('objects.yaml'), objects);

  const env = {
    ...process.env,
    NO_COLOR: '1',
    PATH: `${folder.join('bin')}${delimiter}${process.env.PATH}`,
    // What the page leaves to etcd's defaults, which another etcd of this machine may use.
    ETCD_LISTEN_CLIENT_URLS: `http://127.0.0.1:${etcdPort}`,
    ETCD_ADVERTISE_CLIENT_URLS: `http://127.0.0.1:${etcdPort}`,
    ETCD_LISTEN_PEER_URLS: peerUrl,
    ETCD_INITIAL_ADVERTISE_PEER_URLS: peerUrl,
    ETCD_INITIAL_CLUSTER: `default=${peerUrl}`,
  };
  const started = shell(start, env);
  try {
    for (const n of [1, 2, 3]) {
      const client = new Client({ url: `http://127.0.0.1:${nodePorts}${n}` });
      await until(`node-${n} sees all three`, async () => {
        const nodes = await client.listNodes({ signal }).catch(() => []);
        return nodes.filter(({ alive, reachable }) => alive && reachable).length === 3;
      });
    }
    const used = shell(use, env);
    let said = '';
    for (const stream of [used.stdout, used.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => {
        said += text;
      });
    expect((await once(used, 'close'))[0], said).toBe(0);
    for (const words of [
      'node-1',
      'node-2',
      'node-3',
      'the task is new; chosen by hash among 3 suited nodes',
    ])
      expect(said).toContain(words);
  } finally {
    await end(started);
  }
  const copy = folder.join('copy.db');
  await holdfast(['restore', '--at', `file:${folder.join('backups')}`, '--to', `sqlite:${copy}`, '--verify']);
  expect(sqliteContents(copy)).toEqual(sqliteContents(folder.join('shop', 'shop.db')));
});
