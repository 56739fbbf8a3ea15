import { HoldfastError } from '@holdfast/core';
import { startPostgres, startStandby, type TemporaryDatabase, temporaryDatabase } from '@holdfast/testing';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { openSession } from '../session/session.ts';
import { parseTarget } from '../session/url.ts';
import { clock, ModelChain, readAll } from './model-chain.reference.ts';
import { createSlot, describeSlot, dropSlot, listSlots, openReplication } from './slot.ts';
import { forgetAll, forgetChanges } from './upkeep.ts';

const { signal } = new AbortController();
let database: TemporaryDatabase;
let chain: ModelChain;

beforeEach(async () => {
  database = await temporaryDatabase(inject('postgres'), 'changes');
  chain = new ModelChain(database.url, `chain_${database.name.slice(-12)}`);
  await database.psql('CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE k (id int)');
});
afterEach(() => database[Symbol.asyncDispose]());

async function errorOf(work: () => Promise<unknown>): Promise<HoldfastError> {
  const caught = await work().then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(caught instanceof HoldfastError)) throw new Error(`expected a HoldfastError, got ${String(caught)}`);
  return caught;
}

async function agrees(): Promise<void> {
  expect(chain.tables).toEqual(await readAll(database.url));
}

/** Two checkpoints and more log than a segment, several times: what a slot holds back is removed if it may be. */
async function writeMuchLog(psql: (sql: string) => Promise<string>): Promise<void> {
  for (let round = 0; round < 4; round++) {
    await psql(`INSERT INTO k SELECT generate_series(1, 200000); SELECT pg_switch_wal(); CHECKPOINT`);
  }
}

describe('a chain goes on', () => {
  it('window after window, with nothing twice and nothing missing', async () => {
    await chain.full();
    for (let i = 1; i <= 3; i++) {
      await database.psql(`INSERT INTO t VALUES (${i}); INSERT INTO k VALUES (${i})`);
      await chain.incremental();
      await agrees();
    }
    expect(await chain.incremental()).toMatchObject({ changed: false, lines: [], replaced: [] });
  });

  it('after a crash between the commit of a backup and its acknowledgement', async () => {
    await chain.full();
    await database.psql('INSERT INTO t VALUES (1)');
    await chain.incremental({ acknowledge: false });
    await database.psql('UPDATE t SET id = 2');
    const told = await chain.incremental({ acknowledge: false });
    expect(told.counts).toEqual({ '/public.t': 1 });
    await agrees();
  });

  it('after an incremental that was given up, wherever that was', async () => {
    await chain.full();
    await database.psql('INSERT INTO t SELECT generate_series(1, 50000); INSERT INTO k VALUES (1)');
    {
      await using view = await chain.open();
      expect((await view.changes({ signal }).next()).done).toBe(false);
    }
    {
      await using view = await chain.open();
      for await (const block of view.changes({ signal })) expect(block.length).toBeGreaterThan(0);
      await view.settle({ signal });
    }
    await chain.incremental();
    await agrees();
  });

  it('with commits that their clients were told of before they were durable', async () => {
    await chain.full();
    for (let i = 0; i < 5; i++) {
      await database.psql(`SET synchronous_commit = off; INSERT INTO t VALUES (${i})`);
      expect((await chain.incremental()).counts).toEqual({ '/public.t': 1 });
    }
  });

  it('with an incremental that holds nothing, when others have written much log', async () => {
    await chain.full();
    await using other = await temporaryDatabase(inject('postgres'), 'other');
    await other.psql('CREATE TABLE x AS SELECT generate_series(1, 200000)');
    expect(await chain.incremental({ keepChangesMaxBytes: 10 ** 12 })).toMatchObject({ changed: false });
    const told = await chain.incremental({ keepChangesMaxBytes: 60 * 1024 * 1024 });
    expect(told).toMatchObject({ changed: true, lines: [], replaced: [] });
    await using session = await openSession(parseTarget(database.url), { signal });
    expect((await listSlots(session))[0]?.confirmed).toBe(told.mark.position);
  });
});

describe('continuity is lost, and said to be,', () => {
  async function refusal(o: Parameters<ModelChain['open']>[0] = {}): Promise<HoldfastError> {
    const error = await errorOf(() => chain.open(o));
    expect(error.code).toBe('precondition_failed');
    expect(error.reason).toMatch(/^continuity lost: /);
    expect(error.reason).toContain(chain.mark.position);
    expect(error.hint).toMatch(/full backup/);
    return error;
  }

  it('when the slot was dropped', async () => {
    await chain.full();
    await database.psql(`SELECT pg_drop_replication_slot('holdfast_${chain.label}')`);
    expect((await refusal()).reason).toContain('is gone');
  });

  it('when somebody else moved the slot', async () => {
    await chain.full();
    await database.psql('INSERT INTO t VALUES (1)');
    await database.psql(
      `SELECT pg_replication_slot_advance('holdfast_${chain.label}', pg_current_wal_flush_lsn())`,
    );
    expect((await refusal()).reason).toContain('moved on');
  });

  it('when it is another database', async () => {
    await chain.full();
    await using other = await temporaryDatabase(inject('postgres'), 'other');
    expect((await refusal({ url: other.url })).reason).toContain('another database');
  });

  it('when the slot holds back more log than it may, and it is dropped', async () => {
    await chain.full();
    await database.psql('INSERT INTO k SELECT generate_series(1, 200000)');
    const error = await refusal({ keepChangesMaxBytes: 1024 * 1024 });
    expect(error.reason).toMatch(/keeps [\d.]+ MB of log at the server, of at most 1\.0 MB; it was dropped/);
    expect(
      await database.psql(`SELECT count(*) FROM pg_replication_slots WHERE database = current_database()`),
    ).toBe('0');
  });

  it('when the backup before it kept no changes', async () => {
    chain.state = null;
    const error = await errorOf(() => chain.open());
    expect(error.reason).toMatch(/^continuity lost: /);
  });

  it('when the server was promoted, put back, or has removed the log', { timeout: 180_000 }, async () => {
    await using primary = await startPostgres({
      settings: { max_slot_wal_keep_size: '1MB', max_wal_size: '64MB' },
    });
    await primary.psql('postgres', 'CREATE TABLE k (id int)');
    chain = new ModelChain(primary.url(), 'here');
    await chain.full();
    await using standby = await startStandby(primary);
    await standby.catchUp(primary);
    await standby.promote();
    expect((await refusal({ url: standby.url() })).reason).toMatch(/timeline 2, the chain on 1/);

    const { state } = chain;
    chain.state = { ...(state as object), nextTransaction: '4294967290000' };
    expect((await refusal()).reason).toContain('put back to an earlier state');
    chain.state = state;

    await writeMuchLog((sql) => primary.psql('postgres', sql));
    expect((await refusal()).reason).toContain('max_slot_wal_keep_size');
  });
});

describe('slots', () => {
  it('say after a while which transaction they wait for', async () => {
    await using holder = await openSession(parseTarget(database.url), { signal });
    await using watcher = await openSession(parseTarget(database.url), { signal });
    await using replication = await openReplication(parseTarget(database.url), { signal });
    await holder.exec('BEGIN; SELECT pg_catalog.txid_current()');
    let told: (text: string) => void = () => {};
    const notice = new Promise<string>((resolve) => {
      told = resolve;
    });
    // The first notice comes after 5 s; here time runs quicker.
    const quick = {
      now: () => clock.now(),
      elapsed: () => clock.elapsed(),
      sleep: (ms: number, stop: AbortSignal) => clock.sleep(ms / 20, stop),
    };
    const wait = { watcher, clock: quick, notice: (text: string) => told(text) };
    const making = createSlot(replication, chain.label, { signal, temporary: true, wait });
    expect(await notice).toMatch(
      new RegExp(`^the transaction of process ${holder.processId} of \\w+ in \\w+ is open for \\d+ s`),
    );
    await holder.exec('COMMIT');
    expect((await making).name).toBe(`holdfast_${chain.label}__${replication.processId}`);
  });

  it('are found, described, dropped by label, by state, or all together', async () => {
    await chain.full();
    const target = parseTarget(database.url);
    await using session = await openSession(target, { signal });
    expect(await listSlots(session)).toMatchObject([
      { name: `holdfast_${chain.label}`, temporary: false, confirmed: chain.mark.position },
    ]);
    await forgetChanges(target, { label: 'someone_else', clock, signal });
    await forgetChanges(target, { state: chain.state, clock, signal });
    await forgetChanges(target, { state: chain.state, clock, signal });
    await forgetChanges(target, { state: null, clock, signal });
    expect(await listSlots(session)).toEqual([]);
    await chain.full();
    expect(await forgetAll(target, { clock, signal })).toEqual([
      `dropped the replication slot holdfast_${chain.label}`,
    ]);
    expect(await describeSlot(session, `holdfast_${chain.label}`)).toBeUndefined();
    expect(await dropSlot(session, `holdfast_${chain.label}`, { clock, signal })).toBe(false);
  });

  it('are refused with what to do: no slot left, wal_level, no right', { timeout: 180_000 }, async () => {
    await using server = await startPostgres({ settings: { max_replication_slots: 1 } });
    await server.psql('postgres', `CREATE TABLE t (id int PRIMARY KEY); CREATE ROLE nobody LOGIN`);
    chain = new ModelChain(server.url(), 'here');
    await chain.full();
    const full = await errorOf(() => chain.open());
    expect(full).toMatchObject({ code: 'exhausted' });
    expect(full.hint).toContain('max_replication_slots');
    const denied = await errorOf(() =>
      openReplication(parseTarget(server.url('postgres', 'nobody')), { signal }),
    );
    expect(denied).toMatchObject({ code: 'permission_denied' });
    expect(denied.hint).toContain('ALTER ROLE "nobody" REPLICATION');
    await forgetAll(parseTarget(server.url()), { clock, signal });
    await server.psql('postgres', `ALTER SYSTEM SET wal_level = replica`);
    await server.stop();
    await server.start();
    await using replication = await openReplication(parseTarget(server.url()), { signal });
    const level = await errorOf(() => createSlot(replication, 'x', { signal }));
    expect(level).toMatchObject({ code: 'precondition_failed' });
    expect(level.hint).toContain('wal_level');
  });
});
