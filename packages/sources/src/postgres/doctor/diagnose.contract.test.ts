import { startPostgres, type TemporaryDatabase, temporaryDatabase } from '@holdfast/testing';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { parseTarget } from '../session/url.ts';
import { diagnose } from './diagnose.ts';

const { signal } = new AbortController();
let database: TemporaryDatabase;

beforeEach(async () => {
  database = await temporaryDatabase(inject('postgres'), 'doctor');
});
afterEach(() => database[Symbol.asyncDispose]());

async function findings(
  url = database.url,
): Promise<ReadonlyMap<string, { ok: boolean; message: string; hint?: string }>> {
  return new Map((await diagnose(parseTarget(url), { signal })).map((each) => [each.check, each]));
}

describe('the doctor of PostgreSQL', () => {
  it('says what is good, and leaves nothing behind', async () => {
    await database.psql('CREATE TABLE t (id int PRIMARY KEY)');
    const found = await findings();
    expect([...found.values()].filter((each) => !each.ok).map((each) => each.message)).toEqual([
      expect.stringContaining('is -1'),
    ]);
    for (const check of [
      'connection',
      'server version',
      'reading tables',
      'pg_dump',
      'test_decoding',
      'kept changes',
    ]) {
      expect(found.get(check)?.ok, check).toBe(true);
    }
    expect(
      await database.psql('SELECT count(*) FROM pg_replication_slots WHERE database = current_database()'),
    ).toBe('0');
  });

  it('names the tables that cannot be read, with the GRANT, and those that come whole', async () => {
    const user = `doctor_${process.pid}`;
    await database.psql(`CREATE ROLE ${user} LOGIN; CREATE TABLE secret (id int PRIMARY KEY); CREATE TABLE keyless (a int);
      CREATE UNLOGGED TABLE quick (id int PRIMARY KEY); CREATE TABLE mine (id int PRIMARY KEY); ALTER TABLE mine ENABLE ROW LEVEL SECURITY;
      GRANT SELECT ON keyless, quick, mine TO ${user}; SELECT lo_create(0)`);
    const url = new URL(database.url);
    url.username = user;
    try {
      const found = await findings(url.href);
      expect(found.get('reading tables')).toMatchObject({ ok: false, message: 'may not read public.secret' });
      expect(found.get('reading tables')?.hint).toBe(`GRANT pg_read_all_data TO "${user}"`);
      expect(found.get('row level security')).toMatchObject({
        ok: false,
        message: 'hides rows of public.mine',
      });
      expect(found.get('large objects')).toMatchObject({ ok: false });
      expect(found.get('replication right')).toMatchObject({ ok: false });
      expect(found.get('tables without a key')?.message).toContain('public.keyless');
      expect(found.get('unlogged tables')?.message).toContain('public.quick');
    } finally {
      await database.psql(`DROP OWNED BY ${user}; DROP ROLE ${user}`);
    }
  });

  it('says when nobody answers, what replication lacks, and when there are more tables than locks', async () => {
    await using server = await startPostgres({
      settings: {
        wal_level: 'replica',
        max_replication_slots: 0,
        max_wal_senders: 0,
        max_connections: 12,
        max_locks_per_transaction: 10,
      },
    });
    await server.psql(
      'postgres',
      "DO $$ BEGIN FOR i IN 1..181 LOOP EXECUTE 'CREATE TABLE t' || i || ' ()'; END LOOP; END $$",
    );
    const found = await findings(server.url());
    expect(found.get('locks')).toMatchObject({
      ok: false,
      severity: 'warning',
      hint: expect.stringContaining('max_locks_per_transaction = 16'),
    });
    expect(found.get('wal_level')?.hint).toContain('restart');
    expect(found.get('replication slots')?.ok).toBe(false);
    await server.stop();
    expect((await findings(server.url())).get('connection')).toMatchObject({
      ok: false,
      code: 'unavailable',
    });
  });
});
