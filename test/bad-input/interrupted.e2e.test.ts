import { rename } from 'node:fs/promises';
import { type PostgresServer, startPostgres, type TemporaryFolder, temporaryFolder } from '@holdfast/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { assertFailure, type ExpectedFailure, expectFailure } from '../harness/failure.ts';
import { contentsOf } from '../harness/postgres-contents.ts';
import { childrenOf, hasEnded, until } from '../harness/processes.ts';
import { holdfast, type Outcome, runHoldfast } from '../harness/run-holdfast.ts';
import { slotsOf, stateOf } from '../harness/server-state.ts';
import { leftInStaging, storedAt } from '../harness/tree.ts';
import { Wire } from '../harness/wire.ts';

/** A run is caught when so much of the data has passed: there is more of it in the database. */
const caughtAfterBytes = 512 * 1024;

let server: PostgresServer;
let folder: TemporaryFolder;
let wire: Wire;
let before: { readonly server: readonly string[]; readonly stored: object };

beforeAll(async () => {
  folder = await temporaryFolder();
  server = await startPostgres();
  wire = await Wire.open(server);
  await server.createDatabase('shop');
  await server.psql(
    'shop',
    `CREATE TABLE orders (id int PRIMARY KEY, note text);
     INSERT INTO orders SELECT i, md5(i::text) || md5(i::text || 'x') FROM generate_series(1, 30000) i`,
  );
  await holdfast(backup(), env());
});

afterAll(async () => {
  await wire?.[Symbol.asyncDispose]();
  await server?.remove();
  await folder?.[Symbol.asyncDispose]();
});

beforeEach(async () => {
  before = { server: await stateOf(server), stored: await storedAt(folder.join('backups')) };
});

const env = (staging = 'staging'): { env: Record<string, string> } => ({
  env: { HOLDFAST_STAGING: folder.join(staging) },
});
const at = (): string => `file:${folder.join('backups')}`;

function backup(url = server.url('shop'), ...options: string[]): string[] {
  return ['backup', '--from', url, '--to', at(), ...options];
}

function restore(url: string, ...options: string[]): string[] {
  return ['restore', '--at', at(), '--to', url, ...options];
}

/** A command that is held in the middle of its data, by a wire that stops after some of it. */
interface Caught {
  readonly pid: number;
  /** Of the run's own process. */
  readonly child: number;
  readonly ended: Promise<Outcome>;
}

async function caught(
  args: readonly string[],
  direction: 'from server' | 'to server',
  staging?: string,
): Promise<Caught> {
  const reached = wire.holdAfter(caughtAfterBytes, direction);
  const { promise: started, resolve } = Promise.withResolvers<number>();
  const ended = runHoldfast([...args, '--json'], {
    ...env(staging),
    started: ({ pid }) => resolve(pid),
  });
  const early = ended.then(({ stderr }) =>
    Promise.reject(new Error(`ended before it was caught: ${stderr}`)),
  );
  const pid = await started;
  await Promise.race([reached, early]);
  early.catch(() => undefined);
  const [child = 0] = await childrenOf(pid);
  expect(child).toBeGreaterThan(0);
  return { pid, child, ended };
}

const stopped = (signal: string): ExpectedFailure => ({
  code: 'cancelled',
  exit: 130,
  says: [signal],
  hint: undefined,
});

/** The server, the destination and staging are as if the command had never run; its processes and sessions are gone. */
async function expectNoTrace(run: Caught): Promise<void> {
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

  test('whose destination goes away fails, and the next run removes what it may have left', async () => {
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
    // What was on its way may be there: the record of it is all that stays, until somebody can look.
    const record = (name: string): boolean => /(?:\/|run\.json|run\.lock|journal\.ndjson)$/.test(name);
    expect((await leftInStaging(folder.join('staging'))).filter((name) => !record(name))).toEqual([]);
    expect(await holdfast(backup(), env())).toMatchObject({ outcome: 'unchanged' });
    await expectNoTrace(run);
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

describe('two backups of one chain at once', () => {
  test('on one machine: the second says which process the first is, and later goes on', async () => {
    await server.psql('shop', `UPDATE orders SET note = note || '?'`);
    const run = await caught(backup(wire.url('shop'), '--incremental'), 'from server');
    const error = await expectFailure(
      backup(undefined, '--incremental'),
      {
        code: 'conflict',
        exit: 3,
        says: ['task shop is being backed up to the same destinations by process', ' since '],
        hint: 'wait for it to end, or stop it: kill ',
      },
      env(),
    );
    expect(error.message).toContain(`process ${run.child} since`);
    wire.release();
    expect(await run.ended).toMatchObject({ code: 0 });
    expect(await holdfast(backup(), env())).toMatchObject({ outcome: 'unchanged' });
  });

  test('from two machines: one wins, the other says conflict, and nothing is overwritten', async () => {
    await server.psql('shop', `UPDATE orders SET note = note || '.'`);
    const first = await caught(backup(wire.url('shop'), '--incremental'), 'from server');
    // Another staging folder is what another machine has.
    const second = await runHoldfast([...backup(undefined, '--incremental'), '--json'], env('elsewhere'));
    wire.release();
    const outcomes = [await first.ended, second];
    const [won, lost] = outcomes.toSorted((a, b) => Number(a.code) - Number(b.code)) as [Outcome, Outcome];
    expect(won, won.stderr).toMatchObject({ code: 0 });
    assertFailure(lost, { code: 'conflict', exit: 3, says: ['already'], hint: /run again|wait/ });
    for (const staging of ['staging', 'elsewhere']) {
      expect(await leftInStaging(folder.join(staging))).toEqual([]);
    }
    expect(await slotsOf(server, 'shop')).toHaveLength(1);
    await bothRestore();
    expect(await holdfast(backup(), env())).toMatchObject({ outcome: 'unchanged' });
  });
});

/** The newest backup, and the one that it follows. */
async function bothRestore(): Promise<void> {
  expect(await holdfast(['check', '--at', at()])).toMatchObject({ findings: [] });
  const { tasks } = await holdfast<{ tasks: { chains: { backups: { backup: string }[] }[] }[] }>([
    ...['list', '--at', at()],
  ]);
  const names = tasks[0]?.chains[0]?.backups.map(({ backup }) => backup).slice(-2) ?? [];
  expect(names).toHaveLength(2);
  for (const name of names) {
    await holdfast(restore(server.url('each'), '--point', name), env());
    if (name === names.at(-1))
      expect(await contentsOf(server, 'each')).toEqual(await contentsOf(server, 'shop'));
    await server.psql('postgres', 'DROP DATABASE each WITH (FORCE)');
  }
}
