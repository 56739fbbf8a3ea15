import { DatabaseSync } from 'node:sqlite';
import type { DestinationView } from '@holdfast/client';
import { type Sshd, startSshd, TcpProxy, type TemporaryFolder, temporaryFolder } from '@holdfast/testing';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { until } from '../harness/processes.ts';
import { holdfast } from '../harness/run-holdfast.ts';
import { RunningNode } from '../harness/running-node.ts';
import { sqliteContents } from '../harness/sqlite-contents.ts';

const { signal } = new AbortController();

let folder: TemporaryFolder;
let sshd: Sshd;
let proxy: TcpProxy;
let place: string;

beforeEach(async () => {
  folder = await temporaryFolder('behind');
  sshd = await startSshd();
  proxy = await TcpProxy.open(sshd.port);
  place = await sshd.newFolder();
});

afterEach(async () => {
  await proxy?.[Symbol.asyncDispose]();
  await sshd?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

function declare(): string {
  const hostKey = [...sshd.hostKeys.values()].map(({ fingerprint }) => fingerprint);
  const far = {
    type: 'sftp',
    host: '127.0.0.1',
    port: proxy.port,
    user: sshd.user,
    path: place,
    hostKey,
    privateKey: sshd.userKey.file,
  };
  return `
sources: { shop: { type: sqlite, path: ${folder.join('shop.db')} } }
destinations: { near: { type: folder, path: ${folder.join('near')} }, far: ${JSON.stringify(far)} }
tasks: { shop: { source: shop, destinations: [near, far], require: 1, full: "0 0 1 1 *", incremental: "30 0 1 1 *" } }
`;
}

function sell(rows: number): void {
  using database = new DatabaseSync(folder.join('shop.db'));
  database.exec('CREATE TABLE IF NOT EXISTS sales (id INTEGER PRIMARY KEY, item BLOB NOT NULL)');
  const add = database.prepare('INSERT INTO sales (item) VALUES (randomblob(1000))');
  for (let n = 0; n < rows; n += 1) add.run();
}

test('a destination that was out of reach is shown as behind, survives a restart, and catches up by itself', async () => {
  sell(100);
  const settings = { folder: folder.join('node') };
  const farOf = async (node: RunningNode): Promise<DestinationView | undefined> =>
    (await node.client.listDestinations({ signal })).find(({ name }) => name === 'far');
  {
    await using node = await RunningNode.start(settings);
    await node.apply(declare());
    expect(await node.run('shop', 'full')).toMatchObject({ state: 'succeeded' });
    await proxy.setMode('refuse');
    proxy.cut();
    sell(50);
    const run = await node.run('shop', 'incremental');
    expect(run).toMatchObject({ state: 'succeeded', scopeMade: 'incremental' });
    expect(run.destinations).toMatchObject([
      { name: 'near', state: 'stored' },
      { name: 'far', state: 'behind', error: { code: 'unavailable' } },
    ]);
    const { stdout } = await node.holdfast(['destinations']);
    expect(stdout).toMatch(/far +sftp/);
    expect(stdout).toMatch(/behind|1 backup/);
  }
  await proxy.setMode('pass');
  await using again = await RunningNode.start(settings);
  await until(
    'it has caught up',
    async () => (await farOf(again))?.tasks.every(({ behind }) => !behind) ?? false,
  );
  const copy = folder.join('copy.db');
  const query = new URLSearchParams({
    hostKey: [...sshd.hostKeys.values()].map(({ fingerprint }) => fingerprint).join(','),
    privateKey: sshd.userKey.file,
  });
  const url = `sftp://${sshd.user}@127.0.0.1:${sshd.port}${place}?${query}`;
  await holdfast(['restore', '--at', url, '--to', `sqlite:${copy}`, '--verify']);
  expect(sqliteContents(copy)).toEqual(sqliteContents(folder.join('shop.db')));
});
