// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these placeholders are Holdfast's own
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Secret } from '@holdfast/core';
import { freePort, type TemporaryFolder, temporaryFolder } from '@holdfast/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { rawRequest } from '../../packages/service/src/api/raw-request.fixture.ts';
import { ownCertificate } from '../../packages/service/src/notify/mail-server.fixture.ts';
import { assertFailure, type ExpectedFailure, expectFailure } from '../harness/failure.ts';
import { until } from '../harness/processes.ts';
import { RunningNode } from '../harness/running-node.ts';
import { treeOf } from '../harness/tree.ts';

const { signal } = new AbortController();

let folder: TemporaryFolder;
let node: RunningNode;

/** One line per object, so that a test can say another. */
function objects(change: Readonly<Record<string, string>> = {}): string {
  const lines: Record<string, string> = {
    sources: 'sources:',
    shop: `  shop: { type: sqlite, path: ${folder.join('shop.db')} }`,
    destinations: 'destinations:',
    near: `  near: { type: folder, path: ${folder.join('near')} }`,
    far: `  far: { type: folder, path: ${folder.join('far')}, disabled: true }`,
    tasks: 'tasks:',
    daily: '  daily: { source: shop, destinations: [near], full: "0 3 29 2 *" }',
    idle: '  idle: { source: shop, destinations: [near], full: "0 3 29 2 *", disabled: true }',
    nowhere: '  nowhere: { source: shop, destinations: [far], full: "0 3 29 2 *" }',
    ...change,
  };
  return `${Object.values(lines).join('\n')}\n`;
}

beforeAll(async () => {
  folder = await temporaryFolder();
  using shop = new DatabaseSync(folder.join('shop.db'));
  shop.exec('CREATE TABLE sales (id INTEGER PRIMARY KEY, item TEXT)');
  node = await RunningNode.start({ folder: folder.join('node') });
  await node.apply(objects());
  await until('the tasks are known', async () => (await node.client.listTasks({ signal })).length === 3);
});

afterAll(async () => {
  await node?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

/** A command that asks the node, and is refused. */
async function refused(args: readonly string[], expected: ExpectedFailure): Promise<void> {
  assertFailure(await node.holdfast([...args, '--json']), expected, args.join(' '));
}

describe('a node that cannot start says why', () => {
  let at: string;
  let rest: string;

  beforeEach(async ({ task }) => {
    at = folder.join(`start-${task.id.replace(/\W/g, '')}`);
    rest = `state: ${at}/state\nlisten: { address: "127.0.0.1:0" }\n`;
    await mkdir(at);
  });

  async function start(text: string, expected: ExpectedFailure): Promise<void> {
    const file = join(at, 'holdfast.yaml');
    await writeFile(file, text);
    const before = await treeOf(at);
    await expectFailure(['start', '--config', file], expected);
    expect(await treeOf(at)).toEqual(before);
  }

  const wrong = { code: 'config_invalid', exit: 2, hint: undefined } as const;

  test('its file is not YAML', async () => {
    await start(`${rest}limits: { runs: 2\nlog: { format: json }\n`, {
      ...wrong,
      says: [/start-\w+\/holdfast\.yaml:\d+:\d+: not YAML: /],
    });
  });

  test('its file has a field that is not known', async () => {
    await start(`${rest}limits: { rums: 2 }\n`, {
      ...wrong,
      says: ['holdfast.yaml:3:11: limits.rums: is not known; did you mean runs?'],
    });
    await start(`stat: ${at}/state\n`, {
      ...wrong,
      says: ['holdfast.yaml:1:1: stat: is not known; did you mean state?'],
    });
  });

  test('its file has a value that is out of range', async () => {
    await start(`${rest}limits: { runs: 0, historyPerTask: 5 }\nlog: { level: loud }\n`, {
      ...wrong,
      says: [
        '3 problems in the configuration',
        'holdfast.yaml:3:17: limits.runs: ',
        'from 1 to 256',
        'holdfast.yaml:3:36: limits.historyPerTask: ',
        'holdfast.yaml:4:15: log.level: expected one of debug, info, warn, error, not "loud"',
      ],
    });
  });

  test('its file is named and not there', async () => {
    const file = join(at, 'none.yaml');
    await expectFailure(['start', '--config', file], {
      ...wrong,
      says: [`the configuration ${file} cannot be read: ENOENT`],
      hint: 'it must exist and be readable',
    });
    expect(await treeOf(at)).toEqual({});
  });

  test('it would listen for other machines without a token, or without a certificate', async () => {
    await start(`state: ${at}/state\nlisten: { address: "0.0.0.0:0" }\n`, {
      ...wrong,
      says: ['holdfast.yaml:2:', 'listen.token: is missing: 0.0.0.0:0 can be called by other machines'],
    });
    const listen = 'listen: { address: "0.0.0.0:0", token: "${env:HOLDFAST_TEST_TOKEN}" }';
    const file = join(at, 'holdfast.yaml');
    await writeFile(file, `state: ${at}/state\n${listen}\n`);
    const env = { HOLDFAST_TEST_TOKEN: '0123456789abcdef0123' };
    await expectFailure(
      ['start', '--config', file],
      {
        ...wrong,
        says: ['listening on 0.0.0.0, which other machines reach, needs a certificate and its key'],
        hint: /./,
      },
      { env },
    );
  });

  test('its token is short, or not there', async () => {
    const listen = 'listen: { address: "127.0.0.1:0", token: "${env:HOLDFAST_TEST_TOKEN}" }';
    const file = join(at, 'holdfast.yaml');
    await writeFile(file, `state: ${at}/state\n${listen}\n`);
    const short = { ...wrong, says: ['the token is shorter than 16 characters'], hint: 'openssl rand' };
    await expectFailure(['start', '--config', file], short, { env: { HOLDFAST_TEST_TOKEN: 's3cret' } });
    await expectFailure(['start', '--config', file], { ...wrong, says: ['HOLDFAST_TEST_TOKEN'], hint: /./ });
  });

  test('its state folder is in use: the process that uses it is named, and goes on', async () => {
    const before = await node.client.getStatus({ signal });
    await expectFailure(['start', '--config', folder.join('node', 'holdfast.yaml')], {
      code: 'precondition_failed',
      exit: 2,
      says: [`the state folder ${folder.join('node', 'state')} is in use by process ${node.pid}`],
      hint: 'one node is running with it already',
    });
    expect((await node.client.getStatus({ signal })).startedAt).toBe(before.startedAt);
  });

  test('its port is in use', async () => {
    const { host } = new URL(node.url);
    const file = join(at, 'holdfast.yaml');
    await writeFile(file, `state: ${at}/state\nlisten: { address: "${host}" }\n`);
    await expectFailure(['start', '--config', file], {
      code: 'precondition_failed',
      exit: 2,
      says: [`${host} is in use`],
      hint: 'listen',
    });
    expect((await node.client.getHealth({ signal })).live).toBe(true);
  });
});

describe('objects that are refused, with file, line and column, change nothing', () => {
  const bad: readonly (readonly [string, Record<string, string>, readonly (string | RegExp)[]])[] = [
    [
      'a cron expression that is none',
      { daily: '  daily: { source: shop, destinations: [near], full: "0 3 32 2 *" }' },
      ['bad.yaml:7:54: tasks.daily.full: cron expression "0 3 32 2 *": day of month: "32" is not understood'],
    ],
    [
      'a time zone that is not known',
      { daily: '  daily: { source: shop, destinations: [near], full: "0 3 1 1 *", timezone: Europe/Berln }' },
      [
        'bad.yaml:7:77: tasks.daily.timezone: time zone "Europe/Berln" is not known',
        'did you mean Europe/Berlin?',
      ],
    ],
    [
      'a duration without its unit',
      { daily: '  daily: { source: shop, destinations: [near], full: "0 3 1 1 *", jitter: 5 }' },
      [/bad\.yaml:7:75: tasks\.daily\.jitter: expected a duration from 0s to 24h/],
    ],
    [
      'fields that are not known',
      { daily: '  daily: { source: shop, destinatoins: [near], full: "0 3 1 1 *" }', tasks: 'taskss:' },
      ['bad.yaml:6:1: taskss: is not known; did you mean tasks?'],
    ],
    [
      'a field of a task that is not known',
      { daily: '  daily: { source: shop, destinations: [near], fulll: "0 3 1 1 *" }' },
      ['bad.yaml:7:48: tasks.daily.fulll: is not known; did you mean full?'],
    ],
    [
      'one name twice',
      { idle: '  daily: { source: shop, destinations: [near], full: "0 3 1 1 *" }' },
      [/bad\.yaml:8:3: tasks\.daily: is there twice, first at \S*bad\.yaml:7:3/],
    ],
    [
      'references to what there is not',
      { daily: '  daily: { source: shpo, destinations: [neer], full: "0 3 1 1 *" }' },
      [
        'bad.yaml:7:20: tasks.daily.source: there is no source "shpo"; did you mean shop?',
        'bad.yaml:7:41: tasks.daily.destinations[0]: there is no destination "neer"; did you mean near?',
      ],
    ],
    [
      'a password as it is',
      { shop: '  shop: { type: postgres, url: "postgres://backup:s3cret@db1/shop" }' },
      [
        'bad.yaml:2:32: sources.shop.url: holds a secret, and secrets are never stored: write ${env:NAME} or ${file:/PATH}',
      ],
    ],
    ['what is not YAML', { tasks: 'tasks: [' }, [/bad\.yaml:\d+:\d+: not YAML: /]],
  ];

  let before: string;

  beforeEach(async () => {
    before = (await node.holdfast(['export'])).stdout;
    expect(before).toContain('nowhere');
  });

  async function refusedFiles(
    files: readonly string[],
    says: ExpectedFailure['says'],
    hint?: string,
  ): Promise<void> {
    const named = files.flatMap((file) => ['-f', file]);
    for (const command of [['apply'], ['apply', '--prune'], ['plan']]) {
      await refused([...command, ...named], { code: 'config_invalid', exit: 2, says, hint });
    }
    expect((await node.holdfast(['export'])).stdout).toBe(before);
  }

  test.each(bad)('%s', async (_, change, says) => {
    await writeFile(folder.join('bad.yaml'), objects(change));
    await refusedFiles([folder.join('bad.yaml')], says);
  });

  test('files that hold nothing, are not there, or are named twice', async () => {
    await writeFile(folder.join('bad.yaml'), '# nothing yet\n');
    await refusedFiles([folder.join('bad.yaml')], ['bad.yaml:1:1: declares nothing']);
    await writeFile(folder.join('bad.yaml'), '');
    await refusedFiles([folder.join('bad.yaml')], ['bad.yaml:1:1: declares nothing']);
    const missing = folder.join('missing.yaml');
    await refusedFiles([missing], [`${missing} cannot be read: ENOENT`], 'name files with -f FILE');
    await writeFile(folder.join('bad.yaml'), objects());
    const twice = [folder.join('bad.yaml'), folder.join('bad.yaml')];
    await refusedFiles(twice, [/bad\.yaml:7:3: tasks\.daily: is there twice, first at \S*bad\.yaml:7:3/]);
  });
});

describe('a task whose destinations are all disabled', () => {
  test('is warned of where one looks, and fails when it is run by hand', async () => {
    const warning = 'All backup destinations are disabled';
    await writeFile(folder.join('same.yaml'), objects());
    const applied = await node.holdfast(['apply', '-f', folder.join('same.yaml')]);
    expect(applied).toMatchObject({ code: 0, stdout: 'nothing to change\n' });
    expect(applied.stderr).toMatch(/^warning: \S*same\.yaml:9:42: tasks\.nowhere\.destinations: All backup/);
    expect((await node.holdfast(['tasks'])).stdout).toMatch(new RegExp(`^nowhere .*${warning}$`, 'm'));
    expect((await node.holdfast(['tasks', 'nowhere'])).stdout).toContain(warning);
    expect((await node.client.getTask({ task: 'nowhere', next: 0, signal })).warnings).toEqual([warning]);
    await refused(['run', 'nowhere'], {
      code: 'config_invalid',
      exit: 2,
      says: ['all backup destinations of task nowhere are disabled'],
      hint: 'enable one of them, or give the task another',
    });
    expect(await node.history('nowhere')).toMatchObject([{ state: 'failed' }]);
    expect(await treeOf(folder.join('far'))).toEqual({});
  });
});

describe('a command about what is not there, or cannot be', () => {
  test('a task that is not known, or disabled', async () => {
    for (const command of ['run', 'pause', 'resume', 'tasks', 'history', 'logs', 'cancel']) {
      await refused([command, 'dialy'], {
        code: 'not_found',
        exit: 4,
        says: ['there is no task dialy'],
        hint: 'holdfast tasks',
      });
    }
    await refused(['run', 'idle'], {
      code: 'precondition_failed',
      exit: 2,
      says: ['task idle is disabled'],
      hint: 'take out `disabled: true`',
    });
    expect(await node.history('idle')).toEqual([]);
  });

  test('a run that is not known', async () => {
    for (const command of ['logs', 'cancel']) {
      await refused([command, 'daily-20200101T000000000Z'], {
        code: 'not_found',
        exit: 4,
        says: ['there is no run daily-20200101T000000000Z'],
        hint: 'see holdfast history',
      });
    }
  });

  test('a delay of no time', async () => {
    for (const time of ['0s', '-5m', 'later', '5']) {
      await refused(['delay', 'daily', `--for=${time}`], {
        code: 'config_invalid',
        exit: 2,
        says: ['--for takes a time with its unit', `not ${time}`],
        hint: /./,
      });
    }
    expect((await node.client.getTask({ task: 'daily', next: 0, signal })).state).toBe('enabled');
  });

  test('a server that is none', async () => {
    const nobody = `http://127.0.0.1:${await freePort()}`;
    await refused(['tasks', '--server', nobody], {
      code: 'unavailable',
      exit: 3,
      says: [nobody, 'ECONNREFUSED'],
      hint: 'start it with holdfast start, or name another with --server',
    });
    await refused(['tasks', '--server', 'backup-host'], {
      code: 'config_invalid',
      exit: 2,
      says: ["the server's address is no http or https URL: backup-host"],
      hint: 'as in http://127.0.0.1:6362',
    });
  });
});

test('a node with a certificate and a token lets in who has the token, and says what is missing to others', async () => {
  const { cert, key } = await ownCertificate();
  const token = '0123456789-s3cret-0123456789';
  const at = folder.join('guarded');
  await mkdir(at);
  await writeFile(join(at, 'tls.crt'), cert);
  await writeFile(join(at, 'tls.key'), key);
  await writeFile(join(at, 'token'), `${token}\n`);
  await writeFile(join(at, 'wrong'), 'another-one-0123456789\n');
  await using guarded = await RunningNode.start({
    folder: at,
    listen: '{ address: "0.0.0.0:0", tls: { cert: tls.crt, key: tls.key }, token: "${file:token}" }',
    access: { token: new Secret(token), ca: cert },
  });
  const trust = { NODE_EXTRA_CA_CERTS: join(at, 'tls.crt') };
  const ask = (args: readonly string[], env: Record<string, string> = trust) =>
    guarded.holdfast(['status', ...args, '--json'], { env });
  expect(await ask(['--token-file', join(at, 'token')])).toMatchObject({ code: 0, stderr: '' });
  expect(await ask([], { ...trust, HOLDFAST_TOKEN: token })).toMatchObject({ code: 0, stderr: '' });
  const unauthenticated = { code: 'unauthenticated', exit: 2 } as const;
  assertFailure(await ask(['--token-file', join(at, 'wrong')]), {
    ...unauthenticated,
    says: ['the token is not the one of this node'],
    hint: 'take the one that the node is configured with',
  });
  assertFailure(await ask([]), {
    ...unauthenticated,
    says: ['this node asks for a token'],
    hint: '--token-file',
  });
  assertFailure(await ask(['--token-file', join(at, 'none')]), {
    code: 'config_invalid',
    exit: 2,
    says: ['cannot be read: ENOENT'],
    hint: undefined,
  });
  assertFailure(await ask(['--token-file', join(at, 'token')], {}), {
    ...unauthenticated,
    says: ['is not trusted'],
    hint: 'NODE_EXTRA_CA_CERTS',
  });
  expect(guarded.log).not.toContain(token);
});

describe('a request that the node does not take', () => {
  test('whose body is too large', async () => {
    const answer = await fetch(`${node.url}/v1/tasks/daily/run`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ scope: 'x'.repeat(3_000_000) }),
    });
    expect(answer.status).toBe(413);
    expect(await answer.json()).toMatchObject({ error: { code: 'config_invalid' } });
    expect(await node.history('daily')).toEqual([]);
  });

  test('that is meant for another host', async () => {
    for (const host of ['evil.example', '127.0.0.1:1', 'localhost']) {
      const { status, error } = await rawRequest(`${node.url}/v1/tasks`, { headers: { host } });
      expect([status, error.code]).toEqual([421, 'permission_denied']);
    }
  });
});

test('a reader of events that never reads is let go, and disturbs nobody', async () => {
  // Many long names make long events.
  const names = Array.from({ length: 16 }, (_, n) => `${'long-'.repeat(11)}${n}`);
  const places = names.map(
    (name, n) => `  ${name}: { type: folder, path: ${folder.join(name)}, disabled: ${n > 0} }`,
  );
  await node.apply(`
destinations:
${places.join('\n')}
tasks:
  wide: { source: shop, destinations: [${names.join(', ')}], full: "0 3 29 2 *" }
`);
  await until('the task is known', async () => (await node.client.listTasks({ signal })).length === 4);
  const { hostname, port, host } = new URL(node.url);
  const lazy = connect(Number(port), hostname);
  lazy.on('error', () => {});
  await once(lazy, 'connect');
  lazy.pause();
  lazy.write(`GET /v1/events HTTP/1.1\r\nHost: ${host}\r\n\r\n`);

  const leaving = new AbortController();
  let last: string | undefined;
  const reading = (async () => {
    for await (const event of node.client.events({ signal: leaving.signal })) {
      if (event.kind === 'task') last = event.task.state;
    }
  })();
  while (!node.log.includes('a reader of events did not keep up and was disconnected')) {
    await node.client.pauseTask({ task: 'wide', signal });
    await node.client.resumeTask({ task: 'wide', signal });
    expect((await node.client.getHealth({ signal })).live).toBe(true);
  }
  await node.client.pauseTask({ task: 'wide', signal });
  await until('the other reader has heard it all', () => last === 'paused');
  leaving.abort();
  await expect(reading).rejects.toMatchObject({ code: 'cancelled' });
  lazy.destroy();
});
