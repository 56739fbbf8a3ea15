import { setTimeout as sleep } from 'node:timers/promises';
import { startPostgres, temporaryFolder } from '@holdfast/testing';
import { expect, test } from 'vitest';
import { Bank, bankTotal } from './harness/bank.ts';
import { PhysicalHistory } from './harness/physical-history.ts';
import { contentsOf, differences } from './harness/postgres-contents.ts';
import { holdfast } from './harness/run-holdfast.ts';

interface Report {
  readonly outcome: string;
  readonly scope: string;
  readonly backup: string;
  readonly to: { readonly position: string; readonly timeMs: number };
}

/** What the schema goes through between the backups, while money moves. */
const ddl = [
  '',
  "ALTER TABLE events ADD COLUMN source text DEFAULT 'branch'",
  'CREATE TABLE fees (id int PRIMARY KEY, amount numeric); INSERT INTO fees SELECT i, i / 7.0 FROM generate_series(1, 50) i',
  'CREATE INDEX accounts_balance ON accounts (balance); TRUNCATE fees; INSERT INTO fees VALUES (1, 1.50)',
  "CREATE TABLE events_3 PARTITION OF events FOR VALUES FROM ('2026-03-01') TO ('2026-04-01'); INSERT INTO events (day, what) VALUES ('2026-03-05', 'march')",
  'ALTER TABLE fees RENAME TO charges; UPDATE accounts SET id = id WHERE id < 10',
  'ALTER TABLE events DETACH PARTITION events_1; DROP TABLE charges',
  "CREATE UNLOGGED TABLE scratch (a int); INSERT INTO scratch VALUES (1), (2); UPDATE accounts SET note = note || '!' WHERE id % 100 = 0",
  'ALTER TABLE accounts ADD COLUMN owner text; UPDATE scratch SET a = 3 WHERE a = 2',
];

test('ten backups while money moves: every restore point and moment is the state that the source was in', async () => {
  const { folder: history, settings } = await PhysicalHistory.archive();
  await using source = await startPostgres({ settings });
  // Restores go elsewhere: their log is none of the source's history.
  await using target = await startPostgres();
  await using folder = await temporaryFolder();
  const database = await source.createDatabase('bank');
  await using past = await PhysicalHistory.begin(source, history);
  const bank = await Bank.open(source, database);
  const env = { HOLDFAST_STAGING: folder.join('staging') };
  const at = `file:${folder.join('backups')}`;
  const reports: Report[] = [];
  const moments: number[] = [];
  try {
    for (const [index, statements] of ['', ...ddl].entries()) {
      if (statements) await bank.execute(statements);
      await sleep(150);
      // A moment in the middle of the changes that this backup will hold, after its schema changes.
      if ([1, 2, 4, 6, 8].includes(index)) moments.push(Date.now());
      await sleep(150);
      reports.push(
        await holdfast<Report>(['backup', '--from', source.url(database), '--to', at, '--auto'], { env }),
      );
    }
  } finally {
    await bank.stop();
  }
  expect(bank.transfers).toBeGreaterThan(200);
  expect(reports.map(({ scope }) => scope)).toEqual(['full', ...Array(9).fill('incremental')]);
  expect(reports.map(({ outcome }) => outcome)).toEqual(Array(10).fill('stored'));

  for (const [index, { backup, to }] of reports.entries()) {
    const restored = `point_${index}`;
    await holdfast(['restore', '--at', at, '--to', target.url(restored), '--point', backup, '--verify'], {
      env,
    });
    const contents = await contentsOf(target, restored);
    expect(sumOf(contents.get('public.accounts') ?? [])).toBe(bankTotal);
    await using then = await past.at({ position: to.position });
    const truth = await logged(contentsOf(then, database), contents);
    expect(differences(contents, truth), backup).toEqual([]);
  }
  for (const [index, timeMs] of moments.entries()) {
    const restored = `moment_${index}`;
    const point = new Date(timeMs).toISOString();
    const plan = await holdfast<{ inexact: string[] }>(
      ['restore', '--at', at, '--to', target.url(restored), '--point', point, '--plan'],
      { env },
    );
    await holdfast(['restore', '--at', at, '--to', target.url(restored), '--point', point, '--verify'], {
      env,
    });
    const contents = await contentsOf(target, restored);
    expect(sumOf(contents.get('public.accounts') ?? [])).toBe(bankTotal);
    await using then = await past.at({ timeMs });
    const truth = await contentsOf(then, database);
    const inexact = plan.inexact.map((path) => path.split('/').at(-1));
    const exact = (tables: typeof truth): typeof truth =>
      new Map([...tables].filter(([table]) => !inexact.includes(table)));
    expect(differences(exact(contents), exact(truth)), point).toEqual([]);
    expect(inexact).not.toContain('public.accounts');
  }
});

/** A crash empties unlogged tables, and a physical replay is one: what the log does not carry cannot be compared. */
async function logged(
  truth: ReturnType<typeof contentsOf>,
  restored: Awaited<ReturnType<typeof contentsOf>>,
): ReturnType<typeof contentsOf> {
  const tables = new Map(await truth);
  const scratch = restored.get('public.scratch');
  if (tables.has('public.scratch') && scratch) tables.set('public.scratch', scratch);
  return tables;
}

function sumOf(accounts: readonly string[]): number {
  return accounts.reduce((sum, row) => sum + Number(row.split(',')[1]), 0);
}
