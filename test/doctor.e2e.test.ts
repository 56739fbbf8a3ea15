import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { openDestination } from '@holdfast/service';
import { freePort, type TemporaryFolder, temporaryFolder } from '@holdfast/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type FivePlaces, openFivePlaces, type PlaceName, placeNames } from './harness/five-places.ts';
import { throughPermissions } from './harness/ordinary-user.ts';
import { until } from './harness/processes.ts';
import { type RunOptions, runHoldfast } from './harness/run-holdfast.ts';
import { treeOf } from './harness/tree.ts';

interface Finding {
  readonly check: string;
  readonly ok: boolean;
  readonly severity: 'info' | 'warning' | 'error';
  readonly code?: string;
  readonly message: string;
  readonly hint?: string;
  readonly tookMs?: number;
}

const { signal } = new AbortController();
let folder: TemporaryFolder;
let places: FivePlaces;

beforeAll(async () => {
  folder = await temporaryFolder('doctor');
  places = await openFivePlaces(folder);
  await mkdir(folder.join('near'));
});

afterAll(async () => {
  await places?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

interface Answer {
  readonly exit: number | null;
  readonly findings: readonly Finding[];
}

async function doctor(args: readonly string[], options: RunOptions = {}): Promise<Answer> {
  const { code, stdout, stderr } = await runHoldfast(['doctor', ...args, '--json'], options);
  expect(stdout, stderr).not.toBe('');
  const { places: looked } = JSON.parse(stdout) as { places: { findings: Finding[] }[] };
  return { exit: code, findings: looked.flatMap(({ findings }) => findings) };
}

/** Everything at a place but its marker: objects that are listed, and files of servers that show theirs. */
async function leftAt(name: PlaceName): Promise<readonly string[]> {
  await using place = await openDestination(places.urls[name], { signal });
  const left = (await Array.fromAsync(place.list('', { signal }))).map(({ key }) => key);
  const root = { folder: folder.join('near'), sftp: places.sftpFolder, ftps: places.ftpsFolder }[
    name as 'sftp'
  ];
  if (root !== undefined) left.push(...Object.keys(await treeOf(root)));
  if (name === 's3') {
    const unfinished = await places.s3.request({ method: 'GET', path: `/${places.bucket}?uploads` });
    left.push(...[...JSON.stringify(unfinished).matchAll(/<UploadId>/g)].map(() => 'an unfinished upload'));
  }
  return left.filter((key) => !/(?:^|\/)\.holdfast-repository$/.test(key) && key !== 'prod/');
}

/** A URL with other values of its parameters. */
function withParameters(url: string, fields: Readonly<Record<string, string | undefined>>): string {
  const [place = '', query = ''] = url.split('?');
  const parameters = new URLSearchParams(query);
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) parameters.delete(name);
    else parameters.set(name, value);
  }
  return `${place}?${parameters}`;
}

describe('a destination that is as it should be', () => {
  test.each(placeNames)('%s keeps all promises, and nothing of the looking stays', async (name) => {
    const { exit, findings } = await doctor([places.urls[name]]);
    expect(findings.filter(({ ok, severity }) => !ok && severity === 'error')).toEqual([]);
    expect(exit).toBe(0);
    const checks = findings.filter(({ ok }) => ok).map(({ check }) => check);
    expect(checks).toEqual(
      expect.arrayContaining([
        'writable',
        'store an object',
        'refuse to overwrite it',
        'look at it',
        'read it back',
        'read a range of it',
        'list it',
        'store 8 MiB',
        'break off a write',
        'store for quick reading',
        'delete it',
      ]),
    );
    const said = (check: string): string | undefined => findings.find((one) => one.check === check)?.message;
    expect(said('writable')).toMatch(/it is repository [0-9a-f-]{36}$/);
    expect(said('store 8 MiB')).toMatch(/ s, [\d.]+ MiB\/s/);
    expect(await leftAt(name)).toEqual([]);
  });

  test('is looked at by its declared name, with the credentials that a program gives', async () => {
    const program = folder.join('keys');
    const { accessKeyId, secretAccessKey } = places.s3.owner;
    await writeFile(program, `#!/bin/sh\necho '${JSON.stringify({ accessKeyId, secretAccessKey })}'\n`);
    await chmod(program, 0o755);
    const file = folder.join('objects.yaml');
    const far = {
      type: 's3',
      bucket: places.bucket,
      prefix: 'named',
      endpoint: `http://127.0.0.1:${places.proxies.s3.port}`,
      region: 'us-east-1',
      credentials: { command: [program] },
      bandwidth: '100MiB/s',
    };
    await writeFile(file, JSON.stringify({ destinations: { far } }));
    const { exit, findings } = await doctor(['-f', file, 'far']);
    expect(findings.filter(({ severity }) => severity === 'error')).toEqual([]);
    expect(exit).toBe(0);
    const words = await runHoldfast(['doctor', '-f', file, 'far']);
    expect(words.stdout).toMatch(/^far\n {2}ok {7}writable +\d/);
    expect(words.stdout).not.toContain(secretAccessKey);
  });

  test.each(['s3', 'azure', 'sftp'] as const)(
    '%s is left clean when the looking is stopped',
    async (name) => {
      const { toServer } = places.proxies[name];
      await using place = await openDestination(places.urls[name], { signal });
      const listed = async (): Promise<number> => (await Array.fromAsync(place.list('', { signal }))).length;
      // The large object takes longer than anybody waits.
      toServer.bytesPerSecond = 300_000;
      const ended = await runHoldfast(['doctor', places.urls[name]], {
        started: ({ kill }) => {
          void until('something is stored', async () => (await listed()) > 0).then(() => kill('SIGINT'));
        },
      });
      toServer.bytesPerSecond = 0;
      expect(ended.code, ended.stdout + ended.stderr).toBe(130);
      expect(ended.stderr).toContain('stopped by SIGINT');
      expect(await leftAt(name)).toEqual([]);
    },
  );
});

interface Mistake {
  readonly what: string;
  readonly url: () => string | Promise<string>;
  readonly exit: 2 | 3;
  readonly says: RegExp;
  readonly next: RegExp;
  readonly options?: () => RunOptions;
}

const mistakes: readonly Mistake[] = [
  {
    what: 'S3: a wrong secret',
    url: () => withParameters(places.urls.s3, { secretAccessKey: 'wrong-s3cret' }),
    exit: 2,
    says: /secret/i,
    next: /secretAccessKey/,
  },
  {
    what: 'S3: a bucket that is not there',
    url: () => places.urls.s3.replace(places.bucket, 'no-such-bucket'),
    exit: 2,
    says: /no-such-bucket/,
    next: /bucket/,
  },
  {
    what: 'S3: nobody at the endpoint',
    url: async () => withParameters(places.urls.s3, { endpoint: `http://127.0.0.1:${await freePort()}` }),
    exit: 3,
    says: /127\.0\.0\.1/,
    next: /endpoint|server/,
  },
  {
    what: 'Azure: a wrong key',
    url: () =>
      withParameters(places.urls.azure, {
        accountKey: Buffer.from('wrong-s3cret'.repeat(4)).toString('base64'),
      }),
    exit: 2,
    says: /refused|key/,
    next: /key/,
  },
  {
    what: 'Azure: a container that is not there',
    url: () => places.urls.azure.replace(places.container, 'no-such-container'),
    exit: 2,
    says: /no-such-container/,
    next: /container/,
  },
  {
    what: 'SFTP: a host key that is not known',
    url: async () => {
      await writeFile(folder.join('known-none'), '');
      return withParameters(places.urls.sftp, { hostKey: undefined, knownHosts: folder.join('known-none') });
    },
    exit: 2,
    says: /is not known.*SHA256:|SHA256:.*is not known/s,
    next: /\[127\.0\.0\.1\]:\d+ (?:ssh|ecdsa)-\S+ \S+/,
  },
  {
    what: 'SFTP: a host key that has changed',
    url: async () => {
      const line = `[127.0.0.1]:${places.proxies.sftp.port} ${places.sftp.strangerKey.line}\n`;
      await writeFile(folder.join('known-other'), line);
      return withParameters(places.urls.sftp, { hostKey: undefined, knownHosts: folder.join('known-other') });
    },
    exit: 2,
    says: /HAS CHANGED/,
    next: /someone may be in between/,
  },
  {
    what: 'SFTP: a key that nobody knows',
    url: () => withParameters(places.urls.sftp, { privateKey: places.sftp.strangerKey.file }),
    exit: 2,
    says: /refuses user .*key/,
    next: /sftp -v/,
  },
  {
    what: 'FTPS: a certificate that nobody vouches for',
    url: () => withParameters(places.urls.ftps, { caFile: undefined }),
    exit: 2,
    says: /certificate/,
    next: /caFile/,
  },
  {
    what: 'FTPS: a wrong password',
    url: () => places.urls.ftps.replace(encodeURIComponent(places.ftps.password), 'wrong-s3cret'),
    exit: 2,
    says: /530|password|login|refused/i,
    next: /password|login/,
  },
  {
    what: 'a folder: nothing is mounted there',
    url: () => `file:${folder.path}?mount=required`,
    exit: 3,
    says: /mount/,
    next: /mount/,
  },
  {
    what: 'a folder: no right to write',
    url: async () => {
      await mkdir(folder.join('closed'), { mode: 0o555 });
      return `file:${folder.join('closed')}`;
    },
    exit: 2,
    says: /closed/,
    next: /./,
    options: () => ({ through: throughPermissions() }),
  },
];

describe('a mistake is told with its cause and the next step', () => {
  test.each(mistakes)('$what', async ({ url, exit, says, next, options }) => {
    const named = await url();
    const answer = await doctor([named], options?.());
    const failure = answer.findings.find(({ severity }) => severity === 'error');
    const about = JSON.stringify(answer, undefined, 2);
    expect(answer.exit, about).toBe(exit);
    expect(failure?.message, about).toMatch(says);
    expect(failure?.hint, about).toMatch(next);
    expect(about).not.toMatch(/s3cret|c3Jl/);
    // Nothing is gone on with: what follows would only fail for the same reason.
    expect(answer.findings.at(-1)).toEqual(failure);
    const words = await runHoldfast(['doctor', named], options?.());
    expect(words.code).toBe(exit);
    expect(words.stdout).toContain(failure?.message ?? '?');
    expect(words.stdout).toContain(`hint: ${failure?.hint}`);
    expect(words.stdout).not.toContain('s3cret');
  });
});

describe('credentials that may not do all', () => {
  async function place(denied: readonly string[]): Promise<string> {
    const { s3, proxies } = places;
    const user = await s3.createUser();
    const bucket = await s3.createBucket();
    const Principal = { AWS: [`arn:aws:iam:::user/${user.uid}`] };
    const Resource = [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/*`];
    await s3.setBucketPolicy(bucket, [
      { Effect: 'Allow', Principal, Action: ['s3:*'], Resource },
      { Effect: 'Deny', Principal, Action: denied, Resource },
    ]);
    const { accessKeyId, secretAccessKey } = user;
    const endpoint = `http://127.0.0.1:${proxies.s3.port}`;
    return `s3://${bucket}/p?${new URLSearchParams({ endpoint, accessKeyId, secretAccessKey })}`;
  }

  test('are warned of when they may not read, with what then cannot be done', async () => {
    const url = await place([
      's3:GetObject',
      's3:ListBucket',
      's3:DeleteObject',
      's3:ListBucketMultipartUploads',
    ]);
    const { exit, findings } = await doctor([url]);
    const about = JSON.stringify(findings, undefined, 2);
    expect(exit, about).toBe(0);
    const warnings = findings.filter(({ severity }) => severity === 'warning').map(({ check }) => check);
    expect(warnings, about).toEqual([
      'writable',
      'look at it',
      'read it back',
      'read a range of it',
      'list it',
      'delete it',
      'clean up',
    ]);
    expect(about).toContain('cannot be verified, checked or restored');
    expect(findings.find(({ check }) => check === 'refuse to overwrite it')?.message).toContain(
      'the place itself',
    );
  });

  test('are warned of when they may not delete, and what stays is named', async () => {
    const url = await place(['s3:DeleteObject']);
    const { exit, findings } = await doctor([url]);
    const about = JSON.stringify(findings, undefined, 2);
    expect(exit, about).toBe(0);
    expect(findings.find(({ check }) => check === 'delete it')).toMatchObject({
      severity: 'warning',
      message: expect.stringContaining('retention cannot be done'),
    });
    await using opened = await openDestination(url, { signal });
    const left = (await Array.fromAsync(opened.list('', { signal }))).map(({ key }) => key);
    expect(left.length).toBeGreaterThan(0);
    for (const key of left) expect(findings.at(-1)?.message).toContain(key);
  });
});
