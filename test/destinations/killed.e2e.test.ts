// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these placeholders are Holdfast's own
import { execFileSync } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import { type TemporaryFolder, temporaryFolder } from '@holdfast/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type FivePlaces, openFivePlaces, type PlaceName } from '../harness/five-places.ts';
import { childrenOf, hasEnded, until } from '../harness/processes.ts';
import { holdfast } from '../harness/run-holdfast.ts';
import { RunningNode } from '../harness/running-node.ts';
import { sqliteContents } from '../harness/sqlite-contents.ts';

const { signal } = new AbortController();

let folder: TemporaryFolder;
let places: FivePlaces;

beforeAll(async () => {
  folder = await temporaryFolder('killed');
  places = await openFivePlaces(folder);
  using database = new DatabaseSync(folder.join('shop.db'));
  database.exec('PRAGMA journal_mode = WAL; CREATE TABLE sales (id INTEGER PRIMARY KEY, item BLOB NOT NULL)');
  const add = database.prepare('INSERT INTO sales (item) VALUES (randomblob(1000000))');
  for (let n = 0; n < 60; n += 1) add.run();
});

afterAll(async () => {
  await places?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

/** Fields of a destination by name, as the URL of the harness has them. */
function declare(name: PlaceName): string {
  const url = new URL(places.urls[name]);
  const of = (parameter: string): string => url.searchParams.get(parameter) ?? '';
  const fields: Record<string, Record<string, unknown>> = {
    s3: {
      bucket: places.bucket,
      prefix: 'prod',
      endpoint: of('endpoint'),
      pathStyle: true,
      region: 'us-east-1',
      accessKeyId: of('accessKeyId'),
      secretAccessKey: '${env:PLACE_SECRET}',
    },
    azure: {
      container: places.container,
      prefix: 'prod',
      account: of('account'),
      endpoint: of('endpoint'),
      accountKey: '${env:PLACE_SECRET}',
    },
    sftp: {
      host: '127.0.0.1',
      port: places.proxies.sftp.port,
      user: places.sftp.user,
      path: places.sftpFolder,
      hostKey: of('hostKey').split(','),
      privateKey: of('privateKey'),
    },
  };
  const declared = JSON.stringify({ type: name, bandwidth: '12MiB/s', ...fields[name] });
  return `
sources: { shop: { type: sqlite, path: ${folder.join('shop.db')} } }
destinations: { far: ${declared} }
tasks: { ${name}: { source: shop, destinations: [far], full: "0 0 1 1 *" } }
`;
}

const secrets = (): Record<string, string> => ({
  s3: places.s3.owner.secretAccessKey,
  azure: places.azure.accountKey,
});

test.each(['s3', 'azure', 'sftp'] as const)(
  '%s: a node that is killed after 70 percent of an upload sends only what was missing when it is started again',
  async (name) => {
    const proxy = places.proxies[name];
    const settings = { folder: folder.join(`node-${name}`), env: { PLACE_SECRET: secrets()[name] ?? '' } };
    const first = await RunningNode.start(settings);
    await first.apply(declare(name));
    await until('the task is known', async () => (await first.client.listTasks({ signal })).length === 1);
    proxy.resetCounters();
    const { run } = await first.client.runTask({ task: name, scope: 'full', signal });
    const view = async () => (await first.client.getRun({ run: run.id, signal })).progress?.destinations?.[0];
    let totalBytes = 0;
    await until('70 % are sent', async () => {
      const seen = await view();
      totalBytes = seen?.totalBytes ?? 0;
      return totalBytes > 40_000_000 && proxy.toServerBytes >= 0.7 * totalBytes;
    });
    // The run's process first: of one whose node is gone it would hear, and stop in good order.
    const children = await childrenOf(first.pid);
    expect(children.length).toBeGreaterThan(0);
    for (const pid of children) process.kill(pid, 'SIGKILL');
    await first.signal('SIGKILL');
    await until('all have ended', async () => (await Promise.all(children.map(hasEnded))).every(Boolean));
    const sentBefore = proxy.toServerBytes;
    proxy.cut();
    proxy.resetCounters();

    await using again = await RunningNode.start(settings);
    await until('the run goes on', async () => (await again.history(name)).at(-1)?.state === 'succeeded');
    expect((await again.history(name)).at(-1)).toMatchObject({ outcome: 'resumed', resumes: run.id });
    // What was under way when it died counts as missing: of each kind no more than some parts or blocks.
    expect(proxy.toServerBytes).toBeLessThan(totalBytes - sentBefore + 0.45 * totalBytes);
    expect(proxy.toServerBytes).toBeLessThan(0.75 * totalBytes);

    const copy = folder.join(`copy-${name}.db`);
    await holdfast([
      'restore',
      '--at',
      places.urls[name],
      '--task',
      name,
      '--to',
      `sqlite:${copy}`,
      '--verify',
    ]);
    expect(sqliteContents(copy)).toEqual(sqliteContents(folder.join('shop.db')));
    expect(await unfinished(name)).toEqual([]);
  },
);

/** What a server keeps of uploads that nobody has ended. */
async function unfinished(name: PlaceName): Promise<readonly string[]> {
  if (name === 's3') {
    const answer = await places.s3.request({ method: 'GET', path: `/${places.bucket}?uploads=` });
    return [...answer.matchAll(/<UploadId>([^<]*)/g)].map(([, id]) => id ?? '');
  }
  if (name === 'sftp') {
    const files = execFileSync('find', [places.sftpFolder, '-name', '.holdfast-*', '-type', 'f'], {
      encoding: 'utf8',
    });
    return files.split('\n').filter((file) => file !== '' && !file.endsWith('/.holdfast-repository'));
  }
  return [];
}

test('nothing is left in staging', async () => {
  for (const name of ['s3', 'azure', 'sftp']) {
    const left = await readdir(folder.join(`node-${name}`, 'state', 'staging', name));
    // What the source keeps for the chain is remembered.
    expect(left.filter((one) => one !== '.kept')).toEqual([]);
  }
});
