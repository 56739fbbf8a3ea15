import {
  freePort,
  type PostgresServer,
  startPostgres,
  startStandby,
  temporaryFolder,
} from '@holdfast/testing';
import { expect, test } from 'vitest';
import { catchRun } from './harness/caught-run.ts';
import { type Contents, contentsOf, differences } from './harness/postgres-contents.ts';
import { holdfast, type Outcome, runHoldfast } from './harness/run-holdfast.ts';
import { slotsOf } from './harness/server-state.ts';
import { Wire } from './harness/wire.ts';

interface Report {
  readonly outcome: string;
  readonly scope: string;
  readonly backup: string;
  readonly reason: string;
  readonly gap?: string;
}

interface Listing {
  readonly tasks: readonly {
    readonly chains: readonly {
      readonly chain: string;
      readonly backups: readonly { readonly backup: string; readonly restorable: boolean }[];
    }[];
    readonly strays: readonly string[];
  }[];
}

const chainOf = ({ backup }: Report): string => backup.split('/')[0] ?? '';

async function write(server: PostgresServer, what: string): Promise<void> {
  await server.psql(
    'shop',
    `INSERT INTO orders (note) SELECT '${what} ' || i FROM generate_series(1, 500) i;
     UPDATE orders SET note = note || '!' WHERE id % 7 = 0; DELETE FROM orders WHERE id % 11 = 0;
     INSERT INTO lines VALUES ('${what}')`,
  );
}

test('a task follows the primary of three servers through failovers, and mixes no two of them', async () => {
  await using first = await startPostgres();
  await first.createDatabase('shop');
  await first.psql(
    'shop',
    `CREATE TABLE orders (id serial PRIMARY KEY, note text); CREATE TABLE lines (line text);
     CREATE TABLE pictures (id int PRIMARY KEY, bytes text);
     INSERT INTO pictures SELECT i, (SELECT string_agg(md5(i::text || '/' || k), '') FROM generate_series(1, 100) k)
       FROM generate_series(1, 2000) i`,
  );
  await using second = await startStandby(first);
  await using target = await startPostgres();
  await using folder = await temporaryFolder();
  // Data of the second server can be held on its way.
  await using wire = await Wire.open(second);
  const wired = new URL(wire.url('shop')).host;
  const [dead, one] = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${first.port}`];
  const from = `postgres://postgres@${dead},${one},${wired}/shop?target_session_attrs=primary`;
  const at = `file:${folder.join('backups')}`;
  const env = { HOLDFAST_STAGING: folder.join('staging') };
  const args = ['backup', '--from', from, '--to', at, '--auto'];
  const made: { readonly report: Report; readonly contents: Contents }[] = [];

  const backUp = async (server: PostgresServer): Promise<Report> => {
    const report = await holdfast<Report>(args, { env });
    made.push({ report, contents: await contentsOf(server, 'shop') });
    return report;
  };
  const refused = async (): Promise<Outcome> => {
    const before = await holdfast<Listing>(['list', '--at', at], { env });
    const outcome = await runHoldfast([...args, '--json'], { env });
    expect(outcome.code).not.toBe(0);
    expect(await holdfast<Listing>(['list', '--at', at], { env })).toEqual(before);
    return outcome;
  };

  expect(await backUp(first)).toMatchObject({ outcome: 'stored', scope: 'full' });
  await write(first, 'at the first');
  expect(await backUp(first)).toMatchObject({ outcome: 'stored', scope: 'incremental' });
  const slots = await slotsOf(first, 'shop');
  expect(slots).toHaveLength(1);

  // While nobody is the primary, there is nothing to back up.
  await write(first, 'not backed up before the failover');
  await second.catchUp(first);
  await first.stop('kill');
  const headless = await refused();
  expect(headless.stderr).toMatch(/unavailable.*no server fits/s);
  for (const host of [dead, one, `${wired}/shop is a standby, wanted is primary`])
    expect(headless.stderr).toContain(host);

  // The slot has not come along: a full in a new chain, which says why.
  await second.promote();
  // One of the same name, made by hand, cannot say what happened before it.
  await second.psql('shop', `SELECT pg_create_logical_replication_slot('${slots[0]}', 'test_decoding')`);
  await write(second, 'at the second');
  const moved = await backUp(second);
  expect(moved).toMatchObject({ outcome: 'stored', scope: 'full' });
  for (const words of [moved.reason, moved.gap])
    expect(words).toMatch(/continuity lost: the server was promoted.* timeline 2, the chain on 1/);
  expect(chainOf(moved)).not.toBe(chainOf(made[0]?.report as Report));
  await write(second, 'more at the second');
  const after = await backUp(second);
  expect(after).toMatchObject({ outcome: 'stored', scope: 'incremental' });
  expect(chainOf(after)).toBe(chainOf(moved));
  const [atSecond = ''] = await slotsOf(second, 'shop');

  // The old primary comes back as if nothing had been.
  await first.start();
  await write(first, 'by whoever still believes in the first');
  const split = await refused();
  expect(split.stderr).toContain('precondition_failed');
  expect(split.stderr).toContain(
    `two servers claim to be the primary: ${one}/shop (timeline 1) and ${wired}/shop (timeline 2)`,
  );
  await first.stop('kill');

  // The second one dies in the middle of a full: nothing of it is stored, though the other one is there again at once.
  const before = await holdfast<Listing>(['list', '--at', at], { env });
  const full = args.map((arg) => (arg === '--auto' ? '--full' : arg));
  const run = await catchRun(wire, 'from server', [...full, '--keep-changes'], { env });
  await second.stop('kill');
  await first.start();
  wire.release();
  const { code, stderr } = await run.ended;
  expect(code).not.toBe(0);
  expect(stderr).toMatch(/"code":\s*"(source_failed|unavailable)"/);
  expect(stderr).toContain(wired);
  expect(await holdfast<Listing>(['list', '--at', at], { env })).toEqual(before);

  // The first one alone, with the slot of its old chain: that one is over, and a full says so.
  expect(await slotsOf(first, 'shop')).toEqual(slots);
  const back = await backUp(first);
  expect(back).toMatchObject({
    outcome: 'stored',
    scope: 'full',
    gap: expect.stringContaining(
      'left behind by a failover, or restored: it is on timeline 1, the chain on 2',
    ),
  });
  await write(first, 'again at the first');
  expect(await backUp(first)).toMatchObject({ outcome: 'stored', scope: 'incremental' });

  // The second one comes back alone: its chain was the newest but one, and is not taken up behind the newest one's back.
  await first.stop('kill');
  await second.start();
  expect(await slotsOf(second, 'shop')).toContain(atSecond);
  expect(await backUp(second)).toMatchObject({
    outcome: 'stored',
    scope: 'full',
    gap: expect.stringContaining('it is on timeline 2, the chain on 1'),
  });
  expect(await slotsOf(second, 'shop')).not.toContain(atSecond);

  const { tasks } = await holdfast<Listing>(['list', '--at', at], { env });
  const listed = tasks.flatMap(({ chains }) => chains.flatMap(({ backups }) => backups));
  expect(listed.map(({ restorable }) => restorable)).toEqual(made.map(() => true));
  expect(tasks.flatMap(({ strays }) => strays)).toEqual([]);
  expect(await holdfast(['check', '--at', at], { env })).toMatchObject({ findings: [] });
  for (const [index, { report, contents }] of made.entries()) {
    const restored = `point_${index}`;
    await holdfast(
      ['restore', '--at', at, '--to', target.url(restored), '--point', report.backup, '--verify'],
      { env },
    );
    expect(differences(await contentsOf(target, restored), contents), report.backup).toEqual([]);
  }
});
