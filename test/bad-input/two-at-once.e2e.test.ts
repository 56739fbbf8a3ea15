import type { PostgresServer, TemporaryFolder } from '@holdfast/testing';
import { beforeAll, describe, expect, test } from 'vitest';
import { catchRun } from '../harness/caught-run.ts';
import { assertFailure, expectFailure } from '../harness/failure.ts';
import { contentsOf } from '../harness/postgres-contents.ts';
import { holdfast, type Outcome, runHoldfast } from '../harness/run-holdfast.ts';
import { slotsOf } from '../harness/server-state.ts';
import { leftInStaging } from '../harness/tree.ts';
import type { Wire } from '../harness/wire.ts';
import { openShop } from './shop.fixture.ts';

let server: PostgresServer;
let folder: TemporaryFolder;
let wire: Wire;

beforeAll(async () => {
  const shop = await openShop();
  ({ server, folder, wire } = shop);
  await holdfast(backup(), env());
  return () => shop[Symbol.asyncDispose]();
});

const env = (staging = 'staging'): { env: Record<string, string> } => ({
  env: { HOLDFAST_STAGING: folder.join(staging) },
});
const at = (): string => `file:${folder.join('backups')}`;

function backup(url = server.url('shop'), ...options: string[]): string[] {
  return ['backup', '--from', url, '--to', at(), ...options];
}

describe('two backups of one chain at once', () => {
  test('on one machine: the second says which process the first is, and later goes on', async () => {
    await server.psql('shop', `UPDATE orders SET note = note || '?'`);
    const run = await catchRun(wire, 'from server', backup(wire.url('shop'), '--incremental'), env());
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
    const first = await catchRun(wire, 'from server', backup(wire.url('shop'), '--incremental'), env());
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
    await holdfast(['restore', '--at', at(), '--to', server.url('each'), '--point', name], env());
    if (name === names.at(-1))
      expect(await contentsOf(server, 'each')).toEqual(await contentsOf(server, 'shop'));
    await server.psql('postgres', 'DROP DATABASE each WITH (FORCE)');
  }
}
