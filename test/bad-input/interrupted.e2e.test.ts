import { rename } from 'node:fs/promises';
import type { PostgresServer, TemporaryFolder } from '@holdfast/testing';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type CaughtRun, catchRun } from '../harness/caught-run.ts';
import { assertFailure, type ExpectedFailure, expectFailure } from '../harness/failure.ts';
import { contentsOf } from '../harness/postgres-contents.ts';
import { hasEnded, until } from '../harness/processes.ts';
import { holdfast } from '../harness/run-holdfast.ts';
import { slotsOf, stateOf } from '../harness/server-state.ts';
import { leftInStaging, storedAt } from '../harness/tree.ts';
import type { Wire } from '../harness/wire.ts';
import { openShop } from './shop.fixture.ts';

let server: PostgresServer;
let folder: TemporaryFolder;
let wire: Wire;
let before: { readonly server: readonly string[]; readonly stored: object };

beforeAll(async () => {
  const shop = await openShop();
  ({ server, folder, wire } = shop);
  await holdfast(backup(), env());
  return () => shop[Symbol.asyncDispose]();
});

beforeEach(async () => {
  before = { server: await stateOf(server), stored: await storedAt(folder.join('backups')) };
});

const env = (): { env: Record<string, string> } => ({ env: { HOLDFAST_STAGING: folder.join('staging') } });
const at = (): string => `file:${folder.join('backups')}`;

function backup(url = server.url('shop'), ...options: string[]): string[] {
  return ['backup', '--from', url, '--to', at(), ...options];
}

function restore(url: string, ...options: string[]): string[] {
  return ['restore', '--at', at(), '--to', url, ...options];
}

function caught(args: readonly string[], direction: 'from server' | 'to server'): Promise<CaughtRun> {
  return catchRun(wire, direction, args, env());
}

const stopped = (signal: string): ExpectedFailure => ({
  code: 'cancelled',
  exit: 130,
  says: [signal],
  hint: undefined,
});

/** The server, the destination and staging are as if the command had never run; its processes and sessions are gone. */
async function expectNoTrace(run: CaughtRun): Promise<void> {
  await until('the processes end', async () => (await hasEnded(run.pid)) && (await hasEnded(run.child)));
  await until('the sessions end', async () => {
    const sessions = `SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'holdfast%'`;
    return (await server.psql('postgres', sessions)) === '0';
  });
  expect(await stateOf(server)).toEqual(before.server);
  expect(await storedAt(folder.join('backups'))).toEqual(before.stored);
  expect(await leftInStaging(folder.join('staging'))).toEqual([]);
}

describe('a backup in the middle of its data', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)(
    'stops at %s: exit code 130, no slot, nothing stored',
    async (signal) => {
      const run = await caught(backup(wire.url('shop'), '--full', '--keep-changes'), 'from server');
      expect(await slotsOf(server, 'shop')).toHaveLength(2);
      expect(await leftInStaging(folder.join('staging'))).not.toEqual([]);
      process.kill(run.pid, signal);
      assertFailure(await run.ended, stopped(`stopped by ${signal}`));
      await expectNoTrace(run);
      wire.release();
    },
  );

  test('stops at SIGTERM in an incremental, and the next one has all changes', async () => {
    await server.psql('shop', `UPDATE orders SET note = note || '!'`);
    const run = await caught(backup(wire.url('shop'), '--incremental'), 'from server');
    process.kill(run.pid, 'SIGTERM');
    assertFailure(await run.ended, stopped('stopped by SIGTERM'));
    await expectNoTrace(run);
    wire.release();
    expect(await holdfast(backup(undefined, '--incremental'), env())).toMatchObject({ outcome: 'stored' });
    await holdfast(restore(server.url('after'), '--verify'), env());
    expect(await contentsOf(server, 'after')).toEqual(await contentsOf(server, 'shop'));
    await server.psql('postgres', 'DROP DATABASE after WITH (FORCE)');
  });

  test('ends when the command that asked for it is killed: no process, no slot, nothing stored', async () => {
    const run = await caught(backup(wire.url('shop'), '--full', '--keep-changes'), 'from server');
    process.kill(run.pid, 'SIGKILL');
    expect(await run.ended).toMatchObject({ code: null, signal: 'SIGKILL' });
    await expectNoTrace(run);
    wire.release();
  });

  test('that is killed itself is reported, and the next run removes what it left', async () => {
    const run = await caught(backup(wire.url('shop'), '--full', '--keep-changes'), 'from server');
    process.kill(run.child, 'SIGKILL');
    assertFailure(await run.ended, {
      code: 'unavailable',
      exit: 3,
      says: [`the run's process was ended by SIGKILL`],
      hint: 'run the same command again',
    });
    wire.release();
    expect(await storedAt(folder.join('backups'))).toEqual(before.stored);
    expect(await slotsOf(server, 'shop')).toHaveLength(2);
    const next = await holdfast<{ outcome: string; notices: string[] }>(backup(), env());
    expect(next.notices).toContainEqual(
      expect.stringMatching(/^what an interrupted run \(\S+\) left behind was removed$/),
    );
    expect(next).toMatchObject({ outcome: 'unchanged' });
    await expectNoTrace(run);
  });

  test('whose destination goes away fails, and the next run stores what it has read', async () => {
    const run = await caught(backup(wire.url('shop'), '--full', '--keep-changes'), 'from server');
    await rename(folder.join('backups'), folder.join('backups-away'));
    wire.release();
    const outcome = await run.ended;
    await rename(folder.join('backups-away'), folder.join('backups'));
    assertFailure(outcome, {
      code: 'unavailable',
      exit: 3,
      says: ['the mount is gone', `${folder.join('backups')} does not exist`],
      hint: 'findmnt',
    });
    expect(await storedAt(folder.join('backups'))).toEqual(before.stored);
    // It was read whole: it waits, and so do its changes.
    expect(await leftInStaging(folder.join('staging'))).toContainEqual(
      expect.stringMatching(/\/sealed\.json$/),
    );
    expect(await slotsOf(server, 'shop')).toHaveLength(2);
    const next = await holdfast<{ outcome: string; notices: string[] }>(backup(), env());
    expect(next).toMatchObject({ outcome: 'unchanged' });
    expect(next.notices).toContainEqual(expect.stringMatching(/^an interrupted run was finished: /));
    const backups = (tree: object): number =>
      Object.keys(tree).filter((name) => name.endsWith('.manifest.json')).length;
    expect(backups(await storedAt(folder.join('backups')))).toBe(backups(before.stored) + 1);
    expect(await slotsOf(server, 'shop')).toHaveLength(1);
    expect(await leftInStaging(folder.join('staging'))).toEqual([]);
  });
});

describe('a restore in the middle of its data', () => {
  test('stops at SIGTERM: exit code 130, and the database in the making is gone', async () => {
    const run = await caught(restore(wire.url('restored')), 'to server');
    expect(await stateOf(server)).toContainEqual(expect.stringMatching(/^database restored_holdfast_/));
    process.kill(run.pid, 'SIGTERM');
    assertFailure(await run.ended, stopped('stopped by SIGTERM'));
    await expectNoTrace(run);
    wire.release();
  });

  test('ends when the command that asked for it is killed, and leaves no database', async () => {
    const run = await caught(restore(wire.url('restored')), 'to server');
    process.kill(run.pid, 'SIGKILL');
    await run.ended;
    await expectNoTrace(run);
    wire.release();
  });

  test('keeps a second one into the same target away, which names the first', async () => {
    const run = await caught(restore(wire.url('restored')), 'to server');
    const during = await stateOf(server);
    await expectFailure(
      restore(server.url('restored'), '--start-timeout', '300ms'),
      {
        code: 'conflict',
        exit: 3,
        says: ['another restore into restored is running', /process \d+/],
        hint: 'wait for its end, or stop it',
      },
      env(),
    );
    expect(await stateOf(server)).toEqual(during);
    wire.release();
    expect(await run.ended).toMatchObject({ code: 0 });
    expect(await contentsOf(server, 'restored')).toEqual(await contentsOf(server, 'shop'));
    await server.psql('postgres', 'DROP DATABASE restored WITH (FORCE)');
  });
});
