// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these placeholders are Holdfast's own
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, copyFile, mkdir, readdir, writeFile } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';
import type { RunView } from '@holdfast/client';
import { freePort, type RadosgwUser, type TemporaryFolder, temporaryFolder } from '@holdfast/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type FivePlaces, openFivePlaces } from './harness/five-places.ts';
import { childrenOf, until } from './harness/processes.ts';
import { type RunOptions, runHoldfast } from './harness/run-holdfast.ts';
import { RunningNode } from './harness/running-node.ts';
import { SecretWatch } from './harness/secret-watch.ts';

const { signal } = new AbortController();
let folder: TemporaryFolder;
let places: FivePlaces;
let node: RunningNode;
let watch: SecretWatch;
let processesSeen = 0;
let planted: Record<string, string>;
/** A user of the S3 server of whom nothing but this test knows. */
let user: RadosgwUser;
let bucket: string;
let objects: string;
const runs: RunView[] = [];

/** Secrets that are in the environment of the node, and so of what it starts. */
const fromEnvironment = ['ftpPassword', 'wrongSftp', 'wrongFtp', 'postgres'];

beforeAll(async () => {
  folder = await temporaryFolder('secrets');
  places = await openFivePlaces(folder);
  user = await places.s3.createUser();
  bucket = await places.s3.createBucket({ owner: user });
  planted = {
    s3Secret: user.secretAccessKey,
    azureKey: places.azure.accountKey,
    sftpPassphrase: 'planted phrase/of a key',
    ftpPassword: places.ftps.password,
    wrongS3: 'planted-wrong-s3-7c1f',
    wrongAzure: Buffer.from('planted wrong azure key, 32 byte').toString('base64'),
    wrongSftp: 'planted wrong/sftp?password#1',
    wrongFtp: 'planted:wrong@ftp%password',
    postgres: 'planted+postgres&password',
    inUrl: 'planted-in-an-invalid-url',
    onStderr: 'planted-said-by-a-failing-program',
  };
  watch = new SecretWatch(planted);
  await plant();
  makeDatabase();
  objects = declared();
  await writeFile(folder.join('objects.yaml'), objects);
  node = await RunningNode.start({
    folder: folder.join('node'),
    logLevel: 'debug',
    env: {
      FTP_PASSWORD: planted.ftpPassword ?? '',
      WRONG_SFTP: planted.wrongSftp ?? '',
      WRONG_FTP: planted.wrongFtp ?? '',
      POSTGRES: planted.postgres ?? '',
    },
  });
  await node.apply(objects);
});

afterAll(async () => {
  await node?.[Symbol.asyncDispose]();
  await places?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

const secretFile = (name: string): string => folder.join('secrets', name);

/** Files and programs that only the node knows of. */
async function plant(): Promise<void> {
  await mkdir(folder.join('secrets'), { mode: 0o700 });
  for (const name of ['s3Secret', 'sftpPassphrase', 'wrongS3'])
    await writeFile(secretFile(name), `${planted[name]}\n`, { mode: 0o600 });
  await copyFile(places.sftp.lockedKey.file, secretFile('key'));
  await chmod(secretFile('key'), 0o600);
  const change = ['-p', '-q', '-P', 'phrase', '-N', planted.sftpPassphrase ?? '', '-f', secretFile('key')];
  await promisify(execFile)('ssh-keygen', change);
  const program = async (name: string, lines: readonly string[]): Promise<void> => {
    await writeFile(secretFile(name), ['#!/bin/sh', ...lines, ''].join('\n'));
    await chmod(secretFile(name), 0o700);
  };
  await program('azure-keys', [`echo '${JSON.stringify({ accountKey: planted.azureKey })}'`]);
  await program('wrong-azure-keys', [`echo '${JSON.stringify({ accountKey: planted.wrongAzure })}'`]);
  await program('failing-keys', [
    `echo '{"accountKey": "${planted.onStderr}"}'`,
    `echo 'got ${planted.onStderr} and cannot go on' >&2`,
    'exit 3',
  ]);
}

function makeDatabase(): void {
  const database = new DatabaseSync(folder.join('shop.db'));
  database.exec('CREATE TABLE sales (id INTEGER PRIMARY KEY, item BLOB)');
  const add = database.prepare('INSERT INTO sales (item) VALUES (randomblob(100000))');
  for (let n = 0; n < 40; n += 1) add.run();
  database.close();
}

/** One task for each place and each mistake. */
function declared(): string {
  const s3 = {
    type: 's3',
    bucket,
    endpoint: `http://127.0.0.1:${places.proxies.s3.port}`,
    region: 'us-east-1',
    accessKeyId: user.accessKeyId,
  };
  const azure = {
    type: 'azure',
    container: places.container,
    account: places.azure.account,
    endpoint: places.azure.endpointAt(places.proxies.azure.port),
  };
  const sftp = {
    type: 'sftp',
    host: '127.0.0.1',
    port: places.proxies.sftp.port,
    user: places.sftp.user,
    hostKey: [...places.sftp.hostKeys.values()].map(({ fingerprint }) => fingerprint),
  };
  const at = new URL(places.urls.ftps);
  const ftps = {
    type: 'ftp',
    host: at.hostname,
    port: Number(at.port),
    user: places.ftps.user,
    path: '~/planted',
    caFile: at.searchParams.get('caFile'),
  };
  const destinations = {
    's3-slow': {
      ...s3,
      prefix: 'slow',
      secretAccessKey: `\${file:${secretFile('s3Secret')}}`,
      bandwidth: '1MB/s',
    },
    s3: { ...s3, prefix: 'good', secretAccessKey: `\${file:${secretFile('s3Secret')}}` },
    's3-wrong': { ...s3, prefix: 'wrong', secretAccessKey: `\${file:${secretFile('wrongS3')}}` },
    azure: { ...azure, prefix: 'good', credentials: { command: [secretFile('azure-keys')] } },
    'azure-wrong': { ...azure, prefix: 'wrong', credentials: { command: [secretFile('wrong-azure-keys')] } },
    'azure-failing': { ...azure, prefix: 'f', credentials: { command: [secretFile('failing-keys')] } },
    sftp: {
      ...sftp,
      path: `${places.sftpFolder}/good`,
      privateKey: secretFile('key'),
      passphrase: `\${file:${secretFile('sftpPassphrase')}}`,
    },
    'sftp-wrong': { ...sftp, path: `${places.sftpFolder}/wrong`, password: '${env:WRONG_SFTP}' },
    ftps: { ...ftps, password: '${env:FTP_PASSWORD}' },
    'ftps-wrong': { ...ftps, path: '~/wrong', password: '${env:WRONG_FTP}' },
  };
  const sources = {
    shop: { type: 'sqlite', path: folder.join('shop.db') },
    away: { type: 'postgres', url: 'postgres://u:${env:POSTGRES}@127.0.0.1:1/shop' },
  };
  const full = '0 2 * * 0';
  const tasks = Object.fromEntries(
    Object.keys(destinations).map((name) => [name, { source: 'shop', full, destinations: [name] }]),
  );
  const away = { source: 'away', full, destinations: ['s3'] };
  return JSON.stringify({ sources, destinations, tasks: { ...tasks, away } }, undefined, 2);
}

/** Looks at all processes while something goes on. */
async function watching<T>(act: () => Promise<T>): Promise<T> {
  const done = new AbortController();
  const looking = (async () => {
    while (!done.signal.aborted) {
      const children = await childrenOf(node.pid);
      const theirs = (await Promise.all(children.map(childrenOf))).flat();
      processesSeen += await watch.lookAtProcesses([...children, ...theirs], { fromEnvironment });
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  })();
  try {
    return await act();
  } finally {
    done.abort();
    await looking;
  }
}

async function run(task: string): Promise<RunView> {
  const ended = await watching(() => node.run(task));
  runs.push(ended);
  return ended;
}

test('what is planted is found where it is', async () => {
  const control = new SecretWatch(planted);
  await control.lookInFolder(folder.join('secrets'));
  expect(control.found.map((one) => one.split(':')[0])).toEqual(
    expect.arrayContaining(['s3Secret', 'sftpPassphrase', 'azureKey', 'wrongAzure', 'onStderr', 'wrongS3']),
  );
  const told = spawn(process.execPath, ['--eval', 'setInterval(() => 0, 1000)', planted.wrongS3 ?? '']);
  const ended = once(told, 'close');
  await once(told, 'spawn');
  await control.lookAtProcesses([], { fromEnvironment: [] });
  told.kill();
  await ended;
  expect(control.found).toContainEqual(expect.stringMatching(/^wrongS3: arguments of .*node/));
  const environment = new SecretWatch(planted);
  expect(await environment.lookAtProcesses([node.pid], { fromEnvironment: [] })).toBe(1);
  expect(environment.found).toEqual(
    [...fromEnvironment].sort().map((name) => `${name}: environment of a run`),
  );
  const encoded = new SecretWatch({ it: 'a b/c?' });
  encoded.look('a URL', 'sftp://u:a%20b%2Fc%3F@h');
  expect(encoded.found).toEqual(['it: a URL']);
});

describe('secrets', () => {
  test.each(['s3', 'azure', 'sftp', 'ftps'])('let a backup in at %s', async (task) => {
    const ended = await run(task);
    expect(ended.state, JSON.stringify(ended, undefined, 2)).toBe('succeeded');
  });

  test.each(['s3-wrong', 'azure-wrong', 'azure-failing', 'sftp-wrong', 'ftps-wrong', 'away'])(
    'that are wrong fail a run of %s',
    async (task) => {
      expect((await run(task)).state).toBe('failed');
    },
  );

  test('are there when a run is killed', async () => {
    const started = await node.client.runTask({ task: 's3-slow', signal });
    await until('its backup is on its way', async () => {
      const staging = folder.join('node', 'state', 'staging', 's3-slow');
      const staged = await readdir(staging, { recursive: true }).catch(() => []);
      return staged.some((path) => path.endsWith('journal.ndjson'));
    });
    await watching(async () => {
      for (const pid of await childrenOf(node.pid)) process.kill(pid, 'SIGKILL');
      runs.push(await node.ended(started.run.id));
    });
    expect(runs.at(-1)?.state).not.toBe('succeeded');
  });

  test('are not in files that are refused, nor in what is said of them', async () => {
    const secret = planted.inUrl ?? '';
    const files = [
      `sources: { a: { type: postgres, url: "postgres://u:${secret}@h:port/x" } }`,
      `sources: { a: { type: postgres, url: "postgres://u:${secret}@x@h/db" } }`,
      `sources: { a: { type: postgres, url: "postgres://h/db?password=${secret}" } }`,
      `destinations: { a: { type: sftp, host: h, user: u, path: /x, password: ${secret} } }`,
      `destinations: { a: { type: s3, bucket: bbb, accessKeyId: a, secretAccessKey: ${secret} } }`,
      `destinations: { a: { type: s3, bucket: bbb, credentials: { command: [x, --token=${secret}] } } }`,
    ];
    for (const [index, text] of files.entries()) {
      const refused = await node.client
        .applyObjects({ files: [{ name: 'bad.yaml', text }], prune: false, signal })
        .then(() => undefined)
        .catch((error: Error) => error);
      expect(refused, text).toBeDefined();
      watch.look(`the refusal of file ${index}`, `${refused}${JSON.stringify(refused)}`);
    }
    expect(watch.found).toEqual([]);
  });

  test('on a command line are not repeated, whatever becomes of it', async () => {
    const from = `sqlite:${folder.join('shop.db')}`;
    const secret = planted.inUrl ?? '';
    const { s3, azure, sftp, ftps } = places.urls;
    const staging = { env: { HOLDFAST_STAGING: folder.join('cli-staging') } } satisfies RunOptions;
    const withSecret = [
      s3.replace(/secretAccessKey=[^&]*/, `secretAccessKey=${secret}`),
      azure.replace(/accountKey=[^&]*/, `accountKey=${Buffer.from(secret).toString('base64')}`),
      sftp.replace('@', `:${secret}@`).replace(/privateKey=[^&]*/, ''),
      ftps.replace(/:[^:/]*@/, `:${secret}@`),
      `s3://bucket/?secretAccessKey=${secret}&nosuch=1`,
      `sftp://u:${secret}@host:port/x`,
      `sftp://u:${secret}@127.0.0.1:${await freePort()}/x?hostKey=none`,
      `ftps://u:${secret}@@127.0.0.1/x`,
      `azure://container/?connectionString=AccountName=a;AccountKey=${secret}`,
      `nosuch://u:${secret}@host/x`,
    ];
    for (const to of withSecret) {
      for (const args of [
        ['backup', '--from', from, '--to', to],
        ['doctor', to],
      ]) {
        const { code, stdout, stderr } = await runHoldfast([...args, '--debug'], staging);
        expect(code, stdout).not.toBe(0);
        watch.look(`${args[0]} ${to.slice(0, to.indexOf(secret))}`, stdout + stderr);
      }
    }
    await watch.lookInFolder(folder.join('cli-staging'));
    expect(watch.found).toEqual([]);
  });

  test('are in no process, no log, no answer and no file of the node', async () => {
    expect(runs).toHaveLength(11);
    expect(processesSeen).toBeGreaterThan(runs.length);
    for (const path of [
      '/v1/status',
      '/v1/objects',
      '/v1/runs?limit=500',
      '/v1/tasks',
      '/metrics',
      '/openapi.json',
      '/schema/objects.json',
    ])
      watch.look(path, await (await fetch(node.url + path)).text());
    for (const { id, task } of runs) {
      for (const path of [
        `/v1/runs/${id}`,
        `/v1/runs/${id}/log`,
        `/v1/runs/${id}/tables`,
        `/v1/tasks/${task}`,
      ]) {
        const answer = await fetch(node.url + path);
        // Of a run that has ended, tables are not known any more.
        expect(answer.status, path).toBe(path.endsWith('/tables') ? 409 : 200);
        watch.look(path, await answer.text());
      }
    }
    const changed = folder.join('changed.yaml');
    await writeFile(changed, objects.replaceAll('us-east-1', 'eu-west-1'));
    for (const args of [
      ['export'],
      ['plan', '-f', changed],
      ['status'],
      ['tasks'],
      ['history'],
      ['export', '--json'],
    ]) {
      const { stdout, stderr } = await node.holdfast(args);
      watch.look(`holdfast ${args.join(' ')}`, stdout + stderr);
    }
    watch.look('what the node printed', node.log);
    expect(node.log).toContain('"level":');
    expect(await watch.lookInFolder(folder.join('node'))).toBeGreaterThan(5);
    expect(await readdir(folder.join('node', 'state'))).toContain('store.db');
    expect(watch.found).toEqual([]);
  });
});
