import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HoldfastError } from '@holdfast/core';
import type { BackupReport, CheckReport, RestorePlanSummary, RestoreReport } from '@holdfast/service';
import { describe, expect, it } from 'vitest';
import type { Perform } from './context.ts';
import { answering, holdfast } from './main.fixture.ts';

const toMs = Date.UTC(2026, 10, 20, 14);

function failing(error: unknown): Perform {
  return () => Promise.reject(error);
}

const backup: BackupReport = {
  outcome: 'stored',
  task: 'shop',
  scope: 'full',
  backup: '20261120T140000Z-db1-g0/0000',
  reason: 'the destination holds no chain of this task',
  to: { position: '0/1', timeMs: toMs },
  rows: 1_234_567,
  changes: 0,
  rawBytes: 1_030_000_000,
  storedBytes: 178_000_000,
  segments: 2,
  destinations: [{ destination: '/backups', stored: true }],
  durationsMs: {},
  notices: ['a slot keeps changes', 'said before'],
};

const plan: RestorePlanSummary = {
  task: 'shop',
  chain: '20261120T140000Z-db1-g0',
  type: 'logical',
  source: { type: 'postgres', identity: 'x', name: 'shop', version: '17.2' },
  backups: ['20261120T140000Z-db1-g0/0000', '20261120T140000Z-db1-g0/0001'],
  point: { timeMs: toMs, exact: false },
  inexact: ['/public.log'],
  tables: 3,
  chunks: 1000,
  changes: 12,
  rows: 1_234_567,
  rawBytes: 1000,
  storedBytes: 100,
  destination: 'file:/b',
  target: 'sqlite:/y.db',
  problems: [],
};

const restored: RestoreReport = {
  plan,
  tables: 3,
  rows: 99,
  verified: true,
  resumedLoads: 1,
  durationsMs: {},
  notices: [],
};

const checked: CheckReport = {
  findings: [],
  backups: 2,
  chunks: 1000,
  rows: 5,
  storedBytes: 100,
  durationMs: 3100,
};

const backupLine = 'backup --from sqlite:./shop.db --to file:b';
const restoreLine = 'restore --at file:b --to sqlite:y.db';

describe('holdfast backup', () => {
  it('tells in words what was stored, and each notice once', async () => {
    const { exitCode, out, err, requests } = await holdfast(backupLine, answering(backup, ['said before']));
    expect(exitCode).toBe(0);
    expect(out).toBe(
      'Full backup shop 20261120T140000Z-db1-g0/0000 stored: 1,234,567 rows, 1.03 GB in 178 MB, 0.0 s\n' +
        'reason: the destination holds no chain of this task\n' +
        'note: a slot keeps changes\n',
    );
    expect(err).toBe('note: said before\n');
    expect(requests).toMatchObject([
      {
        kind: 'backup',
        to: ['file:b'],
        request: { task: 'shop', scope: 'auto', generation: 0, newSource: false },
      },
    ]);
    expect(requests[0]?.request).not.toHaveProperty('keepChanges');
  });

  it('says so when nothing changed, when a run was resumed, and when changes were lost', async () => {
    const unchanged = { ...backup, outcome: 'unchanged', scope: 'incremental' };
    expect((await holdfast(backupLine, answering(unchanged))).out).toContain(
      'Nothing changed in shop since 20261120T140000Z-db1-g0/0000: nothing to store, checked up to 2026-11-20T14:00:00Z',
    );
    const resumed = { ...backup, outcome: 'resumed', gap: 'the slot was dropped' };
    expect((await holdfast(backupLine, answering(resumed))).out).toMatch(
      /stored, from an interrupted run: .*gap: the slot was dropped/s,
    );
  });

  it('prints with --json the report alone, and no progress', async () => {
    const { out, err } = await holdfast(`${backupLine} --json`, answering(backup, ['x']));
    expect(JSON.parse(out)).toEqual(backup);
    expect(err).toBe('');
  });
});

describe('holdfast copy', () => {
  const copied = {
    task: 'shop',
    to: '/mnt/far',
    backups: ['c/0000', 'c/0001'],
    bytes: 1_500_000,
    backupsThere: 3,
    problems: [],
    notices: [],
    durationMs: 10,
  };
  const line = 'copy --task shop --from file:near --to file:far';

  it('by URLs copies everything, without a node', async () => {
    const { exitCode, out, requests } = await holdfast(line, answering(copied));
    expect([exitCode, out]).toEqual([
      0,
      'Copied 2 backups of shop to /mnt/far: 1.50 MB, 0.0 s, 3 backups had been there before\n',
    ]);
    expect(requests).toEqual([
      { kind: 'copy', from: ['file:near'], to: 'file:far', request: { task: 'shop', chains: 'all' } },
    ]);
  });

  it('says what could not be copied, and ends with exit code 2', async () => {
    const report = { ...copied, problems: ['chain c is damaged there'] };
    const { exitCode, out } = await holdfast(line, answering(report));
    expect(exitCode).toBe(2);
    expect(out).toContain('problem: chain c is damaged there\n');
  });

  it.each([
    ['copy --task shop --from near --to file:far', 'two URLs, or two declared names'],
    ['copy --task shop --to file:far', 'where to copy from is not said'],
  ])('%s is refused: %s', async (wrong, says) => {
    const { exitCode, err } = await holdfast(wrong, answering(copied));
    expect(exitCode).toBe(2);
    expect(err).toContain(says);
  });
});

describe('holdfast check', () => {
  it('prints nothing on stdout when nothing is wrong', async () => {
    const { exitCode, out, err } = await holdfast('check --at file:b', answering(checked));
    expect([exitCode, out]).toEqual([0, '']);
    expect(err).toBe('nothing wrong: 2 backups, 1,000 chunks, 5 rows, 100 B read in 3.1 s\n');
  });

  it('prints what is wrong as a table, and ends with exit code 4', async () => {
    const finding = {
      finding: 'missing',
      task: 'shop',
      backup: 'c/0000',
      object: 'shop/c/x.zst',
      detail: 'gone',
    };
    const report = { ...checked, findings: [finding] };
    const { exitCode, out, err } = await holdfast('check /a /b --at file:b', answering(report));
    expect(exitCode).toBe(4);
    expect(out).toBe(
      'FINDING  TASK  BACKUP  PATH  OBJECT        DETAIL\nmissing  shop  c/0000  -     shop/c/x.zst  gone\n',
    );
    expect(err).toMatch(/^1 finding: /);
    const json = await holdfast('check --at file:b --json', answering(report));
    expect([json.exitCode, JSON.parse(json.out), json.err]).toEqual([4, report, '']);
  });
});

describe('holdfast restore', () => {
  it('tells what was restored, how it was compared, and what is inexact', async () => {
    const { exitCode, out, requests } = await holdfast(`${restoreLine} --verify`, answering(restored));
    expect(exitCode).toBe(0);
    expect(out).toBe(
      'Restored shop as of 2026-11-20T14:00:00Z into sqlite:/y.db: 3 tables, 99 rows, 0.0 s\n' +
        'verified: everything was read back from the target and is the same\n' +
        'resumed: 1 load had been finished by an interrupted restore\n' +
        'inexact: /public.log is as of the backup before that moment\n',
    );
    expect(requests).toMatchObject([
      { kind: 'restore', planOnly: false, request: { verify: true, noOwner: false, startTimeoutMs: 15_000 } },
    ]);
  });

  it('shows a plan, and ends like the restore would', async () => {
    const line = `${restoreLine} --plan --point 2026-11-20T14:00:00Z`;
    const good = await holdfast(line, answering(plan));
    expect(good.exitCode).toBe(0);
    expect(good.out).toContain('as of  2026-11-20T14:00:00Z (not exact for every table)');
    expect(good.out).toContain('0000 and 1 incremental up to 20261120T140000Z-db1-g0/0001');
    expect(good.requests).toMatchObject([{ planOnly: true, request: { point: { timeMs: toMs } } }]);
    const problem = {
      check: 'empty',
      ok: false,
      severity: 'error',
      message: 'not empty',
      hint: 'choose another',
    };
    const blocked = await holdfast(line, answering({ ...plan, problems: [problem] }));
    expect([blocked.exitCode, blocked.out]).toEqual([
      2,
      expect.stringContaining('error: not empty (choose another)'),
    ]);
  });
});

describe('failures', () => {
  it('have a code, a reason, a hint and an exit code of their own', async () => {
    const error = new HoldfastError('corrupt', 'bytes differ', { hint: 'restore from another destination' });
    const { exitCode, out, err } = await holdfast(restoreLine, failing(error));
    expect([exitCode, out]).toEqual([4, '']);
    expect(err).toBe('holdfast: [corrupt] bytes differ\nhint: restore from another destination\n');
  });

  it.each([
    ['cancelled', 130],
    ['unavailable', 3],
    ['unsupported', 2],
    ['internal', 1],
  ] as const)('%s ends with exit code %d', async (code, exitCode) => {
    expect((await holdfast(backupLine, failing(new HoldfastError(code, 'x')))).exitCode).toBe(exitCode);
  });

  it('are JSON on stderr with --json, also those of usage', async () => {
    const { exitCode, out, err } = await holdfast('backup --json --form x');
    expect([exitCode, out]).toEqual([2, '']);
    expect(JSON.parse(err)).toEqual({
      error: { code: 'config_invalid', message: "unknown option '--form'", hint: expect.any(String) },
    });
  });

  it('show a stack only to who asks for it', async () => {
    const bug = failing(new TypeError('x is undefined'));
    const quiet = await holdfast(backupLine, bug);
    expect(quiet.err).toBe(
      'holdfast: [internal] x is undefined\nhint: this is a bug: run it again with --debug and report what it prints\n',
    );
    expect((await holdfast(`${backupLine} --debug`, bug)).err).toContain(
      'caused by: TypeError: x is undefined',
    );
    expect((await holdfast(backupLine, bug, { HOLDFAST_DEBUG: '1' })).err).toContain('caused by: TypeError');
  });
});

describe('secrets', () => {
  it('on the command line are warned of once, and not printed', async () => {
    const line = 'backup --from postgres://u:hunter2@h/shop --to file:b';
    const { err } = await holdfast(line, answering(backup));
    expect(err).toMatch(/^warning: postgres:\/\/u:\[secret\]@h\/shop holds a secret/);
    expect(err).not.toContain('hunter2');
    const json = await holdfast(`${line} --json`, answering(backup));
    expect(JSON.parse(json.err)).toEqual({ warning: { message: expect.stringContaining('[secret]') } });
  });
});

describe('an empty destination', () => {
  it('is listed as such, and a task that it should hold is missed', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-cli-'));
    try {
      const empty = await holdfast(`list --at file:${folder}`);
      expect([empty.exitCode, empty.out, empty.err]).toEqual([0, '', `no backups at file:${folder}\n`]);
      expect((await holdfast(`list --at file:${folder} --json`)).out).toBe('{\n  "tasks": []\n}\n');
      expect((await holdfast(`list --at file:${folder} --task shop`)).exitCode).toBe(4);
      expect((await holdfast(`show --at file:${folder}`)).exitCode).toBe(4);
      const doctor = await holdfast(`doctor file:${folder}`);
      expect(doctor).toMatchObject({ exitCode: 0, out: expect.stringContaining('ok       delete it') });
      expect((await holdfast('doctor nosuch:x')).exitCode).toBe(2);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
