import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError } from '@holdfast/core';
import { freePort, type PostgresServer, startPostgres, startStandby } from '@holdfast/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parseTarget } from '../session/url.ts';
import { PostgresSource } from '../source.ts';
import { clock, ModelChain, readAll } from './model-chain.reference.ts';
import type { ChangeState } from './state.ts';

const { signal } = new AbortController();
let old: PostgresServer;
/** Promoted apart from each other: both are on timeline 2 of one system. */
let one: PostgresServer;
let other: PostgresServer;
let chain: ModelChain;
let chains = 0;

beforeAll(async () => {
  old = await startPostgres();
  await old.psql('postgres', 'CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)');
  one = await startStandby(old);
  other = await startStandby(old);
  await one.catchUp(old);
  await one.promote();
  await old.psql('postgres', 'INSERT INTO t VALUES (2)');
  await other.catchUp(old);
  await other.promote();
});
afterAll(async () => {
  for (const server of [one, other, old]) await server?.remove();
});
beforeEach(() => {
  chain = new ModelChain(one.url(), `chain_${++chains}`);
});

async function refusal(work: Promise<unknown>): Promise<HoldfastError> {
  const caught = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(caught instanceof HoldfastError)) throw new Error(`expected a HoldfastError, got ${String(caught)}`);
  expect(caught.code).toBe('precondition_failed');
  expect(caught.reason).toMatch(/^continuity lost: /);
  return caught;
}

const stateOf = (of: ModelChain): ChangeState => of.state as ChangeState;

async function makeSlot(server: PostgresServer): Promise<void> {
  await server.psql(
    'postgres',
    `SELECT pg_create_logical_replication_slot('holdfast_${chain.label}', 'test_decoding')`,
  );
}

describe('a chain on a later timeline', () => {
  it('knows where that came from, and goes on', async () => {
    await chain.full();
    expect(stateOf(chain)).toMatchObject({
      timeline: 2,
      history: [[1, expect.stringMatching(/^0\/[0-9A-F]+$/)]],
    });
    await one.psql('postgres', 'INSERT INTO t SELECT max(id) + 1 FROM t');
    expect((await chain.incremental()).counts).toEqual({ '/public.t': 1 });
    expect(stateOf(chain).history).toHaveLength(1);
    expect(chain.tables).toEqual(await readAll(one.url()));
  });

  it('goes on if the backup before it did not say where that came from, and says it from then on', async () => {
    await chain.full();
    const { history: _, ...earlier } = stateOf(chain);
    chain.state = earlier;
    await one.psql('postgres', 'INSERT INTO t SELECT max(id) + 1 FROM t');
    await chain.incremental();
    expect(stateOf(chain).history).toHaveLength(1);
  });

  it('is over at a server that was promoted apart, though it has a slot of that name and the same timeline', async () => {
    await chain.full();
    await makeSlot(other);
    // So that its log and its transactions are behind nothing.
    await other.psql(
      'postgres',
      'CREATE TABLE IF NOT EXISTS much (id int); INSERT INTO much SELECT generate_series(1, 200000)',
    );
    for (let round = 0; round < 20; round++) await other.psql('postgres', 'INSERT INTO much VALUES (0)');
    const error = await refusal(chain.open({ url: other.url() }));
    expect(error.reason).toMatch(
      /the server was promoted apart .*: it left timeline 1 at 0\/[0-9A-F]+, that one left timeline 1 at 0\/[0-9A-F]+/,
    );
  });

  it('is over at a server that was left behind, though that has a slot of that name', async () => {
    await chain.full();
    await makeSlot(old);
    const error = await refusal(chain.open({ url: old.url() }));
    expect(error.reason).toContain(
      'was left behind by a failover, or restored: it is on timeline 1, the chain on 2',
    );
  });

  it('is not acknowledged at a server of another timeline', async () => {
    await chain.full();
    await makeSlot(old);
    const confirmed = (): Promise<string> =>
      old.psql(
        'postgres',
        `SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = 'holdfast_${chain.label}'`,
      );
    const before = await confirmed();
    await old.psql('postgres', 'SELECT pg_switch_wal()');
    const position = await old.psql('postgres', 'SELECT pg_current_wal_flush_lsn()');
    const mark = { position, timeMs: 0 };
    const source = new PostgresSource(parseTarget(old.url()), clock);
    await source.acknowledge({ state: chain.state, mark, signal });
    expect(await confirmed()).toBe(before);
  });
});

describe('the chain before a failover', () => {
  it('is not taken up again at the old primary, once there are backups of a later timeline', async () => {
    const before = new ModelChain(old.url(), chain.label);
    await before.full();
    await chain.full();
    const source = new PostgresSource(parseTarget(old.url()), clock);
    const { label } = chain;
    const openAt = (of: ModelChain) =>
      source.openIncremental({ since: of.mark, state: of.state, label, signal });
    await source.inspect({ signal });
    await refusal(openAt(chain));
    expect((await refusal(openAt(before))).reason).toContain('newer backups are of another server');
    // By itself, or in a run that knows of no other, it could go on.
    await source.inspect({ signal });
    await using view = await openAt(before);
    expect(view).toBeDefined();
  });
});

describe('what is kept for a chain', () => {
  const slots = (server: PostgresServer): Promise<string> =>
    server.psql(
      'postgres',
      `SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'holdfast_${chain.label}'`,
    );

  it('is dropped at every host that answers', async () => {
    await chain.full();
    await makeSlot(old);
    const dead = `127.0.0.1:${await freePort()}`;
    const hosts = [dead, ...[one, old].map(({ port }) => `127.0.0.1:${port}`)].join(',');
    const url = `postgres://postgres@${hosts}/postgres?target_session_attrs=primary`;
    const source = new PostgresSource(parseTarget(url), clock);
    await source.forgetChanges({ label: chain.label, signal });
    expect([await slots(one), await slots(old)]).toEqual(['0', '0']);

    await makeSlot(one);
    await makeSlot(old);
    const said = (await source.forget({ signal })).join('\n');
    for (const { port } of [one, old])
      expect(said).toContain(
        `dropped the replication slot holdfast_${chain.label} at 127.0.0.1:${port}/postgres`,
      );
    expect(said).toMatch(new RegExp(`nothing was dropped where this failed: .*${dead}`));
    expect([await slots(one), await slots(old)]).toEqual(['0', '0']);
  });

  it('is dropped at a server that has become a standby', async () => {
    await makeSlot(old);
    await old.stop();
    await writeFile(join(old.dataFolder, 'standby.signal'), '');
    await old.start();
    try {
      expect(await slots(old)).toBe('1');
      const source = new PostgresSource(parseTarget(old.url()), clock);
      await source.forgetChanges({ label: chain.label, signal });
      expect(await slots(old)).toBe('0');
    } finally {
      await old.promote();
    }
  });

  it('is an error to drop where nobody answers', async () => {
    const url = `postgres://postgres@127.0.0.1:${await freePort()},127.0.0.1:${await freePort()}/postgres`;
    const source = new PostgresSource(parseTarget(url), clock);
    await expect(source.forgetChanges({ label: chain.label, signal })).rejects.toMatchObject({
      code: 'unavailable',
    });
  });
});
