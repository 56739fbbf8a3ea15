// biome-ignore-all lint/suspicious/noTemplateCurlyInString: this placeholder is Holdfast's own
import type { CheckReport, RestorePlanSummary, RestoreReport, Volume } from '@holdfast/service';
import { describe, expect, it, test } from 'vitest';
import { answering, holdfast } from '../main.fixture.ts';
import { ProgressLine } from '../progress.ts';
import { coldRemark } from './cold-text.ts';

const line = 'restore --at s3://b/x --to sqlite:y.db';
const none: Volume = { segments: 0, bytes: 0 };
const gigabytes = (segments: number): Volume => ({ segments, bytes: segments * 1e9 });
const readyByMs = Date.UTC(2026, 10, 20, 19);

const plan: RestorePlanSummary = {
  task: 'shop',
  chain: '20261120T140000Z-db1-g0',
  type: 'logical',
  source: { type: 'sqlite', identity: 'x', name: 'shop', version: '3' },
  backups: ['20261120T140000Z-db1-g0/0000'],
  point: { timeMs: 0, exact: true },
  inexact: [],
  tables: 1,
  chunks: 1,
  changes: 0,
  rows: 1,
  rawBytes: 1,
  storedBytes: 1,
  destination: 's3://b/x',
  target: 'sqlite:y.db',
  problems: [],
};
const cold: RestorePlanSummary['cold'] = {
  reads: gigabytes(10),
  segments: [
    { key: 'a', bytes: 1e9, storageClass: 'DEEP', access: 'cold' },
    { key: 'b', bytes: 2e9, storageClass: 'DEEP', access: 'thawing' },
    { key: 'c', bytes: 3e9, storageClass: 'COLD', access: 'thawed' },
  ],
  classes: [
    { storageClass: 'COLD', cold: none, thawing: none, thawed: gigabytes(1) },
    { storageClass: 'DEEP', cold: gigabytes(2), thawing: gigabytes(1), thawed: none },
  ],
  ways: [
    { storageClass: 'DEEP', tier: 'standard', wait: '12 hours', waitMsMax: 1, cost: 'each request' },
    { storageClass: 'DEEP', tier: 'bulk', wait: '48 hours', waitMsMax: 1, cost: 'less of it' },
  ],
};
const waiting: RestoreReport = {
  plan,
  thawing: {
    tier: 'bulk',
    days: 7,
    asked: gigabytes(3),
    thawing: gigabytes(1),
    thawed: gigabytes(2),
    readyByMs,
  },
  tables: 0,
  rows: 0,
  verified: false,
  resumedLoads: 0,
  durationsMs: {},
  notices: [],
};

describe('a plan', () => {
  it('says what must be thawed first, and what each tier takes and costs, and ends well', async () => {
    const { exitCode, out } = await holdfast(`${line} --plan`, answering({ ...plan, cold }));
    expect(exitCode).toBe(0);
    expect(out).toContain(
      'In cold storage: 2 of the 10 segments (10.0 GB) to read must be thawed first\n' +
        '  COLD: 1 segment (1.00 GB) thawed\n' +
        '  DEEP: 2 segments (2.00 GB) cold, 1 segment (1.00 GB) being thawed\n' +
        '  TO THAW          CLASS  TAKES     COSTS\n' +
        '  --thaw standard  DEEP   12 hours  each request\n' +
        '  --thaw bulk      DEEP   48 hours  less of it\n',
    );
    const json = await holdfast(`${line} --plan --json`, answering({ ...plan, cold }));
    expect(JSON.parse(json.out).cold).toEqual(cold);
  });

  it('says so when all of it is thawed', async () => {
    const thawed = { ...cold, segments: cold.segments.slice(2), ways: [] };
    const { out } = await holdfast(`${line} --plan`, answering({ ...plan, cold: thawed }));
    expect(out).toContain(
      'In cold storage, all of it thawed: 1 segment of the 10 segments (10.0 GB) to read\n',
    );
    expect(out).not.toContain('--thaw');
  });
});

describe('a restore', () => {
  it('is told how to thaw, for seven days unless it is said', async () => {
    const thawOf = async (options: string): Promise<unknown> => {
      const { requests } = await holdfast(`${line}${options}`, answering(waiting));
      return requests[0]?.kind === 'restore' ? requests[0].request.thaw : 'no restore';
    };
    expect(await thawOf('')).toBeUndefined();
    expect(await thawOf(' --thaw bulk')).toEqual({ tier: 'bulk', days: 7, wait: true });
    expect(await thawOf(' --thaw standard --thaw-days 30 --no-wait')).toEqual({
      tier: 'standard',
      days: 30,
      wait: false,
    });
  });

  it.each([
    ['--no-wait', '--thaw is missing'],
    ['--thaw-days 3', '--thaw is missing'],
    ['--thaw slow', '--thaw takes standard or bulk or expedited'],
    ['--thaw bulk --thaw-days 0', 'from 1 to 365'],
    ['--thaw bulk --plan', 'cannot be used with'],
  ])('takes no %s', async (options, reason) => {
    const { exitCode, err } = await holdfast(`${line} ${options}`, answering(waiting));
    expect(exitCode).toBe(2);
    expect(err).toContain(reason);
  });

  it('that does not wait prints what it asked for, and the command to run again', async () => {
    const options = '--thaw bulk --no-wait --point 2026-11-20T14:00:00Z --start-timeout 2m --workers 2';
    const at = 's3://key:hunter2@b/x';
    const { exitCode, out } = await holdfast(
      `restore --at ${at} --to sqlite:\${env:HOME}/y.db ${options}`,
      answering(waiting),
    );
    expect(exitCode).toBe(0);
    expect(out).toBe(
      'Nothing is restored yet: what it reads has to be thawed first\n' +
        'asked for: 3 segments (3.00 GB), bulk, for 7 days, readable by about 2026-11-20T19:00:00Z\n' +
        'asked for before, being thawed: 1 segment (1.00 GB)\n' +
        'thawed: 2 segments (2.00 GB)\n' +
        "to go on: holdfast restore --at 's3://key:[secret]@b/x' --to 'sqlite:${env:HOME}/y.db' " +
        '--point 2026-11-20T14:00:00Z --start-timeout 120s --thaw bulk --no-wait --workers 2\n',
    );
    const again = out.slice(out.indexOf('restore --at'), -1).replaceAll("'", '');
    const { requests } = await holdfast(again, answering(waiting));
    expect(requests[0]?.request).toMatchObject({
      startTimeoutMs: 120_000,
      thaw: { tier: 'bulk', wait: false },
    });
    const json = await holdfast(`${line} --thaw bulk --no-wait --json`, answering(waiting));
    expect(JSON.parse(json.out)).toEqual(waiting);
  });
});

test('a check says what it only looked at, and ends well when nothing is wrong', async () => {
  const report: CheckReport = {
    findings: [],
    backups: 2,
    chunks: 0,
    rows: 0,
    storedBytes: 0,
    unread: { ...gigabytes(12), storageClasses: ['COLD', 'DEEP'], chunks: 40 },
    durationMs: 100,
  };
  const { exitCode, out, err } = await holdfast('check --at s3://b/x', answering(report));
  expect([exitCode, out]).toEqual([0, '']);
  expect(err).toBe(
    'nothing wrong: 2 backups, no chunks, no rows, 0 B read in 0.1 s\n' +
      'not read: 12 segments (12.0 GB) in cold storage (COLD, DEEP); only looked at, whether they are there and of the right size\n',
  );
});

test('a listing remarks what of a backup is cold', () => {
  const stock = { ...gigabytes(2), storageClasses: ['DEEP'] };
  expect(coldRemark(undefined, 2)).toBe('');
  expect(coldRemark(stock, 2)).toBe('cold (DEEP)');
  expect(coldRemark({ ...stock, storageClasses: [''] }, 5)).toBe('2 of 5 segments cold');
});

test('the progress of a thaw has no rate, which would promise an end', () => {
  let nowMs = 0;
  const written: string[] = [];
  const out = { isTerminal: true, columns: () => 80, write: (text: string) => void written.push(text) };
  const progress = new ProgressLine({
    out,
    clock: { now: () => 0, elapsed: () => nowMs, sleep: () => Promise.resolve() },
  });
  for (const doneBytes of [0, 1e9, 2e9]) {
    progress.show({ kind: 'progress', phase: 'thawing', doneBytes, totalBytes: 4e9, rows: 0 });
    nowMs += 300_000;
  }
  expect(written.at(-1)).toBe('\rthawing   50 %  2.00 GB of 4.00 GB\x1b[K');
});
