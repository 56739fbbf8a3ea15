import { readFile } from 'node:fs/promises';
import { type PostgresServer, startPostgres, type TemporaryFolder, temporaryFolder } from '@holdfast/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { contentsOf } from './harness/postgres-contents.ts';
import { holdfast, type Outcome, runHoldfast } from './harness/run-holdfast.ts';
import { slotsOf, stateOf } from './harness/server-state.ts';
import { leftInStaging, treeOf } from './harness/tree.ts';

interface BackupReport {
  readonly outcome: string;
  readonly task: string;
  readonly scope: string;
  readonly backup: string;
  readonly reason: string;
  readonly to: { readonly position: string; readonly timeMs: number };
  readonly rows: number;
  readonly notices: readonly string[];
  readonly gap?: string;
}

interface Listing {
  readonly tasks: readonly {
    readonly task: string;
    readonly chains: readonly {
      readonly chain: string;
      readonly backups: readonly {
        readonly backup: string;
        readonly scope: string;
        readonly restorable: boolean;
      }[];
    }[];
    readonly strays: readonly string[];
  }[];
}

const shop = `
  CREATE TYPE state AS ENUM ('open', 'paid');
  CREATE TABLE orders (id bigserial PRIMARY KEY, note text, state state DEFAULT 'open', at timestamptz DEFAULT '2026-11-20 14:00+00');
  INSERT INTO orders (note) SELECT 'order ' || i FROM generate_series(1, 1000) i;
  CREATE TABLE events (id int, day date, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
  CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
  CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
  INSERT INTO events SELECT i, '2026-01-01'::date + i % 50 FROM generate_series(1, 100) i;
  CREATE TABLE keyless (line text);
  INSERT INTO keyless VALUES ('a'), ('a'), (NULL);
  CREATE INDEX orders_note ON orders (note);
  CREATE VIEW open_orders AS SELECT * FROM orders WHERE state = 'open';
  CREATE FUNCTION double(int) RETURNS int LANGUAGE sql AS 'SELECT 2 * $1';
  SELECT lo_from_bytea(4711, 'a large object')`;

let server: PostgresServer;
let folder: TemporaryFolder;
let at: string;
let staging: string;
let from: string;

beforeAll(async () => {
  folder = await temporaryFolder();
  server = await startPostgres();
  at = `file:${folder.join('backups')}`;
  staging = folder.join('staging');
  await server.createDatabase('shop');
  await server.psql('shop', shop);
  // A password in the URL, so that every output can be searched for it.
  await server.requirePassword('keeper', 'hunter2+secret', 'SUPERUSER');
  from = server.url('shop', 'keeper');
});

afterAll(async () => {
  await server?.remove();
  await folder?.[Symbol.asyncDispose]();
});

function env(): { env: Record<string, string> } {
  return { env: { HOLDFAST_STAGING: staging } };
}

/** A command as a person types it, who reads words: it has to succeed. */
async function words(args: readonly string[]): Promise<Outcome> {
  const outcome = await runHoldfast(args, env());
  expect(outcome, args.join(' ')).toMatchObject({ code: 0, signal: null });
  expect(outcome.stdout + outcome.stderr).not.toContain('hunter2');
  return outcome;
}

/** The same with --json: one document on stdout, and nothing but the warning about the password on stderr. */
async function json<Report>(args: readonly string[]): Promise<Report> {
  const outcome = await runHoldfast([...args, '--json'], env());
  expect(outcome, args.join(' ')).toMatchObject({ code: 0, signal: null });
  expect(outcome.stdout + outcome.stderr).not.toContain('hunter2');
  for (const line of outcome.stderr.split('\n').filter((one) => one !== '')) {
    expect(JSON.parse(line)).toEqual({ warning: { message: expect.stringContaining('holds a secret') } });
  }
  return JSON.parse(outcome.stdout) as Report;
}

const backupName = /\d{8}T\d{6}Z-[a-z0-9-]+-g0\/\d{4}/;

describe('the command line, on PostgreSQL', () => {
  let oneOff: BackupReport;
  let first: BackupReport;
  let second: BackupReport;
  let beforeAnything: readonly string[];

  test('doctor finds the source and the destination fit, in words and as a document; nothing of it stays', async () => {
    beforeAnything = await stateOf(server);
    const plain = await words(['doctor', from, at.replace('backups', 'new')]);
    expect(plain.stdout).toContain('postgres://keeper:[secret]@127.0.0.1');
    expect(plain.stdout).toMatch(/^ {2}ok .* delete it .* deleted again$/m);
    const { places } = await json<{
      places: { url: string; findings: { check: string; ok: boolean; severity: string }[] }[];
    }>(['doctor', from, at]);
    expect(places).toHaveLength(2);
    for (const { findings } of places) {
      expect(findings.length).toBeGreaterThan(2);
      expect(findings.filter(({ ok, severity }) => !ok && severity === 'error')).toEqual([]);
    }
    expect(Object.keys(await treeOf(folder.join('backups')))).toEqual(['.holdfast-repository']);
    expect(await stateOf(server)).toEqual(beforeAnything);
  });

  test('source prepare has nothing to do, and says so', async () => {
    const says = 'nothing has to be made in a PostgreSQL database';
    expect((await words(['source', 'prepare', from])).stdout).toContain(says);
    expect(await json(['source', 'prepare', from])).toMatchObject({ made: [expect.stringContaining(says)] });
    expect(await stateOf(server)).toEqual(beforeAnything);
  });

  test('a one-off full backup leaves nothing on the server', async () => {
    oneOff = await json<BackupReport>(['backup', '--from', from, '--to', at, '--full']);
    expect(oneOff).toMatchObject({ outcome: 'stored', task: 'shop', scope: 'full', rows: 1103 });
    expect(oneOff.backup).toMatch(backupName);
    expect(oneOff.reason).toBe('a full backup was asked for');
    expect(await stateOf(server)).toEqual(beforeAnything);
    expect(await leftInStaging(staging)).toEqual([]);
  });

  test('auto begins a chain with a full backup, and says what it keeps on the server and how to end that', async () => {
    first = await json<BackupReport>(['backup', '--from', from, '--to', at, '--auto']);
    expect(first).toMatchObject({ outcome: 'stored', scope: 'full' });
    expect(first.reason).toContain(`no changes were kept since chain ${oneOff.backup.split('/')[0]}`);
    const slots = await slotsOf(server, 'shop');
    expect(slots).toEqual([expect.stringMatching(/^holdfast_shop_[0-9a-f]{12}$/)]);
    const kept = first.notices.filter((notice) => notice.includes(slots[0] ?? '?'));
    expect(kept).toEqual([expect.stringMatching(/at most .*[GM]B.*holdfast source forget/s)]);
  });

  test('an incremental holds what changed; a second one finds nothing changed and stores nothing', async () => {
    await server.psql(
      'shop',
      `UPDATE orders SET state = 'paid' WHERE id <= 5; DELETE FROM orders WHERE id = 6; INSERT INTO events VALUES (1000, '2026-02-03')`,
    );
    const plain = await words(['backup', '--from', from, '--to', at, '--incremental']);
    expect(plain.stdout).toMatch(/^Incremental backup shop \S+\/0001 stored/);
    expect(plain.stdout).toContain(`reason: it continues chain ${first.backup.split('/')[0]}`);
    const stored = await treeOf(folder.join('backups'));
    const unchanged = await json<BackupReport>(['backup', '--from', from, '--to', at]);
    expect(unchanged).toMatchObject({ outcome: 'unchanged', scope: 'incremental', rows: 0 });
    expect(unchanged.to.timeMs).toBeGreaterThan(first.to.timeMs);
    const plainUnchanged = await words(['backup', '--from', from, '--to', at, '--incremental']);
    expect(plainUnchanged.stdout).toMatch(/^Nothing changed in shop since \S+\/0001/);
    expect(await treeOf(folder.join('backups'))).toEqual(stored);
    await server.psql(
      'shop',
      `INSERT INTO keyless VALUES ('b'); UPDATE orders SET note = 'later' WHERE id = 7`,
    );
    second = await json<BackupReport>(['backup', '--from', from, '--to', at]);
    expect(second).toMatchObject({ outcome: 'stored', scope: 'incremental' });
    expect(second.backup).toBe(`${first.backup.split('/')[0]}/0002`);
  });

  test('list shows chains and backups, and the chunks of one table', async () => {
    const { tasks } = await json<Listing>(['list', '--at', at]);
    expect(tasks.map(({ task, strays }) => ({ task, strays }))).toEqual([{ task: 'shop', strays: [] }]);
    const backups = tasks[0]?.chains.flatMap((chain) => chain.backups) ?? [];
    expect(backups.map(({ scope, restorable }) => ({ scope, restorable }))).toEqual([
      { scope: 'full', restorable: true },
      { scope: 'incremental', restorable: true },
      { scope: 'incremental', restorable: true },
      { scope: 'full', restorable: true },
    ]);
    const plain = await words(['list', '--at', at, '--task', 'shop']);
    for (const { backup } of backups) expect(plain.stdout).toContain(backup);
    const { tables } = await json<{
      tables: { backup: string; chunks: { path: string; kind: string; rows: number }[] }[];
    }>(['list', '--at', at, '--table', 'public.events']);
    const found = tables.flatMap(({ backup, chunks }) => chunks.map((chunk) => ({ ...chunk, backup })));
    expect(found.filter(({ kind }) => kind === 'rows').map(({ path, rows }) => `${path} ${rows}`)).toEqual([
      '/public.events/public.events_1 62',
      '/public.events/public.events_2 38',
      '/public.events/public.events_1 62',
      '/public.events/public.events_2 38',
    ]);
    expect(found.filter(({ kind }) => kind === 'changes')).toMatchObject([
      { path: '/public.events/public.events_2', rows: 1, backup: `${first.backup.split('/')[0]}/0001` },
    ]);
    const plainTable = await words(['list', '--at', at, '--table', 'public.ord?rs']);
    expect(plainTable.stdout).toMatch(/\/public\.orders +rows +1,000/);
    expect(plainTable.stdout).not.toContain('events');
  });

  test('show tells what a backup holds, its manifest as it is stored, and statements that psql takes', async () => {
    const plain = await words(['show', '--at', at]);
    expect(plain.stdout).toContain(`Incremental backup ${second.backup}`);
    const file = folder.join('backups', 'shop', first.backup.replace('/0000', ''), '0000-full.manifest.json');
    const { sha256, ...stored } = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>;
    expect(sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(await json(['show', first.backup, '--at', at, '--manifest'])).toEqual(stored);
    expect(JSON.parse((await words(['show', first.backup, '--at', at, '--manifest'])).stdout)).toEqual(
      stored,
    );
    const both = await json<{ manifest: unknown; schema: unknown[] }>(['show', first.backup, '--at', at]);
    expect(both.manifest).toEqual(stored);
    expect(await json(['show', first.backup, '--at', at, '--schema'])).toEqual(both.schema);
    const script = await words(['show', first.backup, '--at', at, '--schema']);
    const made = await server.createDatabase();
    await server.psql(made, script.stdout);
    const tables = `SELECT string_agg(relname, ',' ORDER BY relname) FROM pg_class WHERE relnamespace = 'public'::regnamespace`;
    expect(await server.psql(made, tables)).toBe(await server.psql('shop', tables));
  });

  test('check finds nothing wrong, and says how much it read', async () => {
    const plain = await words(['check', '--at', at]);
    expect(plain.stdout).toBe('');
    expect(plain.stderr).toMatch(/^nothing wrong: 4 backups, \d+ chunks, [\d,]+ rows, .* read in /m);
    expect(await json(['check', '--at', at])).toMatchObject({ findings: [], backups: 4 });
    const some = await json<{ chunks: number }>(['check', '/public.orders', first.backup, '--at', at]);
    expect(some).toMatchObject({ findings: [], backups: 1, chunks: 1, rows: 1000 });
  });

  test('restore plans without a change, and restores the newest backup, one by name, and a moment', async () => {
    const before = await stateOf(server);
    const to = server.url('restored', 'keeper');
    const planned = await words(['restore', '--at', at, '--to', to, '--plan']);
    expect(planned.stdout).toMatch(/^Plan, nothing was changed$/m);
    const plan = await json<{ backups: string[]; problems: unknown[]; missing: unknown[] }>([
      ...['restore', '--at', at, '--to', to, '--plan'],
    ]);
    expect(plan).toMatchObject({ problems: [] });
    expect(plan.backups.at(-1)).toBe(second.backup);
    expect(await stateOf(server)).toEqual(before);

    const plain = await words(['restore', '--at', at, '--to', to, '--verify']);
    expect(plain.stdout).toMatch(/^Restored shop as of \S+ into postgres:\/\/keeper@\S+\/restored: /);
    expect(plain.stdout).toContain('verified: everything was read back');
    expect(await contentsOf(server, 'restored')).toEqual(await contentsOf(server, 'shop'));
    expect(await server.psql('restored', "SELECT convert_from(lo_get(4711), 'UTF8'), double(21)")).toBe(
      'a large object|42',
    );
    expect(await server.psql('restored', `SELECT nextval('orders_id_seq')`)).toBe('1001');

    const report = await json<{ verified: boolean; rows: number }>([
      ...['restore', '--at', at, '--to', server.url('by_name', 'keeper'), '--point', first.backup],
    ]);
    expect(report).toMatchObject({ verified: false, rows: 1103 });
    expect(
      await server.psql('by_name', `SELECT count(*), count(*) FILTER (WHERE state = 'paid') FROM orders`),
    ).toBe('1000|0');
    const moment = new Date(second.to.timeMs).toISOString();
    await json(['restore', '--at', at, '--to', server.url('moment', 'keeper'), '--point', moment]);
    expect(await contentsOf(server, 'moment')).toEqual(await contentsOf(server, 'shop'));
    expect(await leftInStaging(staging)).toEqual([]);
    for (const database of ['restored', 'by_name', 'moment']) {
      await server.psql('postgres', `DROP DATABASE ${database} WITH (FORCE)`);
    }
  });

  test('source forget leaves nothing of ours on the server, and the next backup is a full that records the gap', async () => {
    const plain = await words(['source', 'forget', from]);
    expect(plain.stdout).toMatch(/^dropped the replication slot holdfast_shop_[0-9a-f]{12}$/m);
    const ours = (await stateOf(server)).filter((line) => /holdfast/i.test(line));
    expect(ours).toEqual([]);
    expect(await json(['source', 'forget', from])).toMatchObject({ removed: [] });
    expect((await words(['source', 'forget', from])).stdout).toMatch(/^nothing of Holdfast's is in /);
    const next = await json<BackupReport>(['backup', '--from', from, '--to', at]);
    expect(next).toMatchObject({ outcome: 'stored', scope: 'full', gap: expect.stringContaining('is gone') });
    await holdfast(['source', 'forget', from], env());
    expect(await slotsOf(server, 'shop')).toEqual([]);
  });
});
