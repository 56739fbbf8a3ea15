// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these placeholders are Holdfast's own
import { mkdir, readdir } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import {
  type ColdS3Proxy,
  type Radosgw,
  startColdS3Proxy,
  startRadosgw,
  type TemporaryFolder,
  temporaryFolder,
} from '@holdfast/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Outcome, runHoldfast } from '../harness/run-holdfast.ts';
import { sqliteContents } from '../harness/sqlite-contents.ts';

let folder: TemporaryFolder;
let server: Radosgw;
let proxy: ColdS3Proxy;
let bucket: string;
let at: string;

beforeAll(async () => {
  folder = await temporaryFolder('cold');
  server = await startRadosgw();
  proxy = await startColdS3Proxy(server.port);
  bucket = await server.createBucket();
  // Whoever looks needs no client of S3 to see in which class an object lies.
  await server.setBucketPolicy(bucket, [
    { Effect: 'Allow', Principal: '*', Action: 's3:GetObject', Resource: `arn:aws:s3:::${bucket}/*` },
  ]);
  at = `s3://${bucket}/prod?endpoint=${proxy.endpoint}&storageClass=DEEP_ARCHIVE&accessKeyId=\${env:S3_KEY}&secretAccessKey=\${env:S3_SECRET}`;
  await mkdir(folder.join('restored'));
});

afterAll(async () => {
  await proxy?.[Symbol.asyncDispose]();
  await server?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

function run(args: readonly string[]): Promise<Outcome> {
  const { accessKeyId, secretAccessKey } = server.owner;
  return runHoldfast(args, {
    env: { HOLDFAST_STAGING: folder.join('staging'), S3_KEY: accessKeyId, S3_SECRET: secretAccessKey },
  });
}

/** A command that must end well; what it says on either channel. */
async function words(args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run(args);
  expect({ code, stderr: code === 0 ? '' : stderr }, args.join(' ')).toEqual({ code: 0, stderr: '' });
  return stdout + stderr;
}

async function json<Report>(args: readonly string[]): Promise<Report> {
  const { code, stdout, stderr } = await run([...args, '--json']);
  expect({ code, stderr: code === 0 ? '' : stderr }, args.join(' ')).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout) as Report;
}

interface Stored {
  readonly path: string;
  /** As the server itself says it, asked past the proxy and the driver. */
  readonly storageClass: string;
}

/** Everything below the prefix. */
async function stored(): Promise<readonly Stored[]> {
  const answer = await server.request({ method: 'GET', path: `/${bucket}?list-type=2&prefix=prod%2F` });
  const keys = [...answer.matchAll(/<Key>([^<]+)<\/Key>/g)].map(([, key = '']) => key);
  return Promise.all(
    keys.map(async (key) => {
      const path = `/${bucket}/${key}`;
      const head = await fetch(`${server.endpoint}${path}`, { method: 'HEAD' });
      expect(head.status, path).toBe(200);
      return { path, storageClass: head.headers.get('x-amz-storage-class') ?? 'STANDARD' };
    }),
  );
}

const isHot = ({ path }: Stored): boolean => /\.manifest\.json$|\/\.holdfast-repository$/.test(path);

/** What the database held at each backup. */
const points: { readonly backup: string; readonly contents: ReturnType<typeof sqliteContents> }[] = [];
/** Paths of the segments of each backup, by the order of the backups. */
const segments: string[][] = [];

function change(sql: string): void {
  using database = new DatabaseSync(folder.join('shop.db'));
  database.exec(sql);
}

async function backUp(sql: string): Promise<void> {
  const file = folder.join('shop.db');
  change(sql);
  const before = (await stored()).map(({ path }) => path);
  const { backup } = await json<{ backup: string }>(['backup', '--from', `sqlite:${file}`, '--to', at]);
  points.push({ backup, contents: sqliteContents(file) });
  const made = (await stored()).filter((one) => !before.includes(one.path));
  segments.push(made.filter((one) => !isHot(one)).map(({ path }) => path));
}

const target = (name: string): string => folder.join('restored', `${name}.db`);
const restore = (name: string, ...options: string[]): string[] => [
  ...['restore', '--at', at, '--to', `sqlite:${target(name)}`],
  ...options,
];
const backupsRead = (paths: readonly string[]): string[] =>
  segments.flatMap((own, at) => (own.some((path) => paths.includes(path)) ? [points[at]?.backup ?? ''] : []));

interface Plan {
  readonly cold?: {
    readonly segments: readonly { readonly key: string; readonly access: string }[];
  };
}

/** What a restore reads, as its plan says; all of it is as cold as is said. */
async function planned(access: string, ...options: string[]): Promise<string[]> {
  const { cold } = await json<Plan>(restore('newest', '--plan', ...options));
  expect(new Set(cold?.segments.map((one) => one.access))).toEqual(new Set([access]));
  return (cold?.segments ?? []).map(({ key }) => `/${bucket}/prod/${key}`).sort();
}

const inTargets = (): Promise<string[]> => readdir(folder.join('restored'));
const asked = (): string[] => proxy.thawRequests.map(({ path }) => path).sort();

test('data goes to the cold class and manifests stay hot, over a full and two incrementals', async () => {
  change(`
    CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT NOT NULL, price NUMERIC);
    CREATE TABLE blobs (id INTEGER PRIMARY KEY, data BLOB);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
      INSERT INTO products (name, price) SELECT 'product ' || i, i / 4.0 FROM n;
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20)
      INSERT INTO blobs (data) SELECT randomblob(1000000) FROM n;`);
  // Keeps its changes: so that incrementals hold these, and a restore needs all that came before.
  await words(['source', 'prepare', `sqlite:${folder.join('shop.db')}`]);
  await backUp('UPDATE products SET price = 0 WHERE id = 1');
  await backUp(`
    UPDATE products SET price = price + 1 WHERE id % 10 = 0; DELETE FROM blobs WHERE id % 7 = 0;
    INSERT INTO blobs (data) VALUES (randomblob(3000000))`);
  await backUp(`
    DELETE FROM products WHERE id < 100; INSERT INTO products VALUES (9000, 'é😀', NULL);
    CREATE TABLE later (v); INSERT INTO later VALUES (x'00'), (NULL), (1.5)`);
  const all = await stored();
  const hot = all.filter(isHot);
  expect(hot.filter(({ path }) => path.endsWith('.manifest.json'))).toHaveLength(3);
  expect(new Set(hot.map(({ storageClass }) => storageClass))).toEqual(new Set(['STANDARD']));
  const cold = all.filter((one) => !isHot(one));
  expect(new Set(cold.map(({ storageClass }) => storageClass))).toEqual(new Set(['DEEP_ARCHIVE']));
  expect(segments.map(({ length }) => length > 0)).toEqual([true, true, true]);
  expect(cold.map(({ path }) => path).sort()).toEqual(segments.flat().sort());
});

test('list remarks each backup as cold, and check says what it did not read and ends with 0', async () => {
  const listing = await words(['list', '--at', at]);
  for (const { backup } of points)
    expect(listing).toMatch(new RegExp(`${backup} .* cold \\(DEEP_ARCHIVE\\)$`, 'm'));
  const { tasks } = await json<{
    tasks: { chains: { backups: { cold?: { segments: number; storageClasses: string[] } }[] }[] }[];
  }>(['list', '--at', at]);
  const backups = tasks.flatMap(({ chains }) => chains).flatMap((chain) => chain.backups);
  expect(backups.map(({ cold }) => cold)).toEqual(
    segments.map(({ length }) =>
      expect.objectContaining({ segments: length, storageClasses: ['DEEP_ARCHIVE'] }),
    ),
  );
  const checked = await words(['check', '--at', at]);
  expect(checked).toMatch(/^nothing wrong: 3 backups, no chunks, /m);
  expect(checked).toMatch(
    new RegExp(
      `^not read: ${segments.flat().length} segments \\(.*\\) in cold storage \\(DEEP_ARCHIVE\\); only looked at`,
      'm',
    ),
  );
  expect(proxy.thawRequests).toEqual([]);
});

test('a plan says what is cold, and what each way of thawing takes and costs; without --thaw a restore is refused', async () => {
  const plan = await words(restore('newest', '--plan'));
  const reads = await planned('cold');
  expect(segments.flat()).toEqual(expect.arrayContaining(reads));
  // The full, and every incremental up to the point.
  expect(backupsRead(reads)).toEqual(points.map(({ backup }) => backup));
  const { length } = reads;
  expect(plan).toMatch(
    new RegExp(
      `^In cold storage: ${length} of the ${length} segments \\(.*\\) to read must be thawed first$`,
      'm',
    ),
  );
  expect(plan).toMatch(new RegExp(`^  DEEP_ARCHIVE: ${length} segments \\(.*\\) cold$`, 'm'));
  expect(plan).toMatch(/^ {2}--thaw standard +DEEP_ARCHIVE +within 12 hours +by the GB/m);
  expect(plan).toMatch(/^ {2}--thaw bulk +DEEP_ARCHIVE +within 48 hours +the cheapest/m);
  expect(plan).not.toContain('expedited');

  const { code, stdout, stderr } = await run(restore('newest'));
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toContain('[precondition_failed]');
  expect(stderr).toMatch(/must be thawed first, in cold storage \(DEEP_ARCHIVE\)/);
  expect(stderr).toContain('--thaw standard');
  expect(await inTargets()).toEqual([]);
  expect(proxy.thawRequests).toEqual([]);
});

test('a tier that the class has not is refused before anything is asked for', async () => {
  const { code, stderr } = await run(restore('newest', '--thaw', 'expedited', '--no-wait'));
  expect(code).toBe(2);
  expect(stderr).toContain('[unsupported]');
  expect(stderr).toContain('choose --thaw standard or bulk');
  expect(proxy.thawRequests).toEqual([]);
  expect(await inTargets()).toEqual([]);
});

test('to thaw asks for the whole chain up to the point and for nothing twice; the same command goes on where things stand, and restores in the end', async () => {
  const early = restore('early', '--point', points[0]?.backup ?? '', '--thaw', 'standard', '--no-wait');
  const readEarly = await planned('cold', '--point', points[0]?.backup ?? '');
  const reads = await planned('cold');
  const all = [...new Set([...readEarly, ...reads])].sort();
  await words(early);
  expect(asked()).toEqual(readEarly);
  expect(backupsRead(readEarly)).toEqual([points[0]?.backup]);

  const command = restore('newest', '--thaw', 'standard', '--no-wait', '--verify');
  const begun = await words(command);
  expect(asked()).toEqual(all);
  expect(new Set(proxy.thawRequests.map(({ tier, days }) => `${tier} ${days}`))).toEqual(
    new Set(['Standard 7']),
  );
  expect(begun).toMatch(/^Nothing is restored yet/m);
  expect(begun).toMatch(/^asked for: .* standard, for 7 days, readable by about 20\d\d-/m);
  expect(begun).toMatch(/^asked for before, being thawed: /m);
  expect(begun).toMatch(/^to go on: holdfast restore --at .* --thaw standard --no-wait/m);
  expect(begun).not.toContain(server.owner.secretAccessKey);

  // Too early: nothing is asked for twice, and nothing is made.
  const again = await words(command);
  expect(again).not.toMatch(/^asked for: /m);
  expect(again).toMatch(/^asked for before, being thawed: /m);
  expect(asked()).toEqual(all);
  expect(await inTargets()).toEqual([]);

  proxy.finishThaws();
  expect(await words(restore('newest', '--plan'))).toMatch(/^In cold storage, all of it thawed: /m);
  expect(await words(command)).toMatch(/^Restored shop as of /m);
  await words(early);
  expect(asked()).toEqual(all);
  expect(sqliteContents(target('newest'))).toEqual(points[2]?.contents);
  expect(sqliteContents(target('early'))).toEqual(points[0]?.contents);
});

test('a point whose segments were thawed for others is restored at once, and what is thawed is checked to the last byte', async () => {
  const before = asked();
  await words(restore('middle', '--point', points[1]?.backup ?? '', '--thaw', 'bulk', '--no-wait'));
  expect(asked()).toEqual(before);
  expect(sqliteContents(target('middle'))).toEqual(points[1]?.contents);
  const checked = await words(['check', '--at', at]);
  expect(checked).toMatch(/^nothing wrong: 3 backups, \d+ chunks, /m);
  expect(checked).not.toContain('not read');
});

test('when the days are over, what was thawed is cold again and says so', async () => {
  proxy.expireThaws();
  const { code, stderr } = await run(restore('late'));
  expect(code).toBe(2);
  expect(stderr).toContain('must be thawed first');
  expect((await inTargets()).sort()).toEqual(['early.db', 'middle.db', 'newest.db']);
});
